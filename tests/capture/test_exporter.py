"""`AgentReplaySpanExporter` in an SDK set-up of the user's own."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

import otel_agent_replay
from otel_agent_replay import AgentReplaySpanExporter, agent, open_store, semconv, tool
from otel_agent_replay.errors import ConfigurationError


@pytest.fixture
def provider(store_url):
    """A plain SDK provider that exports to our store alone."""
    made = TracerProvider(shutdown_on_exit=False)
    exporter = AgentReplaySpanExporter(store=store_url)
    made.add_span_processor(BatchSpanProcessor(exporter))
    yield made
    made.shutdown()


def converse(provider) -> None:
    """Make the spans of an instrumentation that puts its content on them."""
    tracer = provider.get_tracer("genai")
    with tracer.start_as_current_span(
        "invoke_agent helper",
        attributes={
            semconv.OPERATION_NAME: semconv.OP_INVOKE_AGENT,
            semconv.AGENT_NAME: "helper",
        },
    ):
        attributes = {
            semconv.OPERATION_NAME: semconv.OP_CHAT,
            semconv.REQUEST_MODEL: "gpt-4o",
            semconv.INPUT_MESSAGES: '[{"role":"user","parts":[{"type":"text",'
            '"content":"I am mia.long@example.com"}]}]',
            semconv.OUTPUT_MESSAGES: '[{"role":"assistant","parts":[{"type":"text",'
            '"content":"Hello"}],"finish_reason":"stop"}]',
        }
        with tracer.start_as_current_span("chat gpt-4o", attributes=attributes):
            pass


def test_spans_become_a_run(provider, store_url):
    """What another instrumentation recorded is read as a run, redacted."""
    converse(provider)
    assert provider.force_flush()

    with open_store(store_url) as store:
        [summary] = store.runs()
        run = store.load(summary.run_id)
    assert run.agent_name == "helper"
    [chat] = run.steps
    assert chat.fidelity == "semantic"
    [asked] = chat.request.messages
    assert "mia.long@example.com" not in str(asked.parts)
    assert "@redacted.invalid" in str(asked.parts)


def test_shutdown_writes_what_waits(provider, store_url):
    """Shutting the provider down is enough; a second time changes nothing."""
    converse(provider)
    provider.shutdown()
    provider.shutdown()

    with open_store(store_url) as store:
        assert len(store.runs()) == 1


def test_beside_configure_it_leaves_the_spans_to_it(use_provider, store_url):
    """Spans are stored with their payloads, though the exporter sees them first."""
    use_provider()
    exporter = AgentReplaySpanExporter(store=store_url)
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
    otel_agent_replay.configure(store=store_url)

    @tool
    def look(word: str) -> str:
        return word

    @agent
    def play() -> str:
        return look("one")

    play()
    assert otel_agent_replay.flush()

    with open_store(store_url) as store:
        [summary] = store.runs()
        run = store.load(summary.run_id)
    assert run.gaps == ()
    assert run.steps[0].outcome.value == "one"


def test_a_setting_without_meaning():
    """It is refused where it is given."""
    with pytest.raises(ConfigurationError, match="stroe"):
        AgentReplaySpanExporter(stroe="sqlite:///x.db")
