"""The span processor: joins spans with the payloads that travel beside them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TypeAlias
from weakref import WeakKeyDictionary, WeakValueDictionary

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from otel_agent_replay.capture.begun import Begun, as_ended_now
from otel_agent_replay.capture.finished import FinishedSpan
from otel_agent_replay.capture.forks import in_forked_child
from otel_agent_replay.capture.guard import kept_away
from otel_agent_replay.capture.pipeline import Pipeline

__all__ = ["AgentReplaySpanProcessor", "Complete"]

Complete: TypeAlias = Callable[[ReadableSpan], FinishedSpan]
"""Puts beside a span what belongs to it."""


class _Beside:
    """What waits beside a span that a payload is promised for.

    Attributes:
        span: The span.
        ended: The span as it ended, if it did before the payload came.
        finished: Makes the finished span of it, once the payload has come.
        run_id: The run it belongs to.
    """

    __slots__ = ("ended", "finished", "run_id", "span")

    def __init__(self, span: Span) -> None:
        self.span = span
        self.ended: ReadableSpan | None = None
        self.finished: Complete | None = None
        self.run_id = ""


class AgentReplaySpanProcessor(SpanProcessor):
    """Hands every finished span to the pipeline, with its payload.

    A span that a payload was promised for waits until the payload is there. Safe
    from any thread and from finalizers; never blocks. Spans that are never ended
    are not kept alive.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._of_parent: frozenset[int] = frozenset()
        self._begin()
        in_forked_child(self._become_child)

    def _begin(self) -> None:
        # Reentrant: a finalizer may end a call while this thread holds the lock.
        self._lock = threading.RLock()
        self._live: WeakValueDictionary[int, Span] = WeakValueDictionary()
        self._beside: dict[int, _Beside] = {}
        self._kept: dict[int, _Beside] = {}
        """Those of the same whose payload has come before their end."""
        self._roots: WeakKeyDictionary[Span, Complete] = WeakKeyDictionary()
        self._gone: WeakValueDictionary[int, Span] = WeakValueDictionary()

    def _become_child(self) -> None:
        """Leave the spans that are open in the parent process to it."""
        self._of_parent |= frozenset(self._live)
        self._begin()

    # --- what the SDK calls ----------------------------------------------------

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
        if context is None or context.span_id in self._of_parent:
            return
        key = context.span_id
        complete: Complete | None = None
        with self._lock:
            live = self._live.pop(key, None)
            gone = self._gone.pop(key, None) if self._gone else None
            beside = self._beside.get(key)
            if beside is not None:
                complete = beside.finished
                if complete is None:
                    beside.ended = span
                    return
                del self._beside[key], self._kept[key]
            elif live is not None:
                complete = self._roots.pop(live, None) if self._roots else None
        if complete is not None:
            self._send(complete, span)
        elif gone is None and context.trace_flags.sampled:
            self._send(_alone, span)

    def _send(self, complete: Complete, span: ReadableSpan) -> None:
        try:
            self._pipeline.put(complete(span))
        except Exception as error:  # noqa: BLE001 - whoever ends a span must go on
            kept_away("Taking a span", error, self._pipeline.losses)

    def shutdown(self) -> None:
        """Write what has ended so far."""
        self._pipeline.flush()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until what has ended so far is written."""
        return self._pipeline.flush(timeout_millis / 1000)

    # --- what the recorder calls -------------------------------------------------

    def began(self, begun: Begun) -> None:
        """Have it noted that a run or a step has begun, should it never end."""
        self._pipeline.begin(begun)

    def promise(self, span: Span) -> bool:
        """Say that a payload will come for an open span; False if one is promised."""
        key = span.context.span_id
        with self._lock:
            if key in self._beside or key not in self._live:
                return False
            if self._roots and span in self._roots:
                return False
            self._beside[key] = _Beside(span)
            return True

    def keep(self, span: Span, run_id: str, complete: Complete) -> None:
        """Keep a promise: the span is sent on as soon as it has ended too."""
        key = span.context.span_id
        with self._lock:
            beside = self._beside.get(key)
            if beside is None:
                return
            if beside.ended is None:
                beside.finished, beside.run_id = complete, run_id
                self._kept[key] = beside
                return
            del self._beside[key]
        self._send(complete, beside.ended)

    def at_end_of(self, span: Span, complete: Complete) -> None:
        """Send what `complete` makes of a foreign span when that ends."""
        with self._lock:
            if span.context.span_id in self._live:
                self._roots[span] = complete

    def settle(self, run_id: str | None = None) -> None:
        """Send what waits for the end of a foreign span, of one run or of all.

        Some are never ended, such as those of streams that nobody reads on. One that
        ends after all is not sent again.
        """
        with self._lock:
            ready = {
                key: beside
                for key, beside in self._kept.items()
                if run_id in {None, beside.run_id}
            }
            for key, beside in ready.items():
                del self._beside[key], self._kept[key]
                self._gone[key] = beside.span
        for beside in ready.values():
            if beside.finished is not None:
                self._send(beside.finished, as_ended_now(beside.span))

    def open_ancestors(self, span_id: int) -> Iterator[Span]:
        """Yield the open span with this id and its open parents, nearest first."""
        span = self._live.get(span_id)
        while span is not None:
            yield span
            parent = span.parent
            span = self._live.get(parent.span_id) if parent else None

    def knows(self, span: ReadableSpan) -> bool:
        """Return whether it saw the span begin."""
        return span.context is not None and span.context.span_id in self._live

    def is_inside(self, span_id: int, outer_id: int) -> bool:
        """Return whether an open span is another one or lies inside it."""
        if span_id == outer_id:
            return True
        return any(
            span.parent is not None and span.parent.span_id == outer_id
            for span in self.open_ancestors(span_id)
        )


def _alone(span: ReadableSpan) -> FinishedSpan:
    return FinishedSpan(span=span)
