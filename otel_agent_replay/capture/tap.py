"""Spans of an application's own `TracerProvider`, handed to whom they are for."""

from __future__ import annotations

from weakref import WeakSet

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

from otel_agent_replay import intercept
from otel_agent_replay.capture.processor import AgentReplaySpanProcessor
from otel_agent_replay.capture.recorder import Recorder

__all__ = ["tap"]

_tapped: WeakSet[TracerProvider] = WeakSet()


def tap(provider: TracerProvider) -> None:
    """Let recorders see the spans of a provider, from now on; once for each.

    The SDK knows no way to take a processor off again. So one stays there, and
    gives each span to the recorder that is on the seam where the span begins: that
    of a session, that of the process, or none.
    """
    if provider not in _tapped:
        _tapped.add(provider)
        provider.add_span_processor(_Tap())


class _Tap(SpanProcessor):
    def __init__(self) -> None:
        self._seen: WeakSet[AgentReplaySpanProcessor] = WeakSet()
        self._latest: AgentReplaySpanProcessor | None = None

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        processor = _in_force()
        if processor is None:
            return
        if processor is not self._latest:
            self._latest = processor
            self._seen.add(processor)
        processor.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        processor = self._latest
        if processor is None or not processor.knows(span):
            knowing = (each for each in list(self._seen) if each.knows(span))
            processor = next(knowing, None) or _in_force()
        if processor is not None:
            processor.on_end(span)

    def shutdown(self) -> None:
        """Write what has ended so far: recording may well go on."""
        self.force_flush()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until what has ended so far is written."""
        done = [each.force_flush(timeout_millis) for each in list(self._seen)]
        return all(done)


def _in_force() -> AgentReplaySpanProcessor | None:
    for interceptor in intercept.in_force():
        if isinstance(interceptor, Recorder):
            return interceptor.processor
    return None
