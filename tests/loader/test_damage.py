"""Spans from files of others hold anything; loading them does not fail."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agent_replay import semconv
from otel_agent_replay.loader import load
from otel_agent_replay.model.encoding import PAYLOAD_EVENTS
from otel_agent_replay.model.span import EventRecord, SpanRecord
from otel_agent_replay.replay.codec import run_json
from otel_agent_replay.replay.compare import compare

NAMES = sorted(
    {
        value
        for name, value in vars(semconv).items()
        if isinstance(value, str) and "." in value and name != "RUN_ID"
    }
)
VALUES = st.sampled_from(
    [
        "",
        "null",
        "0",
        "1",
        "-1",
        "9" * 400,
        "nan",
        "1e999",
        "true",
        "[]",
        "{}",
        "[[]]",
        '{"a":[1]}',
        '[{"role":"user","parts":[{"type":"tool_call","id":1}]}]',
        "model",
        "tool",
        "process",
        "chat",
        "execute_tool",
        "a",
        "b",
        "[" * 300 + "]" * 300,
        '{"a":' * 300 + "1" + "}" * 300,
        "[" * 1_500,
    ]
)
OURS = {
    semconv.RUN_ID: "t",
    semconv.STEP_KIND: "tool",
    semconv.STEP_SEQUENCE: "0",
    semconv.STEP_PROCESS: "p",
}
ATTRIBUTES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6)
EVENTS = st.lists(
    st.builds(
        EventRecord,
        name=st.sampled_from([*sorted(PAYLOAD_EVENTS), "exception"]),
        time_ns=st.just(1),
        attributes=ATTRIBUTES,
    ),
    max_size=2,
).map(tuple)
SPANS = st.lists(
    st.builds(
        SpanRecord,
        trace_id=st.just("t"),
        span_id=st.sampled_from("abcd"),
        parent_span_id=st.sampled_from(["", *"abcdx"]),
        name=st.just("n"),
        start_ns=st.integers(0, 5),
        end_ns=st.integers(0, 5),
        attributes=ATTRIBUTES.map(lambda found: {**OURS, **found}) | ATTRIBUTES,
        events=EVENTS,
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=200, deadline=None)
@given(SPANS)
def test_whatever_spans_hold_a_run_comes_of_them(spans):
    """Odd numbers, circles, deep values: a run, that can be shown and compared."""
    run = load(spans, "t")

    run_json(run)
    assert [step.index for step in run.steps] == list(range(len(run.steps)))
    for step in run.steps:
        assert step.parent is None or step.parent in range(len(run.steps))
        run.checkpoint(step.index)
    assert compare(run, run).same


@pytest.mark.parametrize("depth", [300, 900, 100_000])
def test_a_payload_nested_too_deep_is_damaged(spans, tool, depth):
    """What no capture writes is not walked."""
    step = spans.step(tool())
    deep = '{"a":' * depth + "1" + "}" * depth
    event = EventRecord(
        name=semconv.EVENT_TOOL_CALL,
        time_ns=1,
        attributes={semconv.TOOL_CALL_ARGUMENTS: deep},
    )
    broken = SpanRecord(
        trace_id=step.trace_id,
        span_id=step.span_id,
        name="n",
        attributes=step.attributes,
        start_ns=1,
        end_ns=2,
        events=(event,),
    )

    run = load([broken, spans.root()], spans.run_id)

    assert run.steps[0].dropped == "damaged"
    assert run.gaps
