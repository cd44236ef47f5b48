"""A call and its outcome survive being written as span events."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agent_replay import semconv
from otel_agent_replay.model.call import Call, Outcome, RecordedException
from otel_agent_replay.model.encoding import (
    DAMAGED,
    MISSING,
    PAYLOAD_EVENTS,
    call_events,
    read_call,
)
from otel_agent_replay.model.payload import Chunk, HttpRequest, HttpResponse, dump_json
from otel_agent_replay.model.span import EventRecord

texts = st.text(max_size=20)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=8,
)
objects = st.dictionaries(texts, values, max_size=4)
headers = st.lists(st.tuples(texts, texts), max_size=4).map(tuple)
chunks = st.lists(
    st.builds(Chunk, data=st.binary(max_size=12), at_ns=st.integers(0, 2**62)),
    max_size=4,
).map(tuple)
requests = st.builds(
    HttpRequest,
    method=texts,
    url=texts,
    headers=headers,
    body=st.binary(max_size=30) | texts.map(str.encode),
)
responses = st.builds(
    HttpResponse,
    status=st.integers(100, 599),
    reason=texts,
    headers=headers,
    chunks=chunks,
)
errors = st.builds(
    RecordedException,
    type_name=texts,
    message=st.text(alphabet=st.characters(), max_size=10),
    args=st.none() | st.lists(values, max_size=3).map(tuple),
    stacktrace=texts,
)
kinds = st.sampled_from(["model", "tool", "http", "agent", "memory", "checkpoint"])
calls = st.builds(
    Call,
    kind=kinds,
    name=texts,
    inputs=st.none() | objects,
    request=st.none() | requests,
    effect=st.sampled_from(["read", "write"]),
    attributes=objects,
)
outcomes = st.builds(
    Outcome,
    value=values,
    items=st.none() | st.lists(values, max_size=3).map(tuple),
    response=st.none() | responses,
    error=st.none() | errors,
    ended=st.sampled_from(["complete", "abandoned", "failed"]),
    served_from=st.none() | texts,
)


def stored(call, outcome):
    """Return the events as a store gives them back: every value as text."""
    return tuple(
        EventRecord(
            name=event.name,
            time_ns=0,
            attributes={key: str(value) for key, value in event.attributes.items()},
        )
        for event in call_events(call, outcome)
    )


def read_back(call, outcome, events):
    served = outcome.served_from
    attributes = {} if served is None else {semconv.STEP_SERVED_FROM: served}
    return read_call(call.kind, call.name, call.effect, attributes, events)


@given(calls, outcomes)
def test_what_was_encoded_reads_back_equal(call, outcome):
    """Bytes, header order, chunks and JSON values come back as they were."""
    reading = read_back(call, outcome, stored(call, outcome))

    assert reading == (call, outcome, "wire", None)
    # 1 == 1.0 and False == 0 in Python, but not in JSON.
    assert repr(reading.call) == repr(call)
    assert repr(reading.outcome) == repr(outcome)


@given(calls, outcomes)
def test_every_call_has_exactly_one_event_of_its_sort(call, outcome):
    """Wire calls, tool calls and the others each have their own event."""
    (event,) = call_events(call, outcome)

    assert event.name in PAYLOAD_EVENTS
    if call.request is not None:
        assert event.name == semconv.EVENT_HTTP_EXCHANGE
    elif outcome.response is None:
        is_tool = call.kind == "tool"
        assert (event.name == semconv.EVENT_TOOL_CALL) is is_tool


@given(calls, outcomes, st.data())
def test_damaged_events_are_said_to_be_damaged(call, outcome, data):
    """Any attribute may come back cut or changed: reading tells or reads, never raises."""
    (event,) = stored(call, outcome)
    keys = sorted(event.attributes) or [semconv.CALL_RESULT]
    key = data.draw(st.sampled_from(keys))
    broken = {**event.attributes, key: data.draw(texts)}

    reading = read_back(call, outcome, (replace(event, attributes=broken),))

    assert reading.dropped in {None, DAMAGED}
    if reading.dropped:
        assert reading.fidelity == "inferred"


def test_a_tool_has_its_values_under_the_names_of_the_convention():
    """Other tools read a tool's arguments and result without knowing us."""
    call = Call(kind="tool", name="search", inputs={"q": "a"})

    (event,) = call_events(call, Outcome(value=[1]))

    assert event.attributes == {
        semconv.TOOL_CALL_ARGUMENTS: '{"q":"a"}',
        semconv.TOOL_CALL_RESULT: "[1]",
    }


def test_a_failed_tool_has_no_result():
    """The convention defines a result for successful calls only."""
    error = RecordedException(type_name="builtins:ValueError", message="no")

    (event,) = call_events(Call(kind="tool", name="t", inputs={}), Outcome(error=error))

    assert semconv.TOOL_CALL_RESULT not in event.attributes


def test_text_bodies_stay_text_and_other_bytes_become_base64():
    """A person can read a JSON body in the store; any bytes survive."""
    plain = HttpRequest(method="POST", url="http://x/", body="{ü}".encode())
    binary = replace(plain, body=b"\xff\x00")
    call = Call(kind="http", name="x", request=plain)

    (text,) = call_events(call, Outcome())
    (other,) = call_events(replace(call, request=binary), Outcome())

    assert text.attributes[semconv.HTTP_REQUEST_BODY] == "{ü}"
    assert semconv.HTTP_REQUEST_BODY_ENCODING not in text.attributes
    assert other.attributes[semconv.HTTP_REQUEST_BODY_ENCODING] == "base64"


def test_chunks_that_do_not_cover_the_body_are_damage():
    """A body that something cut on its way is not served as if it were whole."""
    response = HttpResponse(status=200, chunks=(Chunk(data=b"abcdef"),))
    request = HttpRequest(method="GET", url="http://x/")
    call = Call(kind="http", name="x", request=request)
    (event,) = stored(call, Outcome(response=response))
    cut = {**event.attributes, semconv.HTTP_RESPONSE_BODY: "abc"}

    reading = read_call("http", "x", "read", {}, (replace(event, attributes=cut),))

    assert reading.dropped == DAMAGED
    assert reading.outcome.response is None


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [({}, MISSING), ({semconv.STEP_DROPPED: "redaction"}, "redaction")],
)
def test_without_an_event_the_reason_is_told(attributes, reason):
    """The span's own word for the loss counts; else the payload is missing."""
    kept = {semconv.TOOL_CALL_ID: "call_1", semconv.ERROR_TYPE: "m:E"}

    reading = read_call("tool", "t", "write", {**kept, **attributes}, ())

    assert reading.dropped == reason
    assert reading.call.attributes == {semconv.TOOL_CALL_ID: "call_1"}
    assert reading.outcome.error == RecordedException(type_name="m:E", message="")


def test_numbers_keep_their_type_and_size():
    """1.0 stays a float, and an integer beyond 64 bits keeps every digit."""
    inputs = {"one": 1.0, "many": 2**70, "nested": [{"zero": -0.0}]}
    call = Call(kind="tool", name="t", inputs=inputs)

    reading = read_call("tool", "t", "read", {}, stored(call, Outcome(value=10**30)))

    assert dump_json(reading.call.inputs) == dump_json(inputs)
    assert reading.outcome.value == 10**30
