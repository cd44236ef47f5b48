"""What happened in a session, as its processes tell each other."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, cast

from otel_agent_replay.model.call import Kind
from otel_agent_replay.model.divergence import (
    Candidate,
    Divergence,
    FieldDifference,
    Normalised,
)
from otel_agent_replay.model.payload import JsonValue, dump_json, parse_json

__all__ = ["SessionLog", "dump_log", "load_log"]


@dataclass(slots=True, kw_only=True)
class SessionLog:
    """What a replayer saw, in the order it saw it; child processes' logs are added.

    Attributes:
        asked: Steps that a call asked for, frames included.
        served: Steps that answered.
        twice: Those that answered in more than one process.
        live: Names of calls that ran live.
        blocked: Names of writes that were refused.
        in_doubt: As in the report.
        replaced: Steps that a live call stood for.
        altered: Kinds of the live calls that ended in another way than those.
        divergences: Differences found while it ran.
        ends: Differences in what the agent returned.
        lines: Steps in the order in which calls asked for them, a list for each line
            of calls that have one; empty unless some came in another order.
        moved_at: How many divergences there were when the first came so.
        normalised: What was let pass by a normaliser.
        notes: What else a reader should know.
        stopped: Whether the agent was stopped.
        state_changed: Whether a fork's change of the state took effect.
    """

    asked: set[int] = field(default_factory=set)
    served: set[int] = field(default_factory=set)
    twice: set[int] = field(default_factory=set)
    live: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    in_doubt: list[tuple[str, str]] = field(default_factory=list)
    replaced: set[int] = field(default_factory=set)
    altered: list[Kind] = field(default_factory=list)
    divergences: list[Divergence] = field(default_factory=list)
    ends: list[Divergence] = field(default_factory=list)
    lines: list[list[int]] = field(default_factory=list)
    moved_at: int | None = None
    normalised: list[Normalised] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stopped: bool = False
    state_changed: bool = False

    def moved(self, lines: list[list[int]]) -> None:
        """Note that a call came in another order; in which one now."""
        self.lines = lines
        if self.moved_at is None:
            self.moved_at = len(self.divergences)

    def add(self, other: SessionLog) -> None:
        """Add what a child process saw."""
        if other.moved_at is not None:
            self.lines += other.lines
            if self.moved_at is None:
                self.moved_at = len(self.divergences) + other.moved_at
        self.asked |= other.asked
        self.twice |= other.twice | (self.served & other.served)
        self.served |= other.served
        self.live += other.live
        self.blocked += other.blocked
        self.in_doubt += other.in_doubt
        self.replaced |= other.replaced
        self.altered += other.altered
        self.divergences += other.divergences
        self.ends += other.ends
        self.normalised += other.normalised
        self.notes += other.notes
        self.stopped |= other.stopped
        self.state_changed |= other.state_changed


def dump_log(log: SessionLog) -> str:
    """Return a log as JSON text, for the process that opened the session."""
    value = {
        "asked": sorted(log.asked),
        "served": sorted(log.served),
        "twice": sorted(log.twice),
        "live": log.live,
        "blocked": log.blocked,
        "in_doubt": [[*each] for each in log.in_doubt],
        "replaced": sorted(log.replaced),
        "altered": log.altered,
        "divergences": [asdict(each) for each in log.divergences],
        "ends": [asdict(each) for each in log.ends],
        "lines": log.lines,
        "moved_at": log.moved_at,
        "normalised": [asdict(each) for each in log.normalised],
        "notes": log.notes,
        "stopped": log.stopped,
        "state_changed": log.state_changed,
    }
    return dump_json(cast("JsonValue", value))


def load_log(text: str) -> SessionLog:
    """Return the log that `dump_log` wrote in another process of the session."""
    value = cast("dict[str, Any]", parse_json(text))
    return SessionLog(
        asked=set(value["asked"]),
        served=set(value["served"]),
        twice=set(value["twice"]),
        live=value["live"],
        blocked=value["blocked"],
        in_doubt=[(name, problem) for name, problem in value["in_doubt"]],
        replaced=set(value["replaced"]),
        altered=value["altered"],
        divergences=[_divergence(each) for each in value["divergences"]],
        ends=[_divergence(each) for each in value["ends"]],
        lines=value["lines"],
        moved_at=value["moved_at"],
        normalised=[Normalised(**each) for each in value["normalised"]],
        notes=value["notes"],
        stopped=value["stopped"],
        state_changed=value["state_changed"],
    )


def _divergence(value: dict[str, Any]) -> Divergence:
    parent, fields = tuple(value["parent"]), _fields(value["fields"])
    candidates = tuple(
        Candidate(**{**each, "fields": _fields(each["fields"])})
        for each in value["candidates"]
    )
    told = {"parent": parent, "fields": fields, "candidates": candidates}
    return Divergence(**{**value, **told})


def _fields(values: list[dict[str, Any]]) -> tuple[FieldDifference, ...]:
    return tuple(FieldDifference(**each) for each in values)
