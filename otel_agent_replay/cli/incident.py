"""What is known of a run that went wrong, and the commands to go on with."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from otel_agent_replay.cli.session_program import Verdict
from otel_agent_replay.model.finding import Finding, ForkPoint
from otel_agent_replay.model.intention import Intention
from otel_agent_replay.model.payload import JsonObject, JsonValue, dump_json
from otel_agent_replay.model.run import Run
from otel_agent_replay.replay.codec import report_json, run_json
from otel_agent_replay.replay.findings import find
from otel_agent_replay.replay.fork_points import fork_points

__all__ = ["Incident", "Said", "fork_command", "incident_json", "incident_of"]

_ID: Final = 12
_UNKNOWN: Final = ("python", "your_agent.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A command, and what it is for."""

    why: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A run that somebody asks about.

    Attributes:
        run: The run.
        findings: What looks wrong in it.
        points: Where to fork it.
        program: The command that runs the agent; a placeholder if none was given.
        store: The options that name its store, if it is not that of the settings.
        verdict: How its replay ended; None if it was not replayed.
        unreplayed: Why a replay that was asked for was not made.
    """

    run: Run
    findings: tuple[Finding, ...]
    points: tuple[ForkPoint, ...]
    program: tuple[str, ...]
    store: tuple[str, ...] = ()
    verdict: Verdict | None = None
    unreplayed: str = ""

    @property
    def first(self) -> Finding | None:
        """What to look at first."""
        return self.findings[0] if self.findings else None

    def command(self, name: str, *words: str, program: bool = False) -> str:
        """Return an `agent-replay` command about the run, for a shell."""
        tail = ("--", *self.program) if program else ()
        given = (name, self.run.run_id[:_ID], *words, *self.store, *tail)
        return shlex.join(("agent-replay", *given))

    @property
    def _going_on(self) -> tuple[Said, ...]:
        if not any(each.kind == "unfinished_write" for each in self.findings):
            return ()
        return (
            Said(
                why="Go on with it; you are asked what became of unfinished writes.",
                command=self.command("resume", "--in-doubt", "ask", program=True),
            ),
        )

    @property
    def commands(self) -> tuple[Said, ...]:
        """How to look at it, reproduce it, and keep it as a test."""
        run_id = self.run.run_id[:_ID]
        golden = shlex.join(
            ("agent-replay", "golden", "add", run_id, "--test", "tests/agents/")
        )
        exported = f"{run_id if run_id.isalnum() else 'run'}.json"
        return (
            Said(
                why="Reproduce it offline, with every call answered from the run.",
                command=self.command("replay", program=True),
            ),
            *self._going_on,
            Said(why="Read it step by step.", command=self.command("show")),
            Said(why="See its forks and replays.", command=self.command("tree")),
            Said(
                why="Keep the run as one file.",
                command=self.command("export", "-o", exported),
            ),
            Said(why="Keep it as a regression test.", command=golden),
        )


def incident_of(
    run: Run,
    program: Sequence[str],
    *,
    store: str | None = None,
    in_doubt: Sequence[Intention] = (),
    verdict: Verdict | None = None,
    unreplayed: str = "",
) -> Incident:
    """Return what the rules find in a run, and where it could be forked."""
    findings = find(run, in_doubt)
    return Incident(
        run=run,
        findings=findings,
        points=fork_points(run, findings),
        program=tuple(program) or _UNKNOWN,
        store=("--store", store) if store else (),
        verdict=verdict,
        unreplayed=unreplayed,
    )


def fork_command(incident: Incident, point: ForkPoint) -> str:
    """Return the command that forks the run there."""
    value = dump_json(point.value)
    words = {
        "state": ("--set", f"state.{point.path}={value}"),
        "result": ("--result", value),
        "answer": ("--answer", str(point.value)),
        "parameter": ("--parameter", f"{point.path}={value}"),
        "code": (),
    }[point.change]
    return incident.command("fork", "--at", str(point.at), *words, program=True)


def incident_json(incident: Incident) -> JsonObject:
    """Return all of it, the run without its payloads."""
    verdict = incident.verdict
    report = None if verdict is None else verdict.report
    replayed: JsonValue = None
    if verdict is not None:
        replayed = {
            "reproduced": report is not None and report.ok and verdict.exit_code == 0,
            "report": None if report is None else report_json(report),
            "exit_code": int(verdict.exit_code),
        }
    return {
        "run": run_json(incident.run, payloads=False),
        "findings": [_finding_json(each) for each in incident.findings],
        "fork_points": [
            {**_point_json(each), "command": fork_command(incident, each)}
            for each in incident.points
        ],
        "replay": replayed,
        "not_replayed_because": incident.unreplayed or None,
        "commands": [
            {"why": each.why, "command": each.command} for each in incident.commands
        ],
    }


def _finding_json(finding: Finding) -> JsonObject:
    return {
        **asdict(finding),
        "steps": list(finding.steps),
        "evidence": list(finding.evidence),
    }


def _point_json(point: ForkPoint) -> JsonObject:
    return {
        "at": point.at,
        "change": point.change,
        "path": point.path,
        "value": point.value,
        "why": point.why,
    }
