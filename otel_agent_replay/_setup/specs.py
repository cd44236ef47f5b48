"""A session's description: what a process needs to open it, as JSON text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, cast

from otel_agent_replay._setup.doubts import (
    Doubts,
    doubts_as_json,
    doubts_from_json,
)
from otel_agent_replay._setup.effects import Clock
from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.model.payload import JsonObject, JsonValue, dump_json, parse_json
from otel_agent_replay.model.run import Run
from otel_agent_replay.replay.blending import Blend, blended
from otel_agent_replay.replay.matching import Match, Matching, matching_of
from otel_agent_replay.replay.plan import UNCHANGED, Changes, Mode, Plan, Reads, plan_of

__all__ = ["SessionSpec"]

_FUNCTION: Final = "function"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSpec:
    """What to replay, resume or fork, and how.

    Attributes:
        mode: Which of the three.
        store: URL of the store that holds the run.
        run_id: The run.
        record: URL of the store that the session's own run goes to; None keeps it
            in memory, and what child processes add in the directory.
        directory: Where the processes of the session leave their logs; it is there
            when the session is opened.
        at, changes, allow_writes, matching, live, reads: As in `replay.plan.Plan`.
        clock: In a replay, whether the clock stands at the recorded time.
        network: In a replay, `host:port` of what may be connected to.
        allow_gaps: Whether a run with gaps may be replayed.
        in_doubt: What becomes of writes in doubt.
        blend: What else answers, out of another run of the same store.
    """

    mode: Mode
    store: str
    run_id: str
    record: str | None = None
    directory: str = ""
    at: int | None = None
    changes: Changes = field(default_factory=Changes)
    allow_writes: frozenset[str] = frozenset()
    matching: Matching = field(default_factory=Matching)
    live: frozenset[str] = frozenset()
    reads: Reads = "live"
    clock: Clock = "recorded"
    network: frozenset[str] = frozenset()
    allow_gaps: bool = False
    in_doubt: Doubts = field(default_factory=dict)
    blend: Blend | None = None

    def run(self, load: Callable[[str], Run]) -> Run:
        """Return the run that answers, given what loads one by its id."""
        run = load(self.run_id)
        if self.blend is None:
            return run
        other, names = load(self.blend.other), self.matching.normalise
        return blended(run, other, self.blend.taken, names)

    def plan(self, run: Run) -> Plan:
        """Return the plan of this session on its run.

        Raises:
            StepNotFoundError: The run has no step `at`.
            ConfigurationError: The changes do not fit the fork step.
        """
        plan = plan_of(
            run,
            self.mode,
            at=self.at,
            changes=self.changes,
            allow_writes=self.allow_writes,
            matching=self.matching,
            live=self.live,
            reads=self.reads,
        )
        return replace(plan, gives_input=self.blend is not None)

    def dump(self) -> str:
        """Return it as JSON text."""
        changes = self.changes
        value: JsonObject = {
            "mode": self.mode,
            "store": self.store,
            "run_id": self.run_id,
            "record": self.record,
            "directory": self.directory,
            "at": self.at,
            "allow_writes": list[JsonValue](sorted(self.allow_writes)),
            "match": _FUNCTION if self.matching.choose else self.matching.mode,
            "normalise": list[JsonValue](sorted(self.matching.normalise)),
            "live": list[JsonValue](sorted(self.live)),
            "reads": self.reads,
            "clock": self.clock,
            "network": list[JsonValue](sorted(self.network)),
            "allow_gaps": self.allow_gaps,
            "in_doubt": doubts_as_json(self.in_doubt),
            "blend": _blend_json(self.blend),
            "state": dict(changes.state),
            "answer": changes.answer,
            "system": changes.system,
            "model": changes.model,
            "parameters": changes.parameters,
            "tools": None if changes.tools is None else [*changes.tools],
        }
        if changes.result is not UNCHANGED:
            value["result"] = cast("JsonValue", changes.result)
        return dump_json(value)

    @classmethod
    def load(cls, text: str) -> SessionSpec:
        """Return the description that a text holds.

        Raises:
            ConfigurationError: It holds none.
        """
        try:
            value = cast("JsonObject", parse_json(text))
            return cls(
                mode=cast("Mode", value["mode"]),
                store=cast("str", value["store"]),
                run_id=cast("str", value["run_id"]),
                record=cast("str | None", value["record"]),
                directory=cast("str", value["directory"]),
                at=cast("int | None", value["at"]),
                allow_writes=frozenset(cast("list[str]", value["allow_writes"])),
                matching=_matching(value),
                live=frozenset(cast("list[str]", value["live"])),
                reads=cast("Reads", value["reads"]),
                clock=cast("Clock", value["clock"]),
                network=frozenset(cast("list[str]", value["network"])),
                allow_gaps=bool(value["allow_gaps"]),
                in_doubt=doubts_from_json(value["in_doubt"]),
                blend=_blend(value["blend"]),
                changes=Changes(
                    state=cast("JsonObject", value["state"]),
                    result=value.get("result", UNCHANGED),
                    answer=cast("str | None", value["answer"]),
                    system=cast("str | None", value["system"]),
                    model=cast("str | None", value["model"]),
                    parameters=cast("JsonObject", value["parameters"]),
                    tools=_tools(value["tools"]),
                ),
            )
        except ConfigurationError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                "AGENT_REPLAY_SESSION",
                f"is not what the launcher writes: {error}",
            ) from error


def _matching(value: JsonObject) -> Matching:
    if value["match"] == _FUNCTION:
        raise ConfigurationError(
            "match",
            "a function of yours works in the process that opened the session only, "
            "and this is another one; use a mode where an agent has several processes",
        )
    names = cast("list[str]", value["normalise"])
    return matching_of(cast("Match", value["match"]), names)


def _blend_json(blend: Blend | None) -> JsonValue:
    if blend is None:
        return None
    return {"other": blend.other, "taken": list[JsonValue](sorted(blend.taken))}


def _blend(value: JsonValue) -> Blend | None:
    if not isinstance(value, dict):
        return None
    taken = frozenset(cast("list[int]", value["taken"]))
    return Blend(other=cast("str", value["other"]), taken=taken)


def _tools(value: JsonValue) -> tuple[JsonValue, ...] | None:
    return tuple(value) if isinstance(value, list) else None
