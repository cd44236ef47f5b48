"""What the pipeline takes when a run or a step begins."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from opentelemetry.sdk.trace import ReadableSpan, Span

from otel_agent_replay import semconv
from otel_agent_replay.capture.finished import FinishedSpan, Payload
from otel_agent_replay.capture.genai import Plain
from otel_agent_replay.model.call import Call, Outcome

__all__ = ["BEGUN_BYTES", "Begun", "as_ended_now"]

BEGUN_BYTES = 1024
"""About what it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A span that has begun, for the journal.

    Attributes:
        span: The open span.
        call: What it is about, if it says more than the span.
        marks, extra: As of a `FinishedSpan`.
    """

    span: Span
    call: Call | None = None
    marks: Mapping[str, Plain]
    extra: Mapping[str, Plain]

    @property
    def key(self) -> tuple[int, int]:
        """Trace id and span id."""
        return self.span.context.trace_id, self.span.context.span_id

    @property
    def is_run(self) -> bool:
        """Whether a run begins, and not a step."""
        return semconv.RUN_STATUS in self.marks

    @property
    def asks_model(self) -> bool:
        """Whether it is a call of a model."""
        return self.call is not None and self.call.kind == "model"

    def as_open(self) -> FinishedSpan:
        """Return the span as it is stored if it never ends.

        The body of a request is left out: a history that comes with every step would
        be written with every step.
        """
        payload = None
        if self.call is not None:
            call = self.call
            if call.request is not None:
                call = replace(call, request=None, inputs=None)
            payload = Payload(call=call, outcome=Outcome(ended="open"))
        return FinishedSpan(
            span=as_ended_now(self.span),
            payload=payload,
            extra=dict(self.extra),
            marks={**dict(self.marks), semconv.STEP_OPEN: True},
        )


def as_ended_now(span: Span) -> ReadableSpan:
    """Return an open span as if it ended at this moment."""
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=dict(span.attributes or {}),
        events=tuple(span.events),
        links=tuple(span.links),
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=max(time.time_ns(), span.start_time or 0),
        instrumentation_scope=span.instrumentation_scope,
    )
