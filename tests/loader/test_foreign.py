"""Runs, and parts of runs, that other instrumentations recorded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otel_agent_replay import semconv
from otel_agent_replay.loader import load
from otel_agent_replay.model.call import Call
from otel_agent_replay.model.payload import dump_json
from otel_agent_replay.model.span import EventRecord

TRACE = "f" * 32


def text(role, content):
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def asks(call_id, name, arguments):
    part = {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}
    return {"role": "assistant", "parts": [part]}


def responds(call_id, response):
    part = {"type": "tool_call_response", "id": call_id, "response": response}
    return {"role": "tool", "parts": [part]}


def inference(sent=None, answer=None, **more):
    return {
        semconv.OPERATION_NAME: "chat",
        semconv.PROVIDER_NAME: "openai",
        semconv.REQUEST_MODEL: "gpt-4o",
        semconv.INPUT_MESSAGES: dump_json(sent) if sent else None,
        semconv.OUTPUT_MESSAGES: dump_json(answer) if answer else None,
        **more,
    }


def execution(name, arguments=None, result=None, **more):
    return {
        semconv.OPERATION_NAME: "execute_tool",
        semconv.TOOL_NAME: name,
        semconv.TOOL_CALL_ARGUMENTS: None
        if arguments is None
        else dump_json(arguments),
        semconv.TOOL_CALL_RESULT: result,
        **more,
    }


def agent(spans, **fields):
    attributes = {semconv.OPERATION_NAME: "invoke_agent", semconv.AGENT_NAME: "bot"}
    return spans.foreign("invoke_agent bot", "", attributes, span_id="root", **fields)


def texts(run):
    return [gap.text for gap in run.gaps]


class TestWholeTrace:
    """A trace in which no span is ours."""

    def test_its_spans_become_semantic_steps(self, spans):
        """Model and tool calls are read; the agent at the top is the run."""
        sent, answer = text("user", "hi"), asks("c1", "search", {"q": "x"})
        usage = {
            semconv.USAGE_INPUT_TOKENS: 5,
            semconv.USAGE_OUTPUT_TOKENS: 2,
            semconv.REQUEST_TEMPERATURE: 0.5,
            semconv.RESPONSE_FINISH_REASONS: '["tool_calls"]',
            semconv.RESPONSE_ID: "r1",
        }
        run = load(
            [
                agent(spans),
                spans.foreign("chat", "root", inference([sent], [answer], **usage)),
                spans.foreign("t", "root", execution("search", {"q": "x"}, '{"n":1}')),
            ],
            TRACE,
        )

        model, tool = run.steps
        assert (run.run_id, run.agent_name, run.status) == (TRACE, "bot", "success")
        assert run.gaps == ()
        assert {step.fidelity for step in run.steps} == {"semantic"}
        assert (model.call.kind, model.call.name) == ("model", "chat gpt-4o")
        assert model.request.messages[0].to_json() == sent
        assert model.request.parameters == {semconv.REQUEST_TEMPERATURE: 0.5}
        assert model.response.messages[0].to_json() == answer
        assert model.response.finish_reasons == ("tool_calls",)
        assert run.usage.input_tokens == 5
        assert (tool.call.name, tool.call.inputs) == ("search", {"q": "x"})
        assert tool.outcome.value == {"n": 1}

    def test_a_call_at_the_top_is_a_step_too(self, spans):
        """A trace of a single inference has that step."""
        top = inference([text("user", "hi")], [text("assistant", "ho")])

        run = load([spans.foreign("chat", "", top)], TRACE)

        assert [step.call.kind for step in run.steps] == ["model"]

    def test_without_content_every_step_is_a_gap(self, spans):
        """By default instrumentations write no content; that is said."""
        run = load(
            [
                agent(spans),
                spans.foreign("chat", "root", inference()),
                spans.foreign("t", "root", execution("search")),
            ],
            TRACE,
        )

        assert [step.dropped for step in run.steps] == ["missing", "missing"]
        assert len(run.gaps) == 2

    def test_a_failed_tool_has_its_exception(self, spans):
        """The exception event tells type and message."""
        told = {
            semconv.EXCEPTION_TYPE: "my.mod.Broken",
            semconv.EXCEPTION_MESSAGE: "no",
        }
        event = EventRecord(name="exception", time_ns=1, attributes=told)
        failed = spans.foreign(
            "t", "root", execution("t", {}), (event,), status_code="Error"
        )

        run = load([agent(spans), failed], TRACE)

        assert run.steps[0].outcome.error.type_name == "my.mod:Broken"
        assert run.steps[0].outcome.error.message == "no"
        assert run.gaps == ()

    @pytest.mark.parametrize("known_id", [True, False])
    def test_a_missing_result_is_found_in_the_next_request(self, spans, known_id):
        """By call id, or by name and arguments of the call that was asked for."""
        asked = asks("c1", "search", {"q": "x"})
        shown = responds("c1", {"hits": 0})
        more = {semconv.TOOL_CALL_ID: "c1"} if known_id else {}
        run = load(
            [
                agent(spans),
                spans.foreign("chat", "root", inference([text("user", "hi")], [asked])),
                spans.foreign("t", "root", execution("search", {"q": "x"}, **more)),
                spans.foreign(
                    "chat",
                    "root",
                    inference([shown], [text("assistant", "none")]),
                ),
            ],
            TRACE,
        )

        tool = run.steps[1]
        assert (tool.fidelity, tool.outcome.value) == ("inferred", {"hits": 0})
        assert run.gaps == ()

    def test_equal_tools_take_their_own_results(self, spans):
        """Two equal calls without ids do not both take the same result."""
        asked = [asks("c1", "t", {}), asks("c2", "t", {})]
        shown = [responds("c1", "one"), responds("c2", "two")]
        run = load(
            [
                agent(spans),
                spans.foreign("chat", "root", inference([text("user", "x")], asked)),
                spans.foreign("t", "root", execution("t", {})),
                spans.foreign("t", "root", execution("t", {})),
                spans.foreign("c", "root", inference(shown, [text("assistant", "y")])),
            ],
            TRACE,
        )

        assert [step.outcome.value for step in run.steps[1:3]] == ["one", "two"]

    def test_nested_inference_spans_are_one_step(self, spans):
        """SDK and instrumentation both wrote a span; the outer has the say."""
        outer = spans.foreign(
            "chat",
            "root",
            inference([text("user", "hi")], [text("assistant", "outer")]),
            span_id="outer",
            start_ns=5_000,
            end_ns=6_000,
        )
        inner = spans.foreign(
            "anthropic.messages.create",
            "outer",
            inference([text("user", "hi")], [text("assistant", "inner")]),
            start_ns=5_100,
            end_ns=5_900,
        )

        run = load([agent(spans), outer, inner], TRACE)

        (step,) = run.steps
        assert step.span_id == "outer"
        assert step.response.messages[0].parts[0]["content"] == "outer"

    def test_an_outer_inference_without_content_takes_the_inner_one_s(self, spans):
        """Content is kept, whichever of two spans has it."""
        outer = spans.foreign("chat", "root", inference(), span_id="outer")
        inner = spans.foreign(
            "chat",
            "outer",
            inference([text("user", "hi")], [text("assistant", "inner")]),
            start_ns=outer.start_ns,
            end_ns=outer.end_ns,
        )

        run = load([agent(spans), outer, inner], TRACE)

        (step,) = run.steps
        assert (step.span_id, step.dropped) == ("outer", None)

    def test_a_lost_span_around_a_call_is_a_gap(self, spans):
        """Orphans of the wild stand under the run, and the run says so."""
        orphan = spans.foreign("t", "gone", execution("t", {}, "1"))

        run = load([agent(spans), orphan], TRACE)

        assert texts(run) == ["the span gone, which t ran inside, is missing"]

    def test_a_failed_top_span_is_a_failed_run(self, spans):
        """A foreign root has no status of ours; its own counts."""
        assert load([agent(spans, status_code="Error")], TRACE).status == "failed"


class TestBesideOurs:
    """Spans of other instrumentations inside a run of ours."""

    def test_a_span_that_we_joined_is_ours(self, spans, chat):
        """Its payload event counts, not its content attributes."""
        call, outcome = chat("wire")
        foreign = inference([text("user", "other")], [text("assistant", "other")])
        joined = spans.step(call, outcome, attributes=foreign)

        run = load([joined, spans.root()], spans.run_id)

        (step,) = run.steps
        assert step.fidelity == "wire"
        assert step.request.messages[0].parts[0]["content"] == "wire"

    def test_a_foreign_span_around_our_step_is_no_step(self, spans, chat, tool):
        """Frames of frameworks do not come between our steps."""
        around = [
            spans.foreign(
                "chat", "root", inference([text("user", "x")]), span_id="outer"
            ),
            spans.foreign("t", "root", execution("search", {}, "1"), span_id="tool"),
            spans.foreign(
                "a", "root", {semconv.OPERATION_NAME: "invoke_agent"}, span_id="agent"
            ),
        ]
        ours = [
            spans.step(*chat(), parent="outer"),
            spans.step(tool(), parent="tool"),
            spans.step(tool("other"), parent="agent"),
        ]

        run = load([*around, *ours, spans.root()], spans.run_id)

        assert [(s.fidelity, s.parent) for s in run.steps] == [("wire", None)] * 3

    def test_a_foreign_span_inside_our_step_of_the_same_call_is_no_step(
        self, spans, tool
    ):
        """A framework's span inside a tool we recorded tells of it again."""
        ours = spans.step(tool("search"), span_id="ours")
        again = spans.foreign("t", "ours", execution("search", {}, "1"))
        other = spans.foreign("t", "ours", execution("sub", {}, "1"))

        run = load([ours, again, other, spans.root()], spans.run_id)

        assert [(s.call.name, s.fidelity, s.parent) for s in run.steps] == [
            ("search", "wire", None),
            ("sub", "semantic", 0),
        ]

    def test_what_only_another_instrumentation_saw_is_a_step(self, spans, tool):
        """A call that did not pass the seam is not left out of the run."""
        ours = spans.step(tool("mine"))
        theirs = spans.foreign("t", "root", execution("theirs", {"a": 1}, '"x"'))

        run = load([ours, theirs, spans.root()], spans.run_id)

        assert [(s.call.name, s.fidelity) for s in run.steps] == [
            ("mine", "wire"),
            ("theirs", "semantic"),
        ]

    def test_the_content_of_our_span_stands_in_where_the_wire_says_nothing(self, spans):
        """A dropped payload leaves what the span's own details say."""
        details = {
            semconv.INPUT_MESSAGES: dump_json([text("user", "hi")]),
            semconv.OUTPUT_MESSAGES: dump_json([text("assistant", "ho")]),
        }
        event = EventRecord(
            name=semconv.EVENT_INFERENCE_DETAILS, time_ns=1, attributes=details
        )
        step = spans.step(Call(kind="model", name="m"))
        bare = replace(step, events=(event,))

        run = load([bare, spans.root()], spans.run_id)

        assert run.steps[0].dropped == "missing"
        assert run.steps[0].response.messages[0].role == "assistant"
