"""Spans of others that retry, end early, never end, or go on at once."""

from __future__ import annotations

import gc
import threading

import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace

import otel_agent_replay
from otel_agent_replay import agent, semconv
from tests.loop.foreign_spans.inference import (
    GENAI,
    Receiver,
    ask,
    check_replay,
    inference,
    spans_of,
)


def test_a_retry_inside_one_inference_span(recording, runs, model):
    """Each attempt is a step, beside the other, not inside it."""

    @agent
    def play():
        with inference():
            return ask(model, "fail once").choices[0].message.content

    play()

    [run] = runs()
    first, second = run.steps
    assert first.outcome.response.status == 500
    assert second.outcome.response.status == 200
    assert (first.attempt, second.attempt) == (0, 1)
    assert (first.parent, second.parent) == (None, None)
    assert run.gaps == ()
    check_replay(run, play)


def test_a_retry_inside_nested_inference_spans(recording, runs, model):
    """The second attempt does not go on the span around the one of the first."""

    @agent
    def play():
        with inference("outer"), inference("inner"):
            return ask(model, "fail once").choices[0].message.content

    play()

    [run] = runs()
    first, second = run.steps
    outer, inner = spans_of(run, GENAI)
    assert (outer.name, inner.name) == ("chat outer", "chat inner")
    assert first.span_id == inner.span_id
    assert second.span_id not in {inner.span_id, outer.span_id}
    check_replay(run, play)


def test_a_span_that_ends_before_the_answer_is_read(recording, runs, model):
    """It waits for its payload, whoever reads the stream, and wherever."""

    @agent
    def play():
        with inference():
            stream = ask(model, "hello", stream=True)
        said: list[str] = []

        def read() -> None:
            for chunk in stream:
                said.extend(c.delta.content or "" for c in chunk.choices)

        reader = threading.Thread(target=read)
        reader.start()
        reader.join()
        return "".join(said)

    assert play() == "You said: hello, I believe."

    [run] = runs()
    [step] = run.steps
    [chat] = spans_of(run, GENAI)
    assert step.span_id == chat.span_id
    assert step.outcome.ended == "complete"
    assert run.gaps == ()
    check_replay(run, play)


@pytest.mark.parametrize("how", ["closed", "forgotten"])
def test_an_abandoned_stream(recording, runs, model, how):
    """What had come is on their span, though nobody read on."""

    @agent
    def play():
        with inference():
            stream = ask(model, "hello", stream=True)
            first = next(iter(stream))
            if how == "closed":
                stream.close()
            del stream
            gc.collect()
        return first.id

    play()

    [run] = runs()
    [step] = run.steps
    assert step.outcome.ended == "abandoned"
    assert step.span_id == spans_of(run, GENAI)[0].span_id
    assert run.gaps == ()
    check_replay(run, play)


def test_a_span_that_is_never_ended(provider, store_url, runs, model):
    """The call is recorded all the same, once, when the run ends."""
    kept = []
    receiver = Receiver()
    otel_agent_replay.configure(store=store_url, otlp_endpoint=receiver.url)

    @agent
    def play():
        span = trace.get_tracer(GENAI).start_span(
            "chat gpt-4o", attributes={semconv.OPERATION_NAME: semconv.OP_CHAT}
        )
        kept.append(span)
        token = otel_context.attach(trace.set_span_in_context(span))
        try:
            ask(model, "hello")
        finally:
            otel_context.detach(token)

    play()

    [run] = runs()
    [step] = run.steps
    assert step.fidelity == "wire"
    assert run.gaps == ()
    kept[0].end()
    assert [again.spans for again in runs()] == [run.spans]
    assert sorted(receiver.names) == ["chat gpt-4o", "invoke_agent play"]
    receiver.close()


def test_calls_at_the_same_time(recording, runs, model):
    """Each of eight threads' calls is on its own thread's span."""
    together = threading.Barrier(8)

    def one(number: int) -> None:
        with inference(f"model-{number}"):
            together.wait(timeout=30)
            ask(model, f"number {number}")

    @agent
    def play():
        threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    play()

    [run] = runs()
    names = {span.span_id: span.name for span in spans_of(run, GENAI)}
    assert {
        names[step.span_id]: step.call.arguments["messages"][0]["content"]
        for step in run.steps
    } == {f"chat model-{n}": f"number {n}" for n in range(8)}
    check_replay(run, play)
