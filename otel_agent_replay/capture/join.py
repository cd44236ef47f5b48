"""Finding the span that another instrumentation has already opened for a call."""

from __future__ import annotations

from itertools import islice
from typing import Final

from opentelemetry.sdk.trace import Span

from otel_agent_replay import semconv
from otel_agent_replay.capture.processor import AgentReplaySpanProcessor
from otel_agent_replay.model.call import Call

__all__ = ["joinable_span"]

_JOINING: Final = frozenset({"model", "tool"})
_NEAR: Final = 3
"""An HTTP client's own span, at most with one of a middleware, may lie between."""


def joinable_span(
    processor: AgentReplaySpanProcessor,
    call: Call,
    current_id: int,
    outer_id: int | None,
) -> Span | None:
    """Return the open foreign span that is about this call, promised a payload.

    It lies inside the step or run that the call is made in. One span takes one
    payload: a retry inside the same inference span gets a span of its own.
    """
    if not current_id or current_id == outer_id or call.kind not in _JOINING:
        return None
    for span in islice(processor.open_ancestors(current_id), _NEAR):
        if span.context.span_id == outer_id:
            return None
        if _is_about(call, span):
            return span if processor.promise(span) else None
    return None


def _is_about(call: Call, span: Span) -> bool:
    attributes = span.attributes or {}
    operation = attributes.get(semconv.OPERATION_NAME)
    if call.kind == "model":
        return operation in semconv.INFERENCE_OPERATIONS
    return (
        operation == semconv.OP_EXECUTE_TOOL
        and attributes.get(semconv.TOOL_NAME) == call.name
    )
