"""What is written down before a write runs, and who keeps it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias, cast

from otel_agent_replay import semconv
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.encoding import call_events, read_call
from otel_agent_replay.model.payload import (
    JsonObject,
    JsonValue,
    dump_json,
    parse_json,
)
from otel_agent_replay.model.span import EventRecord

__all__ = [
    "STOP",
    "WRITE_AHEAD",
    "Decide",
    "Decision",
    "DoubtAction",
    "Gate",
    "Intention",
    "IntentionLog",
    "IntentionState",
    "outcome_of",
    "outcome_text",
]

IntentionState: TypeAlias = Literal["open", "done", "failed"]
DoubtAction: TypeAlias = Literal["stop", "retry", "assume_done"]

WRITE_AHEAD: Final = "write ahead"
"""Key in `OpenCall.notes`: the `Gate` that a write with a key passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intention:
    """A write that was about to run, and what came of it.

    Attributes:
        run_id: The run, which its child processes and resumes share.
        tool: The tool's name, redacted as the run is.
        key: The idempotency key, redacted as the run is.
        digest: Of the redacted arguments.
        token: Tells this attempt from any other.
        process: Who made the attempt: host, process id, start of the process.
        began_ns: When.
        state: `open`: no outcome is known; `failed`: an exception left the tool.
        outcome: What came back, redacted, as `outcome_text` wrote it.
        ended_ns: When it came back; 0 while it is open.
    """

    run_id: str
    tool: str
    key: str
    digest: str
    token: str
    process: str
    began_ns: int
    state: IntentionState = "open"
    outcome: str = ""
    ended_ns: int = 0

    @property
    def name(self) -> str:
        """What people call it: `tool:key`."""
        return f"{self.tool}:{self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of a write that is in doubt.

    Attributes:
        action: `stop` the agent, `retry` the write, or `assume_done`.
        result: What the tool then returns; for `assume_done`.
    """

    action: DoubtAction
    result: JsonValue = None


STOP: Final = Decision(action="stop")

Decide: TypeAlias = Callable[[Intention], Decision]


class IntentionLog(Protocol):
    """Keeps intentions durably; safe from any thread and process.

    Any method may raise `StoreError`, within a bounded time.
    """

    def intend(self, new: Intention, *, instead_of: str = "") -> Intention:
        """Write an intention down; return the one in force for its run, tool and key.

        That is the new one only if there was none, or if the one in force has the
        token `instead_of`: of many who ask at once, one gets its own back.
        """

    def settle(self, ended: Intention) -> None:
        """Write down what came of an attempt; nothing if it is no longer in force."""

    def of_run(self, run_id: str) -> tuple[Intention, ...]:
        """Return a run's intentions, the earliest first."""

    def close(self) -> None:
        """Release connections."""


class Gate(Protocol):
    """What a write with a key passes before its body runs, and after."""

    @property
    def remote_key(self) -> str:
        """The same text for this write in every attempt, and for no other write."""

    def enter(self) -> Outcome | None:
        """Return what the write returned before; None if it is to run now.

        May wait, for a bounded time.

        Raises:
            AgentReplayError: It must not run.
        """

    def leave(self, outcome: Outcome) -> None:
        """Note what came back; never raises."""

    def withdraw(self) -> None:
        """Note that the body never began, after all."""


# --- outcomes as text ------------------------------------------------------------


def outcome_text(outcome: Outcome) -> str:
    """Return an outcome as JSON text; `outcome_of` reads it."""
    (event,) = call_events(Call(kind="tool", name=""), outcome)
    return dump_json(cast("JsonObject", dict(event.attributes)))


def outcome_of(intention: Intention) -> Outcome:
    """Return the outcome that an intention holds.

    Raises:
        ValueError: It holds none that reads as one.
    """
    attributes = parse_json(intention.outcome)
    if not isinstance(attributes, Mapping) or not attributes:
        message = "no outcome"
        raise ValueError(message)
    texts = {name: str(value) for name, value in attributes.items()}
    event = EventRecord(name=semconv.EVENT_TOOL_CALL, time_ns=0, attributes=texts)
    reading = read_call("tool", intention.tool, "write", {}, [event])
    if reading.dropped is not None:
        raise ValueError(reading.dropped)
    return reading.outcome
