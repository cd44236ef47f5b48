"""Runs inside the spans of others, and what others export."""

from __future__ import annotations

import httpx
import pytest
import requests
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

import otel_agent_replay
from otel_agent_replay import agent, open_store, replay, semconv, tool
from tests.loop.foreign_spans.inference import (
    GENAI,
    Receiver,
    ask,
    check_replay,
    http_client_span,
    inference,
)


@pytest.mark.parametrize("failing", [False, True])
def test_a_web_request_is_a_run(recording, runs, model, failing):
    """Calls without an agent take the request's trace id; its end is the run's."""
    tracer = trace.get_tracer("web")

    @tool
    def look() -> str:
        return "found"

    def play():
        with tracer.start_as_current_span("GET /chat", kind=SpanKind.SERVER) as span:
            with tracer.start_as_current_span("handler"):
                look()
                with inference():
                    ask(model, "hello")
            if failing:
                span.set_status(StatusCode.ERROR)

    play()
    play()

    first, second = runs()
    for run in (first, second):
        assert run.run_id == run.trace_id
        assert run.agent_name == "GET /chat"
        assert run.status == ("failed" if failing else "success")
        assert [step.call.kind for step in run.steps] == ["tool", "model"]
        assert [step.parent for step in run.steps] == [None, None]
        assert run.gaps == ()
        check_replay(run, play)
    assert len(runs()) == 2


def test_two_requests_of_one_trace(recording, runs):
    """Each is a run of its own, though a caller elsewhere put them in one trace."""
    tracer = trace.get_tracer("web")
    caller = trace.SpanContext(
        0x5CE1, 0xCA11E4, is_remote=True, trace_flags=trace.TraceFlags(1)
    )
    remote = trace.set_span_in_context(trace.NonRecordingSpan(caller))

    @tool
    def look(word: str) -> str:
        return word

    one = tracer.start_span("GET /one", remote, SpanKind.SERVER)
    two = tracer.start_span("GET /two", remote, SpanKind.SERVER)
    for span, word in ((one, "a"), (two, "b"), (one, "c")):
        with trace.use_span(span):
            look(word)
    two.end()
    one.end()

    found = {run.agent_name: run for run in runs()}
    assert [s.outcome.value for s in found["GET /one"].steps] == ["a", "c"]
    assert [s.outcome.value for s in found["GET /two"].steps] == ["b"]
    assert [run.gaps for run in found.values()] == [(), ()]


def test_an_agent_inside_a_web_request(recording, runs):
    """It is a run of its own, inside the request's trace."""

    @tool
    def look() -> str:
        return "found"

    @agent
    def play():
        return look()

    tracer = trace.get_tracer("web")
    with tracer.start_as_current_span("GET /chat", kind=SpanKind.SERVER) as span:
        play()

    [run] = runs()
    assert run.agent_name == "play"
    assert run.trace_id == trace.format_trace_id(span.get_span_context().trace_id)
    assert run.run_id != run.trace_id
    assert run.gaps == ()


def local_inference():
    """Open an inference span as for a model that runs in the process."""
    return trace.get_tracer(GENAI).start_as_current_span(
        "chat local", attributes={semconv.OPERATION_NAME: semconv.OP_CHAT}
    )


@pytest.mark.parametrize("around", [inference, local_inference, http_client_span])
def test_a_call_s_own_span_is_no_run(provider, store_url, model, around):
    """A script's calls are one run, even if another opens a trace for each of them."""
    otel_agent_replay.configure(store=store_url, agent_name="script")
    for words in ("one", "two"):
        with around():
            ask(model, words)
    otel_agent_replay.shutdown()

    with open_store(store_url) as store:
        [summary] = store.runs(agent="script")
        run = store.load(summary.run_id)

    assert [s.call.arguments["messages"][0]["content"] for s in run.steps] == [
        "one",
        "two",
    ]
    assert [step.parent for step in run.steps] == [None, None]
    assert run.gaps == ()


def test_a_replay_leaves_no_trace_in_the_store(recording, runs, model):
    """Spans that others make during a replay are the replay's, not new runs."""

    @agent
    def play():
        with inference():
            ask(model, "hello")

    play()
    [run] = runs()

    check_replay(run, play)
    with trace.get_tracer("web").start_as_current_span("later"):
        pass

    assert [again.spans for again in runs()] == [run.spans]


def test_a_span_belongs_where_it_began(recording, runs):
    """One that ends inside a session, but began before it, is not the session's."""

    @tool
    def look() -> str:
        return "found"

    @agent
    def play():
        return look()

    play()
    [first] = runs()
    around = trace.get_tracer("web").start_span("GET /again")
    with trace.use_span(around):
        look()
    with replay(first):
        play()
        around.end()

    names = [run.agent_name for run in runs()]
    assert names == ["play", "GET /again"]
    assert runs()[1].status == "success"


def test_what_other_exporters_send_is_no_step(provider, store_url, runs):
    """OTLP of the application's own goes out, and opens no run."""
    with Receiver() as receiver:
        exporter = OTLPSpanExporter(endpoint=f"{receiver.url}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter))
        otel_agent_replay.configure(store=store_url)

        @agent
        def play():
            with trace.get_tracer("other").start_as_current_span("work"):
                pass
            return provider.force_flush()

        assert play()
        provider.shutdown()
        assert len(receiver.requests) > 0

    [run] = runs()
    assert run.steps == ()


@pytest.mark.parametrize("library", [httpx, requests])
def test_http_under_opentelemetry_s_suppression(recording, runs, library):
    """It is not recorded, and not answered in a replay: it is telemetry's."""
    with Receiver() as receiver:

        @agent
        def play():
            with suppress_instrumentation():
                library.get(receiver.url)

        play()
        [run] = runs()
        assert run.steps == ()
        check_replay(run, play)
        assert len(receiver.requests) == 2


def test_a_model_call_under_suppression_is_seen(recording, runs, model):
    """Whatever is suppressed, no model call goes by: a replay must not send it."""

    @agent
    def play():
        with suppress_instrumentation():
            return ask(model, "hello").id

    play()

    [run] = runs()
    assert [step.call.kind for step in run.steps] == ["model"]
    check_replay(run, play)
