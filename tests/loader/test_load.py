"""Runs rebuilt from the spans of a store."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agent_replay import semconv
from otel_agent_replay.errors import RunNotFoundError
from otel_agent_replay.loader import load, spans_of
from otel_agent_replay.model.call import Call, Outcome, RecordedException
from otel_agent_replay.model.run import ParentRun, PolicyId
from tests.loader.runs import texts, tree


def a_run(make_spans):
    """Return the spans of a run with frames, a child process and foreign spans."""
    spans = make_spans()
    frame = spans.step(Call(kind="step", name="plan", inputs={}), span_id="frame")
    between = spans.foreign("langchain", "frame", span_id="between")
    tools = [
        spans.step(Call(kind="tool", name="t", inputs={"n": n % 2}), parent=parent)
        for n, parent in enumerate(["root", "frame", "between", "root", "between"])
    ]
    inner = spans.step(
        Call(kind="tool", name="u", inputs={}), parent="proc", process="c"
    )
    other = spans.step(
        Call(kind="tool", name="v", inputs={}), parent="proc", process="c"
    )
    process = spans.process("c", span_id="proc", start_ns=1_005)
    root = spans.root()
    return [root, frame, between, *tools, process, inner, other]


def names(run):
    return [step.call.name for step in run.steps]


class TestWhole:
    """A run of which every span is there."""

    def test_steps_stand_in_order_inside_the_nearest_step(self, make_spans):
        """Foreign spans in between do not count; a process holds its steps."""
        run = load(a_run(make_spans), make_spans().run_id)

        assert tree(run) == [
            ("child", None),
            ("plan", None),
            ("t", None),
            ("t", 1),
            ("t", 1),
            ("t", None),
            ("t", 1),
            ("u", 0),
            ("v", 0),
        ]
        assert [step.index for step in run.steps] == list(range(9))
        assert run.gaps == ()

    @given(seed=st.integers(0, 2**32), extra=st.lists(st.integers(0, 9), max_size=6))
    def test_order_and_repetition_change_nothing(self, make_spans, seed, extra):
        """Spans may come in any order and any number of times."""
        spans, run_id = a_run(make_spans), make_spans().run_id
        given_spans = [*spans, *(spans[n % len(spans)] for n in extra)]
        random.Random(seed).shuffle(given_spans)  # noqa: S311 - any order will do

        assert load(given_spans, run_id) == load(spans, run_id)

    def test_without_any_one_span_something_is_said(self, make_spans):
        """Losing a span is never silent, whichever it is."""
        spans, run_id = a_run(make_spans), make_spans().run_id
        for lost in spans:
            run = load([each for each in spans if each is not lost], run_id)

            assert run.gaps or run.status == "interrupted", lost

    def test_without_any_one_payload_something_is_said(self, make_spans):
        """A step whose event was lost says so, and so does its run."""
        spans, run_id = a_run(make_spans), make_spans().run_id
        for lost in spans:
            if semconv.STEP_SEQUENCE not in lost.attributes:
                continue
            rest = [each for each in spans if each is not lost]
            run = load([*rest, replace(lost, events=())], run_id)

            assert any("no payload" in text for text in texts(run))
            assert [step.dropped for step in run.steps].count("missing") == 1


def test_spans_of_other_runs_are_left_out(make_spans, tool):
    """A store gives all spans of a trace; a run is made of its own."""
    own, other = make_spans("a" * 32), make_spans("b" * 32)
    other.ids = 100
    first = own.step(tool("mine"))
    nested = other.step(tool("theirs"), parent="root2")
    root2 = other.root(span_id="root2", parent="root")
    below = own.foreign("lib", "root2", {semconv.OPERATION_NAME: "execute_tool"})
    everything = [first, own.root(), nested, root2, below]

    run = load(everything, own.run_id)

    assert names(run) == ["mine"]
    assert below not in run.spans
    assert spans_of(everything, other.run_id) == (root2, nested, below)


def test_an_unknown_run_is_an_error(spans, tool):
    """Asking for a run that is not among the spans does not give an empty one."""
    with pytest.raises(RunNotFoundError, match="nope"):
        load([spans.step(tool()), spans.root()], "nope")


def test_the_root_says_what_the_run_is(spans, tool):
    """Everything that is known of the run as a whole comes from its root."""
    step = spans.step(tool())
    root = spans.root(
        status="failed",
        inputs={"question": "why"},
        outcome=Outcome(error=RecordedException(type_name="m:E", message="x")),
        attributes={
            semconv.AGENT_VERSION: "2",
            semconv.USER_ID: "u",
            semconv.CONVERSATION_ID: "c",
            semconv.PROMPT_NAME: "p",
            semconv.PROMPT_VERSION: "7",
            semconv.RUN_CLASS: "flagged",
            semconv.RUN_TAGS: '["x","y"]',
            semconv.RUN_ENVIRONMENT: '{"git":"abc"}',
            semconv.RUN_MODEL_CONFIGURATION: '{"model":"m"}',
            semconv.RUN_PARENT_ID: "old",
            semconv.RUN_PARENT_RELATION: "fork",
            semconv.RUN_PARENT_STEP: "3",
            semconv.POLICY_NAME: "default",
            semconv.POLICY_VERSION: "1",
        },
    )

    run = load([step, root], spans.run_id)

    assert (run.agent_name, run.agent_version, run.user) == ("bot", "2", "u")
    assert (run.conversation, run.prompt_name, run.prompt_version) == ("c", "p", "7")
    assert (run.status, run.run_class, run.tags) == ("failed", "flagged", ("x", "y"))
    assert run.environment == {"git": "abc"}
    assert run.model_configuration == {"model": "m"}
    assert run.parent == ParentRun(run_id="old", relation="fork", step=3)
    assert run.policy == PolicyId(name="default", version="1")
    assert run.input == {"question": "why"}
    assert run.outcome.error.message == "x"
    assert (run.root_span_id, run.start_ns, run.end_ns) == ("root", 1_000, root.end_ns)


def test_a_model_step_is_read_by_the_provider_codecs(spans, chat):
    """Request, response, usage and price stand beside the wire."""
    call, outcome = chat("hello")
    step = spans.step(call, outcome, attributes={semconv.STEP_COST: "0.25"})

    run = load([step, spans.root()], spans.run_id)

    assert run.steps[0].call == call
    assert run.steps[0].outcome == outcome
    assert run.steps[0].request.messages[0].parts[0]["content"] == "hello"
    assert run.steps[0].response.finish_reasons == ("stop",)
    assert (run.usage.input_tokens, run.usage.output_tokens) == (3, 2)
    assert run.cost_usd == 0.25


def test_equal_calls_are_told_apart_by_occurrence(spans, tool):
    """Equal calls are counted under the same parent; arguments make them unequal."""
    frame = spans.step(Call(kind="step", name="s", inputs={}), span_id="frame")
    inside = [spans.step(tool(n=1), parent="frame") for _ in range(2)]
    outside = [spans.step(tool(n=n)) for n in (1, 2, 1)]

    run = load([frame, *inside, *outside, spans.root()], spans.run_id)

    assert [step.occurrence for step in run.steps] == [0, 0, 1, 0, 0, 1]
    assert [step.attempt for step in run.steps] == [0] * 6


def test_retries_are_told_apart_from_new_calls(spans, chat):
    """An equal call directly after one that failed in passing is an attempt of it."""
    refused = Outcome(error=RecordedException(type_name="m:ConnectError", message=""))
    call, ok = chat()
    outcomes = [refused, chat(status=429)[1], chat(status=503)[1], ok, ok]
    steps = [spans.step(call, outcome) for outcome in outcomes]
    other_call, bad_request = chat("other", status=400)
    steps += [spans.step(other_call, bad_request) for _ in range(2)]

    run = load([*steps, spans.root()], spans.run_id)

    assert [step.attempt for step in run.steps] == [0, 1, 2, 3, 0, 0, 0]
    assert [step.occurrence for step in run.steps] == [0, 1, 2, 3, 4, 0, 1]


def test_equal_calls_side_by_side_are_no_retries(spans, chat):
    """A call that began before the failed one ended does not repeat it."""
    call, failed = chat(status=500)
    first = spans.step(call, failed, start_ns=2_000, end_ns=2_900)
    second = spans.step(call, chat()[1], start_ns=2_100, end_ns=2_500)

    run = load([first, second, spans.root()], spans.run_id)

    assert [step.attempt for step in run.steps] == [0, 0]


def test_a_joined_span_that_lasts_over_its_retries(spans, chat):
    """The first attempt is on an SDK's own span, which ends after the last one."""
    call, failed = chat(status=429)
    joined = spans.step(call, failed, scope_name="sdk", start_ns=2_000, end_ns=2_900)
    later = [
        spans.step(call, failed, start_ns=2_200, end_ns=2_300),
        spans.step(call, chat()[1], start_ns=2_400, end_ns=2_800),
    ]

    run = load([joined, *later, spans.root()], spans.run_id)

    assert [step.attempt for step in run.steps] == [0, 1, 2]


def test_what_the_other_side_of_a_call_did_is_no_step(spans, chat):
    """A server's span in the same trace, such as MCP's, leaves no gap."""
    asked = {
        semconv.OPERATION_NAME: semconv.OP_EXECUTE_TOOL,
        semconv.TOOL_NAME: "add",
    }
    step = spans.step(*chat(kind="http"))
    server = spans.foreign("tools/call add", step.span_id, asked, kind="Server")
    tool = spans.foreign("execute_tool add", "root", asked, kind="Internal")

    run = load([step, server, spans.root()], spans.run_id)
    other = load([step, tool, spans.root()], spans.run_id)

    assert [each.call.kind for each in run.steps] == ["http"]
    assert run.gaps == ()
    assert [each.call.kind for each in other.steps] == ["http", "tool"]


def test_a_step_never_stands_before_the_one_it_is_inside(spans, tool):
    """Clocks of processes differ; a child is still listed after its parent."""
    frame = spans.step(Call(kind="step", name="s", inputs={}), span_id="frame")
    early = spans.step(tool("early"), parent="frame", start_ns=1, process="c")
    process = spans.process("c", parent="frame")

    run = load([early, frame, process, spans.root()], spans.run_id)

    assert names(run)[:2] == ["s", "early"]


def test_the_recorder_s_word_on_the_parent_counts(spans, tool):
    """Where a foreign span in between was sampled away, nothing is in doubt."""
    frame = spans.step(Call(kind="step", name="s", inputs={}), span_id="frame")
    inner = spans.step(
        tool(), parent="sampled away", attributes={semconv.STEP_PARENT: "frame"}
    )

    run = load([frame, inner, spans.root()], spans.run_id)

    assert tree(run) == [("s", None), ("search", 0)]
    assert run.gaps == ()


def test_spans_that_run_inside_each_other_do_no_harm(spans, tool):
    """Damaged parent ids that form a circle end at the run."""
    a = spans.step(tool("a"), parent="f1")
    f1 = spans.foreign("x", "f2", span_id="f1")
    f2 = spans.foreign("y", "f1", span_id="f2")

    run = load([a, f1, f2, spans.root()], spans.run_id)

    assert tree(run) == [("a", None)]


def test_a_span_that_was_stored_open_gives_way_to_the_finished_one(spans, tool):
    """Of two spans with one id the one that ended last counts."""
    step = spans.step(tool())
    opened = replace(step, end_ns=step.start_ns, events=())

    for order in ([step, opened], [opened, step]):
        run = load([*order, spans.root()], spans.run_id)

        assert run.steps[0].dropped is None
