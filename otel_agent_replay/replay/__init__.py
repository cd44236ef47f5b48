"""Replay, resume, fork and compare runs; knows no store and no OpenTelemetry."""
