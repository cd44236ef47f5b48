"""Record, store, replay, resume and fork AI agents out of OpenTelemetry alone."""
