"""Spans that other instrumentations open: ours join them, or stand beside them."""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager

import httpx
import pytest
import requests
from anthropic import Anthropic, beta_tool
from openai import OpenAI
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

import otel_agent_replay
from otel_agent_replay import agent, open_store, replay, semconv, tool
from otel_agent_replay.testing import (
    Answer,
    LocalServer,
    Reply,
    ScriptedProvider,
    ScriptedRequest,
    ToolCall,
)

GENAI = "opentelemetry.instrumentation.genai.openai"


@pytest.fixture
def provider(monkeypatch):
    """The application's provider."""
    made = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", made)
    return made


@pytest.fixture
def store_url(tmp_path):
    """The URL of an empty store."""
    return f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def recording(provider, store_url):
    """Record beside the application's provider."""
    otel_agent_replay.configure(store=store_url, agent_name="script")
    return provider


@pytest.fixture
def runs(store_url):
    """Return what gives all runs recorded so far, oldest first."""

    def load():
        assert otel_agent_replay.flush()
        with open_store(store_url) as store:
            return [store.load(each.run_id) for each in reversed(store.runs())]

    return load


@pytest.fixture
def model():
    """A model that answers everything, and a client of it."""

    def answer(request: ScriptedRequest) -> Answer:
        asked = request.json["messages"][-1]["content"]
        if asked == "fail once" and request.ordinal == 0:
            return Answer(status=500, headers={"retry-after-ms": "1"})
        return Answer(text=f"You said: {asked}, I believe.")

    with (
        ScriptedProvider(script=answer) as server,
        OpenAI(base_url=server.base_url, api_key="any", max_retries=1) as client,
    ):
        yield client


def inference(name: str = "gpt-4o"):
    """Open a span as the GenAI instrumentations do; without its content."""
    return trace.get_tracer(GENAI).start_as_current_span(
        f"chat {name}",
        kind=SpanKind.CLIENT,
        attributes={
            semconv.OPERATION_NAME: semconv.OP_CHAT,
            semconv.PROVIDER_NAME: "openai",
            semconv.REQUEST_MODEL: name,
        },
    )


@contextmanager
def http_client_span():
    """Open a span as the instrumentations of HTTP clients do."""
    tracer = trace.get_tracer("opentelemetry.instrumentation.httpx")
    with tracer.start_as_current_span("POST", kind=SpanKind.CLIENT) as span:
        yield span


def ask(client: OpenAI, words: str, **more: object):
    """Ask the model."""
    messages = [{"role": "user", "content": words}]
    return client.chat.completions.create(model="gpt-4o", messages=messages, **more)


def spans_of(run, scope: str):
    """Return the spans that a tracer made."""
    return [span for span in run.spans if span.scope_name == scope]


def check_replay(run, play) -> None:
    """Run the code again, with every call answered from the run."""
    with replay(run) as session:
        play()
    assert session.report.divergences == ()
    assert len(session.report.served) == len(
        [step for step in run.steps if step.call.kind not in {"agent", "step"}]
    )


# --- one call, one span ----------------------------------------------------------


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


# --- timing ----------------------------------------------------------------------


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


# --- runs inside others' spans -----------------------------------------------------


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


# --- others' exporters ---------------------------------------------------------------


class Receiver(LocalServer):
    """Takes whatever is sent."""

    def respond(self, _: ScriptedRequest) -> Reply:
        return Reply(headers=(("content-type", "application/x-protobuf"),))

    @property
    def names(self) -> list[str]:
        """The names of the spans that came over OTLP."""
        return [
            span.name
            for request in self.requests
            for resource in ExportTraceServiceRequest.FromString(
                request.body
            ).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


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


# --- Anthropic's own spans -------------------------------------------------------------


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
