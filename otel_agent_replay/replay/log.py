"""What happened in a session, and the report made of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, cast

from otel_agent_replay.model.call import FRAME_KINDS
from otel_agent_replay.model.divergence import Divergence, FieldDifference, ReplayReport
from otel_agent_replay.model.payload import JsonValue, dump_json, parse_json
from otel_agent_replay.model.run import Run
from otel_agent_replay.replay.plan import Plan
from otel_agent_replay.replay.stubs import Stubs

__all__ = ["SessionLog", "dump_log", "load_log", "parents_of", "report_of"]


@dataclass(slots=True, kw_only=True)
class SessionLog:
    """What a replayer saw, in the order it saw it; child processes' logs are added.

    Attributes:
        asked: Steps that a call asked for, frames included.
        served: Steps that answered.
        live: Names of calls that ran live.
        blocked: Names of writes that were refused.
        divergences: Differences found while it ran.
        notes: What else a reader should know.
        stopped: Whether the agent was stopped.
        state_changed: Whether a fork's change of the state took effect.
    """

    asked: set[int] = field(default_factory=set)
    served: set[int] = field(default_factory=set)
    live: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    divergences: list[Divergence] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stopped: bool = False
    state_changed: bool = False

    def add(self, other: SessionLog) -> None:
        """Add what a child process saw."""
        self.asked |= other.asked
        self.served |= other.served
        self.live += other.live
        self.blocked += other.blocked
        self.divergences += other.divergences
        self.notes += other.notes
        self.stopped |= other.stopped
        self.state_changed |= other.state_changed


def dump_log(log: SessionLog) -> str:
    """Return a log as JSON text, for the process that opened the session."""
    value = {
        "asked": sorted(log.asked),
        "served": sorted(log.served),
        "live": log.live,
        "blocked": log.blocked,
        "divergences": [asdict(each) for each in log.divergences],
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
        live=value["live"],
        blocked=value["blocked"],
        divergences=[
            Divergence(
                kind=each["kind"],
                name=each["name"],
                step=each["step"],
                parent=tuple(each["parent"]),
                fields=tuple(FieldDifference(**item) for item in each["fields"]),
            )
            for each in value["divergences"]
        ],
        notes=value["notes"],
        stopped=value["stopped"],
        state_changed=value["state_changed"],
    )


def report_of(run: Run, plan: Plan, log: SessionLog) -> ReplayReport:
    """Return the report of a session that has ended.

    A shared step that no call asked for is unused, unless it lies inside an answered
    one. Where the agent was stopped the rest is unused too, but not missing.
    """
    covered = Stubs(run).covered(log.served)
    unused = tuple(
        step.index
        for step in run.steps
        if step.index in plan.shared
        and step.index not in log.asked
        and step.index not in covered
    )
    missing: tuple[Divergence, ...] = ()
    if not log.stopped:
        missing = (*_missing(run, unused), *_state_unchanged(plan, log))
    return ReplayReport(
        run_id=run.run_id,
        served=tuple(sorted(log.served)),
        unused=unused,
        live=tuple(log.live),
        blocked=tuple(log.blocked),
        divergences=(*log.divergences, *missing),
        notes=tuple(log.notes),
    )


def _state_unchanged(plan: Plan, log: SessionLog) -> tuple[Divergence, ...]:
    """Return that a fork's change of the state found no checkpoint to act on."""
    if not plan.changes.state or log.state_changed:
        return ()
    fields = tuple(
        FieldDifference(path=f"state.{path}", expected=value, in_actual=False)
        for path, value in plan.changes.state.items()
    )
    return (Divergence(kind="missing", name="checkpoint", fields=fields),)


def _missing(run: Run, unused: tuple[int, ...]) -> tuple[Divergence, ...]:
    """Return a divergence a step never asked for; a frame's stands for those inside."""
    return tuple(
        Divergence(
            kind="missing",
            name=step.call.name,
            step=step.index,
            parent=parents_of(run, step.index),
        )
        for step in (run.steps[index] for index in unused)
        if step.parent is None
        or step.parent not in unused
        or run.steps[step.parent].call.kind not in FRAME_KINDS
    )


def parents_of(run: Run, index: int) -> tuple[str, ...]:
    """Return the names of the steps that a step is inside, outermost first."""
    names: list[str] = []
    parent = run.steps[index].parent
    while parent is not None:
        names.append(run.steps[parent].call.name)
        parent = run.steps[parent].parent
    return tuple(reversed(names))
