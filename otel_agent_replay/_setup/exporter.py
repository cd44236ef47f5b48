"""A span exporter for SDK set-ups that are not ours."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otel_agent_replay._setup.configure import records_into
from otel_agent_replay._setup.parts import make_pipeline
from otel_agent_replay.capture.finished import FinishedSpan
from otel_agent_replay.capture.losses import Losses
from otel_agent_replay.capture.pipeline import Pipeline
from otel_agent_replay.config import load_settings

__all__ = ["AgentReplaySpanExporter"]

_PATIENCE: Final = 10.0


class AgentReplaySpanExporter(SpanExporter):
    """Writes spans to a store, redacted.

    For spans that other instrumentations make, with whatever content they put on
    them; `configure()` is what records calls with their payloads. Where that records
    this process into the same store, the exporter leaves the spans to it.

    Example::

        exporter = AgentReplaySpanExporter(store="sqlite:///runs.db")
        provider.add_span_processor(BatchSpanProcessor(exporter))
    """

    def __init__(self, **settings: object) -> None:
        """Take settings as `configure()` does; nothing is opened yet.

        Raises:
            ConfigurationError: A setting has no meaning.
        """
        self._settings = load_settings(settings)
        self._lock = threading.Lock()
        self._pipeline: Pipeline | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write the spans, redacted; a failure says that they wait for the store.

        It takes as long as the store does: put a `BatchSpanProcessor` before it, whose
        `force_flush` asks no exporter, and so means that all is written.
        """
        if records_into(self._settings.store):
            return SpanExportResult.SUCCESS
        with self._lock:
            if self._pipeline is None:
                self._pipeline = make_pipeline(self._settings, Losses())
        for span in spans:
            self._pipeline.put(FinishedSpan(span=span))
        written = self._pipeline.flush(_PATIENCE)
        return SpanExportResult.SUCCESS if written else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Write what is queued and close."""
        if self._pipeline is not None:
            self._pipeline.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until everything is written; False if time ran out."""
        return self._pipeline is None or self._pipeline.flush(timeout_millis / 1000)
