"""The GenAI conventions as they are now, content on attributes or on span events."""

from __future__ import annotations

from otel_agent_replay import semconv
from otel_agent_replay.dialects.values import completed
from otel_agent_replay.instrument.providers.json_access import json_or_none, objects_of
from otel_agent_replay.model.payload import JsonObject, dump_json
from otel_agent_replay.model.span import SpanRecord

__all__ = ["normalise"]


def normalise(span: SpanRecord) -> SpanRecord:
    """Return the span with the content of its details events as attributes.

    Strands writes several such events on a span, also on tool spans, where the
    call and its result are the only parts of a message each.
    """
    found: dict[str, str] = {}
    for event in span.events:
        if event.name == semconv.EVENT_INFERENCE_DETAILS:
            found = {**found, **event.attributes}
    whole = completed(span, found) if found else span
    if whole.attributes.get(semconv.OPERATION_NAME) != semconv.OP_EXECUTE_TOOL:
        return whole
    call = _part(whole, semconv.INPUT_MESSAGES, "tool_call")
    result = _part(whole, semconv.OUTPUT_MESSAGES, "tool_call_response")
    return completed(
        whole,
        {
            semconv.TOOL_CALL_ARGUMENTS: _member(call, "arguments"),
            semconv.TOOL_CALL_RESULT: _member(result, "response"),
        },
    )


def _part(span: SpanRecord, name: str, kind: str) -> JsonObject:
    messages = objects_of(json_or_none(span.attributes.get(name, "")))
    parts = [part for each in messages for part in objects_of(each.get("parts"))]
    return next((part for part in parts if part.get("type") == kind), {})


def _member(part: JsonObject, key: str) -> str | None:
    return dump_json(part[key]) if key in part else None
