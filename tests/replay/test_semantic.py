"""Replay of runs that another instrumentation recorded, without wire bytes."""

from __future__ import annotations

import pytest
from anthropic import Anthropic
from openai import OpenAI

from otel_agent_replay import DivergenceError, agent, loader, replay, semconv, tool
from otel_agent_replay.model.payload import dump_json
from otel_agent_replay.model.span import SpanRecord

TRACE = "5" * 32
ASKED = [{"role": "user", "parts": [{"type": "text", "content": "Refund of order 7?"}]}]
CALLED = {
    "type": "tool_call",
    "id": "call_1",
    "name": "find_order",
    "arguments": {"number": 7},
}
FOUND = {"type": "tool_call_response", "id": "call_1", "response": "paid twice"}


def span(number, name, attributes, parent="0" * 15 + "1"):
    """Return a span as another instrumentation stores it."""
    return SpanRecord(
        trace_id=TRACE,
        span_id=f"{number:016x}",
        parent_span_id=parent,
        name=name,
        kind="Client",
        scope_name="opentelemetry.instrumentation.openai_v2",
        attributes=attributes,
        start_ns=number,
        end_ns=number + 1,
    )


def chat(number, asked, answered, system=(), reason="stop"):
    return span(
        number,
        "chat gpt-4o",
        {
            semconv.OPERATION_NAME: "chat",
            semconv.PROVIDER_NAME: "openai",
            semconv.REQUEST_MODEL: "gpt-4o",
            semconv.SYSTEM_INSTRUCTIONS: dump_json(list(system)),
            semconv.INPUT_MESSAGES: dump_json(asked),
            semconv.OUTPUT_MESSAGES: dump_json(
                [{"role": "assistant", "parts": answered, "finish_reason": reason}]
            ),
            semconv.USAGE_INPUT_TOKENS: "12",
            semconv.USAGE_OUTPUT_TOKENS: "5",
        },
    )


@pytest.fixture
def run():
    """A run of GenAI spans: a model call, the tool it asked for, and its answer."""
    system = [{"type": "text", "content": "Be kind."}]
    again = [
        *ASKED,
        {"role": "assistant", "parts": [CALLED]},
        {"role": "tool", "parts": [FOUND]},
    ]
    text = {"type": "text", "content": "You get it back."}
    spans = [
        span(1, "invoke_agent support", {semconv.OPERATION_NAME: "invoke_agent"}, ""),
        chat(0x11, ASKED, [CALLED], system, "tool_calls"),
        span(
            0x12,
            "execute_tool find_order",
            {
                semconv.OPERATION_NAME: "execute_tool",
                semconv.TOOL_NAME: "find_order",
                semconv.TOOL_CALL_ARGUMENTS: '{"number": 7}',
                semconv.TOOL_CALL_RESULT: "paid twice",
            },
        ),
        chat(0x13, again, [text], system),
    ]
    return loader.load(spans, TRACE)


@tool
def find_order(number: int) -> str:
    raise AssertionError(number)


def with_openai(*, question="Refund of order 7?", stream=False):
    """Return an agent on the OpenAI SDK."""

    @agent(name="support")
    def support():
        client = OpenAI(api_key="any", max_retries=0)
        messages = [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": question},
        ]
        first = client.chat.completions.create(model="gpt-4o", messages=messages)
        message = first.choices[0].message
        call = message.tool_calls[0]
        assert call.function.name == "find_order"
        found = find_order(7)
        messages += [
            message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": found},
        ]
        if not stream:
            done = client.chat.completions.create(model="gpt-4o", messages=messages)
            return done.choices[0].message.content
        pieces = client.chat.completions.create(
            model="gpt-4o", messages=messages, stream=True
        )
        return "".join(
            piece.choices[0].delta.content or "" for piece in pieces if piece.choices
        )

    return support


@pytest.mark.parametrize("stream", [False, True])
def test_answers_are_written_for_the_sdk_that_asks(run, stream):
    """What was said is enough to answer the SDK, whole or as a stream, marked so."""
    with replay(run, match="semantic", strict=False) as session:
        said = with_openai(stream=stream)()

    assert said == "You get it back."
    assert session.report.served == (0, 1, 2)
    assert session.report.unused == ()
    assert sum("written anew" in note for note in session.report.notes) == 2
    models = [step for step in session.run.steps if step.call.kind == "model"]
    assert {step.fidelity for step in models} == {"semantic"}


def test_another_question_is_not_answered(run):
    """Other words are another call: the replay names what differs."""
    with pytest.raises(DivergenceError), replay(run, match="semantic"):
        with_openai(question="Refund of order 8?")()


def test_without_the_mode_nothing_is_made_up(run):
    """Strict replay does not answer from what was said."""
    with pytest.raises(DivergenceError), replay(run):
        with_openai()()


def test_another_sdk_is_answered_in_its_own_words(run):
    """The SDK of another provider gets the answer, if it asks the same model."""

    @agent(name="support")
    def support():
        client = Anthropic(api_key="any", max_retries=0)
        answer = client.messages.create(
            model="gpt-4o",
            max_tokens=100,
            system="Be kind.",
            messages=[{"role": "user", "content": "Refund of order 7?"}],
        )
        return [block.name for block in answer.content if block.type == "tool_use"]

    with replay(run, match="semantic", strict=False) as session:
        assert support() == ["find_order"]

    assert session.report.served == (0,)
