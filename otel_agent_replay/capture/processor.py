"""The span processor: joins spans with the payloads that travel beside them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from otel_agent_replay.capture.encode import Payload
from otel_agent_replay.capture.genai import Plain
from otel_agent_replay.capture.pipeline import FinishedSpan, Pipeline

__all__ = ["AgentReplaySpanProcessor"]


class AgentReplaySpanProcessor(SpanProcessor):
    """Hands every finished span to the pipeline, with its payload.

    A span of another instrumentation that a payload was promised for waits until
    the payload is there. Safe from any thread; never blocks.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._lock = threading.Lock()
        self._live: dict[int, Span] = {}
        self._promised: set[int] = set()
        self._payloads: dict[int, tuple[Payload | None, Mapping[str, Plain]]] = {}
        self._waiting: dict[int, ReadableSpan] = {}
        self._on_foreign_end: dict[
            int, Callable[[ReadableSpan], Mapping[str, Plain]]
        ] = {}

    def on_start(
        self,
        span: Span,
        parent_context: Context | None = None,  # noqa: ARG002 - the SDK's signature
    ) -> None:
        """Remember the span while it is open."""
        self._live[span.context.span_id] = span

    def on_end(self, span: ReadableSpan) -> None:
        """Send the span on, or keep it until its promised payload comes."""
        context = span.context
        if context is None or not context.trace_flags.sampled:
            return
        key = context.span_id
        with self._lock:
            self._live.pop(key, None)
            finish = self._on_foreign_end.pop(key, None)
            if key in self._promised and key not in self._payloads:
                self._waiting[key] = span
                return
            self._promised.discard(key)
            payload, extra = self._payloads.pop(key, (None, {}))
        if finish is not None:
            extra = {**extra, **finish(span)}
        self._pipeline.put(FinishedSpan(span=span, payload=payload, extra=extra))

    def attach(
        self,
        span_id: int,
        payload: Payload | None,
        extra: Mapping[str, Plain],
    ) -> None:
        """Give a span its payload; call before the span ends, or after a promise."""
        with self._lock:
            waiting = self._waiting.pop(span_id, None)
            if waiting is None:
                self._payloads[span_id] = (payload, extra)
                return
            self._promised.discard(span_id)
        self._pipeline.put(FinishedSpan(span=waiting, payload=payload, extra=extra))

    def promise(self, span_id: int) -> bool:
        """Say that a payload will come for an open span; False if one is promised."""
        with self._lock:
            if span_id in self._promised or span_id not in self._live:
                return False
            self._promised.add(span_id)
            return True

    def at_end_of(
        self,
        span_id: int,
        finish: Callable[[ReadableSpan], Mapping[str, Plain]],
    ) -> None:
        """Add the attributes that `finish` gives when another's span ends."""
        with self._lock:
            if span_id in self._live:
                self._on_foreign_end[span_id] = finish

    def open_ancestors(self, span_id: int) -> Iterator[Span]:
        """Yield the open span with this id and its open parents, nearest first."""
        span = self._live.get(span_id)
        while span is not None:
            yield span
            parent = span.parent
            span = self._live.get(parent.span_id) if parent else None

    def shutdown(self) -> None:
        """Write what is queued."""
        self._pipeline.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until what has ended so far is written."""
        return self._pipeline.flush(timeout_millis / 1000)
