"""A span that another instrumentation opened takes the payload."""

from __future__ import annotations

import pytest
from anthropic import Anthropic, beta_tool
from opentelemetry import trace

from otel_agent_replay import agent, replay, semconv, tool
from otel_agent_replay.testing import (
    Answer,
    ScriptedProvider,
    ToolCall,
)
from tests.loop.foreign_spans.inference import (
    GENAI,
    ask,
    check_replay,
    http_client_span,
    inference,
    spans_of,
)


@pytest.mark.parametrize("between", [False, True], ids=["direct", "http span between"])
def test_the_payload_goes_on_the_span_that_is_open(recording, runs, model, between):
    """No second inference span is opened; the first has what was said."""

    @agent
    def play():
        with inference():
            if not between:
                return ask(model, "hello").choices[0].message.content
            with http_client_span():
                return ask(model, "hello").choices[0].message.content

    answer = play()

    [run] = runs()
    [step] = run.steps
    [chat] = spans_of(run, GENAI)
    assert step.span_id == chat.span_id
    assert step.fidelity == "wire"
    assert step.response.messages[0].parts[0]["content"] == answer
    names = [event.name for event in chat.events]
    assert names == [semconv.EVENT_HTTP_EXCHANGE, semconv.EVENT_INFERENCE_DETAILS]
    assert [s.name for s in spans_of(run, "otel_agent_replay")] == ["invoke_agent play"]
    assert run.gaps == ()
    check_replay(run, play)


def test_a_tool_s_span_that_is_open(recording, runs):
    """A tool call joins the span of its name, and only that."""

    @tool
    def look(word: str) -> str:
        return word

    def framework(name: str):
        return trace.get_tracer("framework").start_as_current_span(
            f"execute_tool {name}",
            attributes={
                semconv.OPERATION_NAME: semconv.OP_EXECUTE_TOOL,
                semconv.TOOL_NAME: name,
            },
        )

    @agent
    def play():
        with framework("look"):
            look("one")
        with framework("other"):
            look("two")

    play()

    [run] = runs()
    joined, beside = run.steps
    first, _ = spans_of(run, "framework")
    assert joined.span_id == first.span_id
    assert joined.outcome.value == "one"
    assert beside.outcome.value == "two"
    assert [each.parent for each in run.steps] == [None, None]
    check_replay(run, play)


def test_content_of_theirs_is_not_kept_twice(recording, runs, model):
    """Their event with the messages gives way to ours, which is redacted alike."""

    @agent
    def play():
        with inference() as span:
            ask(model, "hello")
            said = {semconv.INPUT_MESSAGES: "[]"}
            span.add_event(semconv.EVENT_INFERENCE_DETAILS, said)

    play()

    [run] = runs()
    [chat] = spans_of(run, GENAI)
    details = [e for e in chat.events if e.name == semconv.EVENT_INFERENCE_DETAILS]
    assert len(details) == 1
    assert "hello" in details[0].attributes[semconv.INPUT_MESSAGES]


@pytest.mark.filterwarnings("ignore:The model.*is deprecated:DeprecationWarning")
def test_anthropic_s_tool_runner(recording, runs):
    """Its spans are joined; a tool it runs that is not ours is seen, and runs."""
    ran: list[str] = []

    @beta_tool
    @tool
    def look(word: str) -> str:
        """Look something up."""
        ran.append("look")
        return f"about {word}"

    @beta_tool
    def plain(word: str) -> str:
        """Look something up, unseen by us."""
        ran.append("plain")
        return f"more about {word}"

    answers = [
        Answer(tool_calls=[ToolCall("look", {"word": "a"})]),
        Answer(tool_calls=[ToolCall("plain", {"word": "b"})]),
        Answer(text="done"),
    ]
    with (
        ScriptedProvider(answers=answers) as server,
        Anthropic(base_url=server.url, api_key="any", max_retries=0) as client,
    ):

        @agent
        def play():
            runner = client.beta.messages.tool_runner(
                model="claude-opus-4-6",
                max_tokens=100,
                tools=[look, plain],
                messages=[{"role": "user", "content": "hello"}],
            )
            return runner.until_done().content[0].text

        play()

        [run] = runs()
        kinds = [(step.call.kind, step.call.name, step.fidelity) for step in run.steps]
        assert [each for each in kinds if each[0] == "tool"] == [
            ("tool", "look", "wire"),
            ("tool", "plain", "inferred"),
        ]
        assert [each[0] for each in kinds].count("model") == 3
        ours = [span.name for span in spans_of(run, "otel_agent_replay")]
        assert ours == ["invoke_agent play"]
        assert run.gaps == ()
        assert ran == ["look", "plain"]
        with replay(run) as session:
            assert play() == "done"
        assert session.report.ok
        assert ran == ["look", "plain", "plain"]
