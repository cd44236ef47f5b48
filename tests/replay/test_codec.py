"""Recordings as files, and everything else as plain JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agent_replay.errors import RecordingError
from otel_agent_replay.model.call import Call, Outcome, RecordedException
from otel_agent_replay.model.divergence import Divergence, FieldDifference, ReplayReport
from otel_agent_replay.model.messages import Message, ModelRequest, ModelResponse
from otel_agent_replay.model.payload import (
    Chunk,
    HttpRequest,
    HttpResponse,
    canonical_json,
    content_hash,
    dump_json,
    parse_json,
)
from otel_agent_replay.model.run import (
    Gap,
    ParentRun,
    PolicyId,
    Recording,
    Run,
    RunSource,
    RunSummary,
)
from otel_agent_replay.model.span import EventRecord, LinkRecord, SpanRecord
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.codec import (
    VERSION,
    checkpoint_json,
    dump_recording,
    load_recording,
    report_json,
    run_json,
    summary_json,
)
from otel_agent_replay.replay.compare import compare
from otel_agent_replay.replay.comparison_view import comparison_json

texts = st.text(alphabet=st.characters(), max_size=12) | st.text(
    min_size=250, max_size=400
)
attributes = st.dictionaries(st.text(max_size=8), texts, max_size=3)
times = st.integers(0, 2**63 - 1)
spans = st.builds(
    SpanRecord,
    trace_id=st.text(min_size=1, max_size=4),
    span_id=st.text(min_size=1, max_size=4),
    parent_span_id=st.text(max_size=4),
    trace_state=st.text(max_size=4),
    name=texts,
    kind=st.sampled_from(["Internal", "Client", ""]),
    resource=attributes,
    scope_name=st.text(max_size=4),
    scope_version=st.text(max_size=4),
    attributes=attributes,
    start_ns=times,
    end_ns=times,
    status_code=st.sampled_from(["Unset", "Ok", "Error"]),
    status_message=texts,
    events=st.lists(
        st.builds(EventRecord, name=texts, time_ns=times, attributes=attributes),
        max_size=2,
    ).map(tuple),
    links=st.lists(
        st.builds(LinkRecord, trace_id=texts, span_id=texts, attributes=attributes),
        max_size=2,
    ).map(tuple),
)
recordings = st.builds(
    Recording,
    run_id=st.text(min_size=1, max_size=5),
    spans=st.lists(spans, max_size=3).map(tuple),
)


def conversation(length):
    """Return a recording whose every span repeats the messages before."""
    messages = [
        {"role": "user", "content": f"{n} " + "word " * 100} for n in range(length)
    ]
    return Recording(
        run_id="run",
        spans=tuple(
            SpanRecord(
                trace_id="t",
                span_id=f"{n}",
                name="chat",
                start_ns=n,
                end_ns=n,
                attributes={"body": dump_json({"messages": messages[: n + 1]})},
            )
            for n in range(length)
        ),
    )


@given(recordings)
def test_a_recording_survives_its_file(recording):
    """Every field of every span comes back, whatever its text."""
    text = dump_recording(recording)

    assert load_recording(text, "file") == recording
    assert dump_recording(load_recording(text, "file")) == text


def test_the_order_of_attributes_makes_no_other_file():
    """Equal recordings have equal files."""
    span = conversation(1).spans[0]
    a = replace(span, attributes={"x": "1", "y": "2"})
    b = replace(span, attributes={"y": "2", "x": "1"})

    one, two = (dump_recording(Recording(run_id="r", spans=(s,))) for s in (a, b))

    assert one == two


def test_messages_that_repeat_are_stored_once():
    """A file is about as large as what is new in each step."""
    recording = conversation(40)
    inline = sum(len(span.attributes["body"]) for span in recording.spans)

    text = dump_recording(recording)

    assert len(text) < inline / 8
    assert load_recording(text, "file") == recording


def test_a_new_step_changes_only_its_own_lines():
    """A person sees in a diff what was added."""
    before = dump_recording(conversation(5)).splitlines()
    after = dump_recording(conversation(6)).splitlines()

    gone = set(before) - set(after)

    # The digest, and two lines that now end with a comma.
    assert len(gone) <= 3


def change(text, **members):
    return dump_json({**parse_json(text), **members})


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda _: "", "whole JSON"),
        (lambda _: "not JSON", "whole JSON"),
        (lambda _: "[" * 100_000, "whole JSON"),
        (lambda text: text[:-20], "cut off"),
        (lambda _: "[]", "format"),
        (lambda text: change(text, format="har"), "format"),
        (lambda text: change(text, version=VERSION + 1), "upgrade"),
        (lambda text: change(text, version=True), "no version"),
        (lambda text: change(text, version="1"), "no version"),
        (lambda text: change(text, run_id=3), "run_id"),
        (lambda text: change(text, run_id="other"), "digest"),
        (lambda text: change(text, contents=[]), "contents"),
        (lambda text: change(text, contents={}), "digest"),
        (lambda text: change(text, spans={}), "spans"),
        (lambda text: change(text, spans=[]), "digest"),
        (lambda text: change(text, digest=None), "digest"),
        (lambda text: text.replace("word", "sword", 1), "digest"),
    ],
)
def test_damage_is_told(damage, told):
    """Whatever is wrong with a file, its name and the problem are said."""
    text = damage(dump_recording(conversation(3)))

    with pytest.raises(RecordingError, match=told) as caught:
        load_recording(text, "golden.json")

    assert caught.value.source == "golden.json"


def signed(contents, spans):
    """Return a file whose digest fits, as someone who means harm would write it."""
    digest = content_hash(canonical_json(["run", contents, spans]))
    return dump_json(
        {
            "format": "agent-replay/recording",
            "version": 1,
            "run_id": "run",
            "digest": digest,
            "contents": contents,
            "spans": spans,
        }
    )


GOOD = {
    "trace_id": "t",
    "span_id": "s",
    "start_ns": 1,
    "end_ns": 2,
    "status_code": "Ok",
}


@pytest.mark.parametrize(
    ("span", "told"),
    [
        ("text", "a span is no object"),
        ({}, "trace_id"),
        ({**GOOD, "span_id": ""}, "span_id"),
        ({**GOOD, "name": 3}, "name"),
        ({**GOOD, "start_ns": 1.5}, "start_ns"),
        ({**GOOD, "start_ns": True}, "start_ns"),
        ({**GOOD, "end_ns": -1}, "out of range"),
        ({**GOOD, "end_ns": 2**63}, "out of range"),
        ({**GOOD, "status_code": "Fine"}, "status_code"),
        ({**GOOD, "status_code": {}}, "status_code"),
        ({**GOOD, "attributes": []}, "attributes"),
        ({**GOOD, "attributes": {"a": 1}}, "neither text"),
        ({**GOOD, "attributes": {"a": [["b"]]}}, "neither text"),
        ({**GOOD, "attributes": {"a": [{"content": "no"}]}}, "missing"),
        ({**GOOD, "attributes": {"a": [{"content": "odd"}]}}, "missing"),
        ({**GOOD, "attributes": {"a": [{"content": "deep"}]}}, "missing"),
        ({**GOOD, "events": {}}, "events"),
        ({**GOOD, "events": [1]}, "an event"),
        ({**GOOD, "events": [{"name": "x"}]}, "time_ns"),
        ({**GOOD, "links": [None]}, "a link"),
    ],
)
def test_wrong_types_are_told(span, told):
    """A file that was made to fit its digest is checked field by field."""
    contents = {"odd": 3, "deep": [{"content": "deep"}]}
    with pytest.raises(RecordingError, match=told):
        load_recording(signed(contents, [span]), "file")


def test_too_large_files_are_refused():
    """Neither the file nor what it unfolds to may be larger than allowed."""
    text = dump_recording(conversation(3))
    bomb = signed(
        {"x": "x" * (1 << 20)},
        [{**GOOD, "attributes": {"a": [{"content": "x"}] * 1025}}],
    )

    with pytest.raises(RecordingError, match="more than 100"):
        load_recording(text, "file", limit=100)
    with pytest.raises(RecordingError, match="too large"):
        load_recording(bomb, "file")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [*GOOD, "attributes", "events", "links", "content", "name"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@settings(max_examples=200)
@given(
    st.text(max_size=30)
    | json_values.map(json.dumps)
    | st.builds(
        signed,
        st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=3) | st.none()),
        st.lists(json_values | st.just(GOOD), max_size=2),
    )
)
def test_whatever_the_file_holds_only_a_recording_error_comes(text):
    """No input makes reading fail in any other way."""
    try:
        found = load_recording(text, "file")
    except RecordingError:
        return
    assert load_recording(dump_recording(found), "file") == found


@settings(max_examples=150)
@given(st.data())
def test_a_changed_character_never_goes_unseen(data):
    """Any edit of a file is refused, or leaves the recording as it was."""
    recording = conversation(3)
    text = dump_recording(recording)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters())
    edited = text[:at] + other + text[at + 1 :]

    try:
        found = load_recording(edited, "file")
    except RecordingError:
        return
    assert found == recording


class TestViews:
    """Plain JSON for `--json` and the web."""

    def a_run(self):
        request = HttpRequest(
            method="POST", url="https://h/v1", headers=(("a", "b"),), body=b'{"x":1}'
        )
        response = HttpResponse(
            status=200, chunks=(Chunk(data=b"\xff", at_ns=3), Chunk(data=b"\x00"))
        )
        message = Message(role="user", parts=({"type": "text", "content": "hi"},))
        return Run(
            run_id="r",
            trace_id="t",
            tags=("x",),
            parent=ParentRun(run_id="p", relation="fork", step=2),
            policy=PolicyId(name="default", version="1"),
            gaps=(Gap(text="lost"),),
            dropped={"queue": 1},
            input={"secret": "in"},
            outcome=Outcome(error=RecordedException(type_name="m:E", message="bad")),
            source=RunSource(store_url="sqlite:///x", pseudonym_key=b"sesame"),
            steps=(
                Step(
                    index=0,
                    span_id="s0",
                    call=Call(kind="model", name="POST h/v1", request=request),
                    outcome=Outcome(response=response),
                    request=ModelRequest(
                        operation="chat", provider="p", model="m", messages=(message,)
                    ),
                    response=ModelResponse(id="1", messages=(message,)),
                ),
                Step(
                    index=1,
                    span_id="s1",
                    parent=0,
                    call=Call(kind="tool", name="t", inputs={"n": 1}),
                    outcome=Outcome(value=[1], items=(1, 2)),
                ),
            ),
        )

    def test_a_run_is_json_with_all_that_a_person_asks_for(self):
        """Payloads are there; JSON bodies as values, others as base64."""
        found = parse_json(dump_json(run_json(self.a_run())))

        assert found["parent"] == {"run_id": "p", "relation": "fork", "step": 2}
        assert found["error"]["message"] == "bad"
        assert found["gaps"] == [{"text": "lost", "step": None, "at_end": False}]
        model, tool = found["steps"]
        assert model["http_request"]["body"] == {"x": 1}
        assert model["http_response"]["body"] == {"base64": "/wA="}
        assert model["http_response"]["chunks"] == [[1, 3], [1, 0]]
        assert model["request"]["messages"][0]["role"] == "user"
        assert (tool["arguments"], tool["value"], tool["items"]) == (
            {"n": 1},
            [1],
            [1, 2],
        )

    def test_without_payloads_none_is_told(self):
        """A list of steps holds neither what was asked nor what was answered."""
        text = dump_json(run_json(self.a_run(), payloads=False))

        for secret in ("in", "hi", "bad", '"x":1', "/wA="):
            assert f'"{secret}"' not in text
        assert '"m:E"' in text

    def test_the_pseudonym_key_is_never_told(self):
        """Where a run came from stays with the run."""
        text = dump_json(run_json(self.a_run()))

        assert "sesame" not in text
        assert "sqlite" not in text

    def test_reports_comparisons_checkpoints_and_summaries(self):
        """All of them are plain JSON."""
        one = self.a_run()
        difference = FieldDifference(path="q", expected=1, in_actual=False)
        divergence = Divergence(kind="changed", name="t", step=1, fields=(difference,))
        report = ReplayReport(run_id="r", served=(0,), divergences=(divergence,))
        compared = compare(one, replace(one, steps=one.steps[:1]))

        shown = report_json(report)
        assert (shown["ok"], shown["served"]) == (False, [0])
        assert shown["divergences"][0]["fields"] == [{"path": "q", "expected": 1}]
        rows = comparison_json(compared)["rows"]
        assert [row["b"] and row["b"]["index"] for row in rows] == [0, None]
        point = checkpoint_json(one.checkpoint(1))
        assert [each["role"] for each in point["messages"]] == ["user", "user"]
        assert summary_json(RunSummary(run_id="r", trace_id="t", tags=("x",)))[
            "tags"
        ] == ["x"]
        for value in (shown, point, rows):
            assert parse_json(dump_json(value)) == value
