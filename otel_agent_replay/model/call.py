"""A `Call` is what leaves the agent, an `Outcome` what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from otel_agent_replay.model.payload import (
    HttpRequest,
    HttpResponse,
    JsonObject,
    JsonValue,
    parse_json,
)

__all__ = [
    "EFFECT_KINDS",
    "FRAME_KINDS",
    "MEASURED_KINDS",
    "Call",
    "Effect",
    "Ended",
    "Kind",
    "Outcome",
    "RecordedException",
]

Kind: TypeAlias = Literal[
    "agent",
    "step",
    "process",
    "model",
    "tool",
    "http",
    "retrieval",
    "memory",
    "approval",
    "checkpoint",
    "clock",
    "random",
    "environment",
    "file",
]
Effect: TypeAlias = Literal["read", "write"]
Ended: TypeAlias = Literal["complete", "abandoned", "failed", "open"]

FRAME_KINDS: Final[frozenset[Kind]] = frozenset({"agent", "step", "process"})
"""Kinds that only hold other calls: replay runs them again, never answers them."""

EFFECT_KINDS: Final[frozenset[Kind]] = frozenset(
    {"clock", "random", "environment", "file"}
)
"""Kinds that read the world around the agent; recorded only where asked for."""

MEASURED_KINDS: Final[frozenset[Kind]] = frozenset({"clock", "random"})
"""Kinds whose values say nothing of anybody, however much a number looks like a card."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedException:
    """An exception as data.

    Attributes:
        type_name: `module:qualified.Name` of the class.
        message: `str()` of the exception.
        args: What it can be made of again, as JSON (see `model.exceptions`); None if
            it cannot.
        attributes: What else it held, as far as that is values; as JSON.
        stacktrace: The formatted traceback; empty where none was kept.
    """

    type_name: str
    message: str
    args: tuple[JsonValue, ...] | None = None
    attributes: JsonObject = field(default_factory=dict)
    stacktrace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One thing that leaves the agent.

    Attributes:
        kind: What sort of call.
        name: Tool, agent or step name; for `http` and `model` the route,
            `POST host/path`.
        inputs: Arguments by parameter name, as JSON (see `model.natives`).
            None for calls that carry `request`.
        request: The wire request, for `model` and `http`.
        effect: Whether running it again could change the world.
        attributes: More about it, by attribute name of `semconv`; never payload.
    """

    kind: Kind
    name: str
    inputs: JsonObject | None = None
    request: HttpRequest | None = None
    effect: Effect = "read"
    attributes: JsonObject = field(default_factory=dict)

    @property
    def arguments(self) -> JsonValue:
        """The arguments: `inputs`, or the request's body as JSON where it is JSON."""
        if self.request is None:
            return self.inputs
        try:
            return parse_json(self.request.body)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came back from a call: a value, items, a response, or an exception.

    Attributes:
        value: The returned value as JSON (see `model.natives`).
        items: What a generator yielded, in order; None if it was none.
        response: The wire response; with `ended` other than `complete` it holds
            what had arrived by then.
        error: The exception that left the call.
        ended: `abandoned`: the caller stopped reading; `failed`: `error` came
            after part of the response or items; `open`: its process ended before it.
        served_from: Id of the recorded step that answered; None if it ran live.
    """

    value: JsonValue = None
    items: tuple[JsonValue, ...] | None = None
    response: HttpResponse | None = None
    error: RecordedException | None = None
    ended: Ended = "complete"
    served_from: str | None = None

    @property
    def failed(self) -> bool:
        """Whether an exception left the call."""
        return self.error is not None
