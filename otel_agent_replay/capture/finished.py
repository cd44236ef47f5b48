"""What the pipeline takes: a span that has ended, with what travels beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from otel_agent_replay import semconv
from otel_agent_replay.capture.genai import Plain
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.payload import JsonValue

__all__ = ["SPAN_BYTES", "FinishedSpan", "Payload"]

SPAN_BYTES: Final = 2048
"""About what a span holds without its payload."""
_LOOKED_AT: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What travels beside a span until it is redacted."""

    call: Call
    outcome: Outcome

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        call, outcome = self.call, self.outcome
        if call.request is not None:
            size = len(call.request.body)
        else:
            size = _rough_size([call.inputs, outcome.value, *(outcome.items or ())])
        if outcome.response is not None:
            size += sum(len(chunk.data) for chunk in outcome.response.chunks)
        if outcome.error is not None:
            size += len(outcome.error.message) + len(outcome.error.stacktrace)
        return size


def _rough_size(value: JsonValue) -> int:
    """Return about how long a value is as text.

    Of a large one only some parts are looked at: it is asked on the agent's thread.
    """
    waiting = [value]
    size = seen = more = 0
    while waiting and seen < _LOOKED_AT:
        seen += 1
        each = waiting.pop()
        if isinstance(each, str):
            size += len(each)
        elif isinstance(each, dict | list):
            items = each.values() if isinstance(each, dict) else each
            length = len(each)
            if length > _LOOKED_AT:
                more += length - _LOOKED_AT
                waiting += islice(items, _LOOKED_AT)
            else:
                waiting += items
            size += 16 * length
    return size + (more + len(waiting)) * size // max(seen, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedSpan:
    """A span that has ended.

    Attributes:
        span: The span.
        payload: The call that it is about.
        extra: Attributes it gets, redacted.
        marks: Our own attributes: ids, numbers and words of ours. They take the
            place of what the span has under their names, which the SDK's limits may
            have cut, and are written as they are.
    """

    span: ReadableSpan
    payload: Payload | None = None
    extra: Mapping[str, Plain] = field(default_factory=dict)
    marks: Mapping[str, Plain] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        return SPAN_BYTES + (self.payload.size if self.payload else 0)

    @property
    def run_id(self) -> str:
        """The run it belongs to; empty if none."""
        return str(self.marks.get(semconv.RUN_ID, ""))

    @property
    def key(self) -> tuple[int, int]:
        """The ids of its trace and its span."""
        context = self.span.context
        return (context.trace_id, context.span_id) if context else (0, 0)

    @property
    def cut_by_limits(self) -> int:
        """How many attributes, events and links, at least, the SDK's limits took.

        Our own attributes travel beside the span too, so none of them is lost.
        """
        span = self.span
        lost = span.dropped_attributes
        if lost:
            own = {*self.marks, *self.extra}
            lost = max(0, lost - len(own.difference(span.attributes or ())))
        return lost + span.dropped_events + span.dropped_links

    @property
    def tells_losses(self) -> bool:
        """Whether it ends a run, or a process's part of one."""
        return semconv.RUN_STEP_COUNT in self.marks

    def without_payload(self, reason: str) -> FinishedSpan:
        """Return the span alone, saying why."""
        marks = {**self.marks, semconv.STEP_DROPPED: reason}
        return replace(self, payload=None, marks=marks)
