"""Spans of runs, written as capture writes them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otel_agent_replay import semconv
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.encoding import call_events
from otel_agent_replay.model.payload import Chunk, HttpRequest, HttpResponse, dump_json
from otel_agent_replay.model.span import EventRecord, SpanRecord

RUN = "f" * 32


class Spans:
    """Builds the spans of a run; numbers its steps, and lets time pass."""

    def __init__(self, run_id=RUN):
        self.run_id = run_id
        self.now = 1_000
        self.ids = 0
        self.numbers = {}

    def _span(self, name, parent, attributes, events=(), **fields):
        self.ids += 1
        self.now += 10
        fields = {"start_ns": self.now, "end_ns": self.now + 5, **fields}
        return SpanRecord(
            trace_id=RUN,
            span_id=fields.pop("span_id", f"{self.ids:016x}"),
            parent_span_id=parent,
            name=name,
            attributes={k: str(v) for k, v in attributes.items() if v is not None},
            events=events,
            **fields,
        )

    def events(self, call, outcome):
        return tuple(
            EventRecord(
                name=event.name,
                time_ns=self.now,
                attributes={k: str(v) for k, v in event.attributes.items()},
            )
            for event in call_events(call, outcome)
        )

    def step(self, call, outcome=None, parent="root", *, process="p", **fields):
        """Return a step's span; `attributes` are added to those of every step."""
        outcome = outcome or Outcome(value=1)
        number = self.numbers.get(process, 0)
        self.numbers[process] = number + 1
        attributes = {
            semconv.RUN_ID: self.run_id,
            semconv.STEP_KIND: call.kind,
            semconv.STEP_NAME: call.name,
            semconv.STEP_SEQUENCE: number,
            semconv.STEP_PROCESS: process,
            semconv.STEP_EFFECT: call.effect,
            semconv.STEP_SERVED_FROM: outcome.served_from,
            **fields.pop("attributes", {}),
        }
        return self._span(
            f"span of {call.name}",
            parent,
            attributes,
            self.events(call, outcome),
            **fields,
        )

    def root(self, *, process="p", count=None, status="success", **fields):
        """Return the root; by default it counts the steps built so far."""
        call = Call(kind="agent", name="bot", inputs=fields.pop("inputs", {"q": "?"}))
        outcome = fields.pop("outcome", Outcome(value="done"))
        attributes = {
            semconv.RUN_ID: self.run_id,
            semconv.STEP_KIND: "agent",
            semconv.STEP_PROCESS: process,
            semconv.RUN_STATUS: status,
            semconv.RUN_STEP_COUNT: (
                self.numbers.get(process, 0) if count is None else count
            ),
            semconv.AGENT_NAME: "bot",
            **fields.pop("attributes", {}),
        }
        return self._span(
            "invoke_agent bot",
            fields.pop("parent", ""),
            attributes,
            self.events(call, outcome),
            **{"span_id": "root", "start_ns": 1_000, "end_ns": self.now + 50, **fields},
        )

    def process(self, process, parent="root", *, count=None, **fields):
        """Return the span of a child process, which counts its own steps."""
        call = Call(kind="process", name="child", inputs={})
        attributes = {
            semconv.RUN_ID: self.run_id,
            semconv.STEP_KIND: "process",
            semconv.STEP_NAME: "child",
            semconv.STEP_PROCESS: process,
            semconv.RUN_STEP_COUNT: (
                self.numbers.get(process, 0) if count is None else count
            ),
        }
        span = self._span(
            "process child", parent, attributes, self.events(call, Outcome()), **fields
        )
        return replace(span, end_ns=self.now)

    def foreign(self, name, parent, attributes=None, events=(), **fields):
        """Return a span of another instrumentation."""
        return self._span(name, parent, attributes or {}, events, **fields)


@pytest.fixture
def spans():
    return Spans()


@pytest.fixture(scope="session")
def make_spans():
    return Spans


def tool_call(name="search", **inputs):
    return Call(kind="tool", name=name, inputs=inputs)


@pytest.fixture
def tool():
    return tool_call


@pytest.fixture
def chat():
    """Return a chat request and its outcome, as on the wire."""

    def build(text="hi", status=200, answer="ho", kind="model"):
        sent = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}
        request = HttpRequest(
            method="POST",
            url="https://api.openai.com/v1/chat/completions",
            headers=(("content-type", "application/json"),),
            body=dump_json(sent).encode(),
        )
        message = {"role": "assistant", "content": answer}
        body = {
            "id": f"chatcmpl-{text}",
            "object": "chat.completion",
            "model": "gpt-4o-2024",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2},
        }
        response = HttpResponse(
            status=status,
            headers=(("content-type", "application/json"),),
            chunks=(Chunk(data=dump_json(body).encode(), at_ns=7),),
        )
        name = "POST api.openai.com/v1/chat/completions"
        call = Call(kind=kind, name=name, request=request)
        return call, Outcome(response=response)

    return build
