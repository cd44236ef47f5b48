"""Spans as steps that do not know their place yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Final, TypeAlias, get_args

from otel_agent_replay import semconv
from otel_agent_replay.dialects import normalise
from otel_agent_replay.dialects.genai import normalise as with_details
from otel_agent_replay.loader.semantic import (
    kind_of,
    model_messages,
    read_semantic,
)
from otel_agent_replay.model.call import Call, Effect, Kind, Outcome
from otel_agent_replay.model.encoding import CallReading, read_call
from otel_agent_replay.model.messages import ModelRequest, ModelResponse
from otel_agent_replay.model.span import Attributes, SpanRecord
from otel_agent_replay.model.step import Fidelity

__all__ = ["Describe", "Described", "Draft", "draft", "number"]

Described: TypeAlias = tuple[ModelRequest | None, ModelResponse | None]
Describe: TypeAlias = Callable[[Call, Outcome], Described]

_LONGEST: Final = 19
_KINDS: Final[dict[str, Kind]] = {kind: kind for kind in get_args(Kind)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A step before it is put in order.

    Attributes:
        span: Its span; that of a foreign step in the normal form.
        own: Whether we recorded it; else another instrumentation did.
        process, sequence: Its number among the steps that its process started;
            None where it was not numbered.
        lane: Number of the task or thread in that process that it was started in.
    """

    span: SpanRecord
    own: bool
    call: Call
    outcome: Outcome
    fidelity: Fidelity
    dropped: str | None
    request: ModelRequest | None = None
    response: ModelResponse | None = None
    process: str | None = None
    sequence: int | None = None
    lane: int | None = None
    cost_usd: float | None = None

    @property
    def span_id(self) -> str:
        """The id of its span."""
        return self.span.span_id


def draft(span: SpanRecord, describe: Describe) -> Draft | None:
    """Return the span as a step; None if it is no call."""
    if semconv.STEP_KIND in span.attributes:
        return _own(span, describe)
    normal = normalise(span)
    kind = kind_of(normal)
    return None if kind is None else _foreign(kind, normal)


def number(attributes: Attributes, name: str) -> int | None:
    """Return a whole number that is not negative, None for anything else."""
    text = attributes.get(name, "")
    short = len(text) < _LONGEST and text.isascii()
    return int(text) if short and text.isdecimal() else None


def _own(span: SpanRecord, describe: Describe) -> Draft:
    values = span.attributes
    kind = _KINDS.get(values[semconv.STEP_KIND], "step")
    name = values.get(semconv.STEP_NAME) or values.get(semconv.TOOL_NAME) or span.name
    effect: Effect = "write" if values.get(semconv.STEP_EFFECT) == "write" else "read"
    reading = read_call(kind, name, effect, values, span.events)
    request, response = _described(kind, reading, span, describe)
    return Draft(
        span=span,
        own=True,
        call=reading.call,
        outcome=reading.outcome,
        fidelity=reading.fidelity,
        dropped=reading.dropped,
        request=request,
        response=response,
        process=values.get(semconv.STEP_PROCESS),
        sequence=number(values, semconv.STEP_SEQUENCE),
        lane=number(values, semconv.STEP_LANE),
        cost_usd=_price(values),
    )


def _described(
    kind: Kind,
    reading: CallReading,
    span: SpanRecord,
    describe: Describe,
) -> Described:
    """Read a model call off the wire, or else off its span's GenAI content."""
    if kind != "model":
        return None, None
    if reading.call.request is not None:
        request, response = describe(reading.call, reading.outcome)
        if request is not None:
            return request, response
    asked, answered = model_messages(with_details(span))
    if not asked.messages and not answered.messages:
        return None, None
    return asked, answered if answered.messages else None


def _price(values: Attributes) -> float | None:
    try:
        cost = float(values[semconv.STEP_COST])
    except (KeyError, ValueError):
        return None
    return cost if isfinite(cost) else None


def _foreign(kind: Kind, span: SpanRecord) -> Draft:
    reading = read_semantic(kind, span)
    request, response = model_messages(span) if kind == "model" else (None, None)
    return Draft(
        span=span,
        own=False,
        call=reading.call,
        outcome=reading.outcome,
        fidelity=reading.fidelity,
        dropped=reading.dropped,
        request=request,
        response=response,
        cost_usd=_price(span.attributes),
    )
