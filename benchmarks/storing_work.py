"""Runs to be stored: packed as the recorder packs them, and with payloads inline.

A run is packed once, by the pipeline's own finisher with redaction on, and copied
under new ids and times as often as a benchmark needs it.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, cycle, islice
from typing import Final, TypeAlias

from opentelemetry.sdk.trace import TracerProvider
from sustained import TOOLS, Workload, finisher

from otel_agent_replay import semconv
from otel_agent_replay.capture.finished import FinishedSpan, Payload
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.content import Contents, PackedSpan, unpack
from otel_agent_replay.model.payload import JsonObject, JsonValue, dump_json, parse_json
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.testing.corpus import Trajectory

__all__ = [
    "AGENTS",
    "Copied",
    "Example",
    "batches",
    "continued",
    "histories",
    "interleaved",
    "packed",
    "short_steps",
]

AGENTS: Final = ("airline", "retail", "telecom", "banking")
"""What agents the copies are of, in turn."""

_FAILED_EVERY: Final = 7
_GAP_NS: Final = 86_000_000
"""Between two spans; so a million of them take a day."""
_SPAN_NS: Final = 1_200_000_000

Copied: TypeAlias = tuple["Example", int, PackedSpan]
"""A copy of a span: what of, which of its spans, and the copy as it is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A packed run; its root comes last."""

    spans: tuple[PackedSpan, ...]
    sent: tuple[bytes, ...]
    """What the agent sent and got, every message, header list and answer once."""
    _whole: dict[int, SpanRecord] = field(default_factory=dict)

    @property
    def contents(self) -> Contents:
        """Every content of the run."""
        return {
            (each.scope, key): text
            for each in self.spans
            for key, text in each.contents.items()
        }

    def inline(self, place: int, copy: SpanRecord) -> SpanRecord:
        """Return a copy of one of its spans with the payloads in it."""
        if not self._whole:
            found = unpack([each.span for each in self.spans], self.contents)
            self._whole.update(enumerate(found))
        whole = self._whole[place]
        own = {semconv.RUN_ID, semconv.AGENT_NAME, semconv.RUN_STATUS}
        changed = {k: v for k, v in copy.attributes.items() if k in own}
        return replace(
            copy,
            attributes={**whole.attributes, **changed},
            events=tuple(replace(event, time_ns=copy.end_ns) for event in whole.events),
        )


def packed(steps: Iterable[FinishedSpan], run_id: str) -> Example:
    """Return a run of these steps as the pipeline packs it, redacted."""
    made = [*steps]
    finish = finisher(off=False)
    return Example(
        spans=tuple(finish.pack(each, {}) for each in (*made, _root(run_id))),
        sent=tuple({part: None for each in made for part in _parts(each)}),
    )


def _parts(step: FinishedSpan) -> Iterator[bytes]:
    """Yield what a model call sent and got, in the parts that come again."""
    payload = step.payload
    if payload is None or payload.call.request is None:
        return
    request, response = payload.call.request, payload.outcome.response
    body = parse_json(request.body)
    if isinstance(body, dict):
        messages = body.pop("messages", [])
        for message in messages if isinstance(messages, list) else ():
            yield dump_json(message).encode()
        yield dump_json(body).encode()
    yield dump_json([list(pair) for pair in request.headers]).encode()
    if response is not None:
        yield dump_json([list(pair) for pair in response.headers]).encode()
        yield b"".join(chunk.data for chunk in response.chunks)


def continued(found: Sequence[Trajectory], steps: int, seed: int) -> Trajectory:
    """Return one conversation of so many model calls, made of many in random order."""
    order = [*found]
    random.Random(seed).shuffle(order)  # noqa: S311 - repeatable is what it is for
    messages = [order[0].messages[0]]
    answers = 0
    for message in chain.from_iterable(each.messages for each in cycle(order)):
        if message.get("role") == "system":
            continue
        messages.append(message)
        answers += message.get("role") == "assistant"
        if answers == steps:
            break
    return replace(order[0], messages=tuple(messages))


def histories(
    conversations: Sequence[Trajectory],
) -> Iterator[tuple[str, Sequence[JsonValue]]]:
    """Yield the thread and the messages after each answer of conversations."""
    for number, each in enumerate(conversations):
        for place, message in enumerate(each.messages):
            if message.get("role") == "assistant":
                yield f"thread-{number}", each.messages[: place + 1]


def short_steps(
    workload: Workload, found: Sequence[Trajectory], seed: int
) -> Iterator[FinishedSpan]:
    """Yield model and tool calls without end, of an agent that works on one small task at a time.

    Conversations begin anew with every task and have neither long instructions nor
    many tools, so that a million steps with all payloads inline fit on a disk.
    """
    order = [*found]
    random.Random(seed).shuffle(order)  # noqa: S311 - repeatable is what it is for
    number = 0
    for each in cycle(order):
        messages = tuple(m for m in each.messages if m.get("role") != "system")
        for step in workload.run(replace(each, messages=messages[:14]), "run"):
            yield _with_few_tools(step)
            yield _tool(messages[number % len(messages)], number)
            number += 1


def _with_few_tools(step: FinishedSpan) -> FinishedSpan:
    payload = step.payload
    if payload is None or payload.call.request is None:
        return step
    request = payload.call.request
    body = parse_json(request.body)
    assert isinstance(body, dict)
    few = dump_json({**body, "tools": TOOLS[:2]}).encode()
    call = replace(payload.call, request=replace(request, body=few))
    return replace(step, payload=replace(payload, call=call))


_TRACER: Final = TracerProvider(shutdown_on_exit=False).get_tracer("benchmark")


def _tool(message: JsonObject, number: int) -> FinishedSpan:
    content = str(message.get("content") or "")
    name = f"tool_{number % 9}"
    call = Call(kind="tool", name=name, inputs={"query": content[:120]})
    outcome = Outcome(value={"found": content, "number": number})
    return _finished(call, outcome, "run", semconv.OP_EXECUTE_TOOL)


def _root(run_id: str) -> FinishedSpan:
    call = Call(kind="agent", name=AGENTS[0], inputs={"task": "Help the customer."})
    outcome = Outcome(value="The customer has been helped.")
    return _finished(call, outcome, run_id, semconv.OP_INVOKE_AGENT)


def _finished(
    call: Call, outcome: Outcome, run_id: str, operation: str
) -> FinishedSpan:
    extra = {semconv.AGENT_NAME: AGENTS[0], semconv.OPERATION_NAME: operation}
    marks = {semconv.RUN_ID: run_id, semconv.STEP_KIND: call.kind}
    if call.kind == "agent":
        marks[semconv.RUN_STATUS] = marks[semconv.RUN_CLASS] = "success"
    span = _TRACER.start_span(f"{operation} {call.name}", attributes={**marks})
    span.end()
    payload = Payload(call=call, outcome=outcome)
    return FinishedSpan(span=span, payload=payload, extra=extra, marks=marks)


# --- many of them ----------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Copy:
    """A run that goes on under ids of its own."""

    example: Example
    number: int
    started_ns: int
    place: int = 0

    def next(self, now_ns: int) -> Copied:
        """Return its next span."""
        run_id = f"01k{self.number:023d}"
        place, example = self.place, self.example
        each = example.spans[place]
        is_root = place == len(example.spans) - 1
        self.place += 1
        attributes = {**each.span.attributes, semconv.RUN_ID: run_id}
        attributes[semconv.AGENT_NAME] = AGENTS[self.number % len(AGENTS)]
        if is_root and self.number % _FAILED_EVERY == 0:
            attributes[semconv.RUN_STATUS] = "failed"
        end_ns = now_ns + _SPAN_NS
        span = replace(
            each.span,
            trace_id=_hexadecimal(self.number, 0, 32),
            span_id=_hexadecimal(self.number, 0 if is_root else place + 1, 16),
            parent_span_id="" if is_root else _hexadecimal(self.number, 0, 16),
            attributes=attributes,
            start_ns=self.started_ns if is_root else now_ns,
            end_ns=end_ns,
            events=tuple(replace(e, time_ns=end_ns) for e in each.span.events),
        )
        return example, place, replace(each, span=span, scope=run_id)


def _hexadecimal(number: int, place: int, width: int) -> str:
    """Return an id that looks random and is the same again next time."""
    return hashlib.sha256(f"{number} {place}".encode()).hexdigest()[:width]


def interleaved(
    examples: Sequence[Example],
    *,
    at_once: int,
    base_ns: int,
    beside: Sequence[Example] = (),
) -> Iterator[Copied]:
    """Yield spans without end: of so many runs at once, one span of each in turn.

    Those of `beside` begin first of all, and go on among the others.
    """
    dealt = _dealt(examples)
    number, now_ns = len(beside), base_ns
    going_on = [
        _Copy(example=each, number=place, started_ns=now_ns)
        for place, each in enumerate(beside)
    ]
    while True:
        # They begin one after the other, so that no two are at the same step.
        if len(going_on) < at_once:
            run = _Copy(example=next(dealt), number=number, started_ns=now_ns)
            going_on.append(run)
            number += 1
        for run in going_on:
            yield run.next(now_ns)
            now_ns += _GAP_NS
        going_on = [run for run in going_on if run.place < len(run.example.spans)]


def _dealt(examples: Sequence[Example]) -> Iterator[Example]:
    """Yield examples without end, in random order, all before one comes again."""
    order, deck = random.Random(7), [*examples]  # noqa: S311 - see above
    while True:
        order.shuffle(deck)
        yield from deck


def batches(spans: Iterator[Copied], *, count: int, size: int) -> list[list[Copied]]:
    """Return so many spans, in lists as they are written together."""
    taken = islice(spans, count)
    made = []
    while batch := [*islice(taken, size)]:
        made.append(batch)
    return made
