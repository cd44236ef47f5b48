"""Spans as other instrumentations open them, and what is recorded beside."""

from __future__ import annotations

from contextlib import contextmanager

from openai import OpenAI
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.trace import SpanKind

from otel_agent_replay import replay, semconv
from otel_agent_replay.testing import (
    LocalServer,
    Reply,
    ScriptedRequest,
)

GENAI = "opentelemetry.instrumentation.genai.openai"


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
