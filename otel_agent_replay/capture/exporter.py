"""A span exporter for any OpenTelemetry SDK set-up."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otel_agent_replay.capture.pipeline import FinishedSpan, Pipeline

__all__ = ["AgentReplaySpanExporter"]


class AgentReplaySpanExporter(SpanExporter):
    """Writes spans to a store, redacted.

    It holds no payloads of its own: use it where spans arrive whole, such as behind
    another instrumentation; `configure()` sets up capture with payloads. Spans it is
    given twice are stored once.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hand the spans on; the pipeline retries and counts what it must drop."""
        for span in spans:
            self._pipeline.put(FinishedSpan(span=span))
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Write what is queued and close."""
        self._pipeline.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until everything is written."""
        return self._pipeline.flush(timeout_millis / 1000)
