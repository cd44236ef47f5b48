"""Made-up runs, as the recorder and as other instrumentations write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from otel_agent_replay import semconv
from otel_agent_replay.model.content import PackedSpan, Packer
from otel_agent_replay.model.payload import JsonValue, content_hash, dump_json
from otel_agent_replay.model.span import EventRecord, LinkRecord, SpanRecord

__all__ = [
    "AT_NS",
    "chat_span",
    "foreign_trace",
    "growing_run",
    "hex_id",
    "odd_span",
    "packed_once",
    "root_span",
    "sample_run",
    "with_attributes",
]

AT_NS: Final = 1_763_700_000_123_456_789
"""When samples start, unless they say otherwise; with odd nanoseconds."""

_SECOND: Final = 1_000_000_000
_RESOURCE: Final = {semconv.SERVICE_NAME: "support", "host.name": "höst-漢"}


def hex_id(seed: str, digits: int = 32) -> str:
    """Return a trace id (32 digits) or span id (16), the same for a seed."""
    return content_hash(seed.encode())[:digits]


def with_attributes(span: SpanRecord, more: Mapping[str, str]) -> SpanRecord:
    """Return the span with more attributes."""
    return replace(span, attributes={**span.attributes, **more})


def root_span(
    run_id: str,
    *,
    trace_id: str = "",
    number: int = 0,
    start_ns: int = AT_NS,
    attributes: Mapping[str, str] | None = None,
) -> SpanRecord:
    """Return the root of a run; `number` tells the roots of a resumed run apart."""
    trace_id = trace_id or run_id
    return SpanRecord(
        trace_id=trace_id,
        span_id=hex_id(f"{run_id} root {number}", 16),
        name="invoke_agent triage",
        resource=_RESOURCE,
        scope_name="otel_agent_replay",
        scope_version="1.0",
        attributes={
            semconv.RUN_ID: run_id,
            semconv.OPERATION_NAME: semconv.OP_INVOKE_AGENT,
            semconv.AGENT_NAME: "triage",
            semconv.AGENT_VERSION: "1.4",
            semconv.USER_ID: "user-1",
            semconv.CONVERSATION_ID: "conversation-1",
            semconv.RUN_STATUS: "success",
            semconv.RUN_TAGS: '["nightly","eu"]',
            semconv.USAGE_INPUT_TOKENS: "999",  # totals of a frame do not count
            **(attributes or {}),
        },
        start_ns=start_ns,
        end_ns=start_ns + 60 * _SECOND,
        status_code="Ok",
    )


def chat_span(
    run_id: str,
    number: int,
    *,
    messages: JsonValue = None,
    start_ns: int = AT_NS,
    attributes: Mapping[str, str] | None = None,
) -> SpanRecord:
    """Return a model step of a run, with its payload events."""
    start_ns += number * _SECOND + number
    body = {"model": "m-1", "messages": messages, "stream": False}
    return SpanRecord(
        trace_id=run_id,
        span_id=hex_id(f"{run_id} chat {number}", 16),
        parent_span_id=hex_id(f"{run_id} root 0", 16),
        name="chat m-1",
        kind="Client",
        resource=_RESOURCE,
        attributes={
            semconv.RUN_ID: run_id,
            semconv.STEP_KIND: "model",
            semconv.OPERATION_NAME: semconv.OP_CHAT,
            semconv.USAGE_INPUT_TOKENS: "100",
            semconv.USAGE_OUTPUT_TOKENS: "20",
            semconv.STEP_COST: "0.25",
            **(attributes or {}),
        },
        start_ns=start_ns,
        end_ns=start_ns + 1,
        events=(
            EventRecord(
                name=semconv.EVENT_INFERENCE_DETAILS,
                time_ns=start_ns + 1,
                attributes={semconv.INPUT_MESSAGES: dump_json(messages)},
            ),
            EventRecord(
                name=semconv.EVENT_HTTP_EXCHANGE,
                time_ns=start_ns + 1,
                attributes={semconv.HTTP_REQUEST_BODY: dump_json(body)},
            ),
        ),
    )


def sample_run(
    seed: str,
    *,
    steps: int = 3,
    start_ns: int = AT_NS,
    root: Mapping[str, str] | None = None,
    text: str = "hello",
) -> list[SpanRecord]:
    """Return a run of model steps, its root last, as spans end."""
    run_id = hex_id(seed)
    history: list[JsonValue] = [
        {"role": "user", "content": f"{text} {index} " + "lorem ipsum " * 30}
        for index in range(steps)
    ]
    chats = [
        chat_span(run_id, index + 1, messages=history[: index + 1], start_ns=start_ns)
        for index in range(steps)
    ]
    return [*chats, root_span(run_id, start_ns=start_ns, attributes=root)]


def growing_run(seed: str, steps: int) -> list[SpanRecord]:
    """Return a run in which every step sends all that was said before it."""
    run_id = hex_id(seed)
    said: list[JsonValue] = [{"role": "system", "content": "You are. " * 100}]
    spans = []
    for number in range(1, steps + 1):
        words = " ".join(hex_id(f"{seed} {number} {n}", 8) for n in range(60))
        said = [*said, {"role": "user", "content": words}]
        spans.append(chat_span(run_id, number, messages=said))
    return [*spans, root_span(run_id)]


def packed_once(spans: Sequence[SpanRecord]) -> tuple[PackedSpan, ...]:
    """Return the spans packed as a recorder does: each content comes along once."""
    packer = Packer()
    brought: set[tuple[str, bytes]] = set()
    packed: list[PackedSpan] = []
    for each in map(packer.pack, spans):
        new = {
            key: text
            for key, text in each.contents.items()
            if (each.scope, key) not in brought
        }
        brought.update((each.scope, key) for key in new)
        packed.append(replace(each, contents=new, recipes=each.recipes & new.keys()))
    return tuple(packed)


def foreign_trace(seed: str, *, start_ns: int = AT_NS) -> list[SpanRecord]:
    """Return a trace of another instrumentation: no run id, payloads on spans."""
    trace_id = hex_id(seed)
    agent, server = hex_id(f"{seed} agent", 16), hex_id(f"{seed} server", 16)
    said = dump_json(
        [{"role": "user", "parts": [{"type": "text", "content": "x" * 900}]}]
    )
    return [
        SpanRecord(
            trace_id=trace_id,
            span_id=server,
            name="POST /ask",
            kind="Server",
            resource=_RESOURCE,
            start_ns=start_ns,
            end_ns=start_ns + 9,
        ),
        SpanRecord(
            trace_id=trace_id,
            span_id=agent,
            parent_span_id=server,
            name="invoke_agent planner",
            resource=_RESOURCE,
            attributes={
                semconv.OPERATION_NAME: semconv.OP_INVOKE_AGENT,
                semconv.AGENT_NAME: "planner",
                semconv.USAGE_INPUT_TOKENS: "77",
            },
            start_ns=start_ns + 1,
            end_ns=start_ns + 8,
            status_code="Error",
            status_message="boom",
        ),
        SpanRecord(
            trace_id=trace_id,
            span_id=hex_id(f"{seed} chat", 16),
            parent_span_id=agent,
            name="chat m-2",
            kind="Client",
            resource=_RESOURCE,
            attributes={
                semconv.OPERATION_NAME: semconv.OP_CHAT,
                semconv.CONVERSATION_ID: "thread-9",
                semconv.USAGE_INPUT_TOKENS: "77",
                semconv.USAGE_OUTPUT_TOKENS: "7",
                semconv.INPUT_MESSAGES: said,
            },
            start_ns=start_ns + 2,
            end_ns=start_ns + 7,
        ),
    ]


def odd_span(run_id: str, values: Sequence[str]) -> SpanRecord:
    """Return a span with these texts wherever a text can stand."""
    attributes = {
        f"key {index} {value[:9]}": value for index, value in enumerate(values)
    }
    return SpanRecord(
        trace_id=run_id,
        span_id=hex_id(f"{run_id} odd", 16),
        trace_state="a=b",
        name="".join(value[:20] for value in values),
        kind="Producer",
        resource=attributes,
        scope_name="scope 'quoted' \\ \"double\"",
        attributes={**attributes, semconv.RUN_ID: run_id, "empty": ""},
        start_ns=AT_NS + 1,
        end_ns=AT_NS,  # a clock that was set back
        status_code="Error",
        status_message="".join(value[:20] for value in values),
        events=(
            EventRecord(name="empty", time_ns=AT_NS),
            EventRecord(name="all", time_ns=AT_NS + 3, attributes=attributes),
        ),
        links=(
            LinkRecord(trace_id=hex_id("l"), span_id=hex_id("l", 16)),
            LinkRecord(
                trace_id=hex_id("m"),
                span_id=hex_id("m", 16),
                trace_state="c=d",
                attributes=attributes,
            ),
        ),
    )
