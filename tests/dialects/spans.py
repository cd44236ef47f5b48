"""Spans of other instrumentations, and what is read from them."""

from __future__ import annotations

from otel_agent_replay.dialects import normalise
from otel_agent_replay.model.payload import parse_json
from otel_agent_replay.model.span import EventRecord, SpanRecord


def span(attributes=None, events=(), name="span"):
    return SpanRecord(
        trace_id="a" * 32,
        span_id="b" * 16,
        name=name,
        attributes=attributes or {},
        start_ns=1,
        end_ns=2,
        events=tuple(
            EventRecord(name=n, time_ns=1, attributes=values) for n, values in events
        ),
    )


def normal(attributes=None, events=(), name="span"):
    return normalise(span(attributes, events, name)).attributes


def messages(attributes, name):
    return parse_json(attributes[name])


def text(role, content, **more):
    parts = [{"type": "text", "content": content}]
    return {"role": role, "parts": parts, **more}


def response(call_id, value):
    known = {} if call_id is None else {"id": call_id}
    return {"type": "tool_call_response", **known, "response": value}
