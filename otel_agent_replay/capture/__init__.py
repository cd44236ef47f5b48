"""From calls to finished, redacted spans: recorder, pipeline, exporter."""
