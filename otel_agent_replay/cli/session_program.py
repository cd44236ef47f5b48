"""A program under a session: how it is started, and what its report says."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from otel_agent_replay._setup.children import SESSION
from otel_agent_replay._setup.doubts import Doubts
from otel_agent_replay._setup.effects import Clock
from otel_agent_replay._setup.launch import Finished, absolute_store_url, launch
from otel_agent_replay._setup.specs import SessionSpec
from otel_agent_replay._setup.stores import open_store
from otel_agent_replay.cli.exit_codes import ExitCode
from otel_agent_replay.cli.found import named_run, store_url
from otel_agent_replay.cli.launch_settings import environment_of, settings_with
from otel_agent_replay.cli.recorded_runs import NOT_CAPTURED, print_recorded, runs_of
from otel_agent_replay.cli.report_page import print_report
from otel_agent_replay.cli.terminal import Screen, print_json, text
from otel_agent_replay.cli.wording import count
from otel_agent_replay.errors import RunIncompleteError
from otel_agent_replay.model.divergence import ReplayReport
from otel_agent_replay.model.payload import JsonObject, JsonValue
from otel_agent_replay.model.run import Run, RunSummary
from otel_agent_replay.replay.codec import report_json
from otel_agent_replay.replay.log import SessionLog, load_log
from otel_agent_replay.replay.matching import Matching
from otel_agent_replay.replay.plan import Changes, Mode, Reads, gaps_in_the_way
from otel_agent_replay.replay.report import report_of
from otel_agent_replay.replay.step_names import named_step

__all__ = ["SessionRequest", "Verdict", "run_session", "session_logs", "tools_of"]

_STDERR: Final = 2
_LATE: Final = 3.0
_PAUSE: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRequest:
    """What a command line asks for.

    Attributes:
        mode: Replay, resume or fork.
        run: The run, as it was named.
        command: The program and its arguments.
        store: URL of the run's store; None for that of the settings.
        tools: Functions to record as tools, besides those the run was recorded with.
        at, changes, allow_writes, allow_gaps, in_doubt, matching, live, clock,
        network: As in a
            session's description.
        keep: Whether the run of a replay is stored.
        as_json: Whether the report goes to standard output, as JSON.
        quiet: Whether nothing is printed; as with `as_json`, what the program prints
            goes to standard error.
    """

    mode: Mode
    run: str
    command: Sequence[str]
    store: str | None = None
    tools: tuple[str, ...] = ()
    at: int | str | None = None
    changes: Changes = field(default_factory=Changes)
    allow_writes: frozenset[str] = frozenset()
    allow_gaps: bool = False
    in_doubt: Doubts = field(default_factory=dict)
    reads: Reads = "live"
    matching: Matching = field(default_factory=Matching)
    live: frozenset[str] = frozenset()
    clock: Clock = "recorded"
    network: frozenset[str] = frozenset()
    keep: bool = False
    as_json: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a session ended.

    `report` is None where the program never took part; `unheard` is how many of its
    processes ended without a word; `runs` are those the session stored.
    """

    exit_code: int
    report: ReplayReport | None = None
    unheard: int = 0
    runs: tuple[RunSummary, ...] = ()


def run_session(request: SessionRequest) -> Verdict:
    """Run a program under a session, print the report, return the verdict.

    Raises:
        RunNotFoundError: There is no such run.
        RunIncompleteError: The run has gaps, and they are not allowed.
        StepNotFoundError: The run has no such step to fork at.
        ConfigurationError: A change does not fit the step.
        LaunchError: The program cannot be started.
    """
    url = absolute_store_url(store_url(request.store))
    with named_run(url, request.run) as (opened, run_id):
        run = opened.load(run_id)
    gaps = gaps_in_the_way(run, request.mode)
    if gaps and not request.allow_gaps:
        raise RunIncompleteError(run.run_id, gaps)
    with tempfile.TemporaryDirectory(prefix="agent-replay-") as folder:
        spec = _spec(request, run, url, folder)
        settings = settings_with({"store": url, "tools": tools_of(run, request.tools)})
        since = time.time_ns()
        finished = launch(
            request.command,
            {**environment_of(settings), SESSION: spec.dump()},
            stdout=_STDERR if request.as_json or request.quiet else None,
        )
        verdict = _judged(request, run, spec, finished)
        if spec.record == url and verdict.report is not None:
            with open_store(url) as opened:
                runs = _own(runs_of(opened, finished, since), run, request.mode)
            verdict = replace(verdict, runs=tuple(runs))
    if not request.quiet:
        _print(request, run, verdict, finished)
    return verdict


def _spec(request: SessionRequest, run: Run, url: str, folder: str) -> SessionSpec:
    spec = SessionSpec(
        mode=request.mode,
        store=url,
        run_id=run.run_id,
        directory=folder,
        at=None if request.at is None else named_step(run, request.at),
        changes=request.changes,
        allow_writes=request.allow_writes,
        allow_gaps=request.allow_gaps,
        in_doubt=request.in_doubt,
        reads=request.reads,
        matching=request.matching,
        live=request.live,
        clock=request.clock,
        network=request.network,
    )
    # What does not fit the run is said before the program has done anything.
    spec.plan(run)
    kept = request.keep or request.mode != "replay"
    return replace(spec, record=url) if kept else spec


def tools_of(run: Run, further: Sequence[str]) -> tuple[str, ...]:
    """Return the tools to take: one that is not taken would run live, unseen."""
    recorded = run.environment.get("tools")
    named = recorded if isinstance(recorded, list) else []
    return (*(each for each in named if isinstance(each, str)), *further)


def _judged(
    request: SessionRequest, run: Run, spec: SessionSpec, finished: Finished
) -> Verdict:
    logs = session_logs(Path(spec.directory), len(finished.processes))
    if not logs:
        return Verdict(exit_code=ExitCode.NOT_CAPTURED)
    log = SessionLog()
    for each in logs:
        log.add(each)
    report = report_of(run, spec.plan(run), log)
    unheard = max(0, len(finished.processes) - len(logs))
    code = _exit_code(request, run, report, finished)
    if unheard and report.ok:
        code = ExitCode.NOT_CAPTURED
    return Verdict(exit_code=code, report=report, unheard=unheard)


def session_logs(directory: Path, processes: int) -> list[SessionLog]:
    """Return what the processes left; helpers of `multiprocessing` end a bit later."""
    deadline = time.monotonic() + _LATE
    found = sorted(directory.glob("log-*.json"))
    while len(found) < processes and time.monotonic() < deadline:
        time.sleep(_PAUSE)
        found = sorted(directory.glob("log-*.json"))
    return [load_log(path.read_text(encoding="utf-8")) for path in found]


def _exit_code(
    request: SessionRequest, run: Run, report: ReplayReport, finished: Finished
) -> int:
    if report.in_doubt:
        return ExitCode.WRITE_IN_DOUBT
    if report.blocked:
        return ExitCode.WRITE_BLOCKED
    if report.divergences:
        return ExitCode.DIVERGED
    if request.mode == "replay" and run.status != "success":
        return ExitCode.OK  # it failed as it had failed
    return finished.exit_code


def _own(runs: list[RunSummary], run: Run, mode: Mode) -> list[RunSummary]:
    if mode == "resume":
        return [each for each in runs if each.run_id == run.run_id]
    return [each for each in runs if each.parent_run_id == run.run_id]


def _print(
    request: SessionRequest, run: Run, verdict: Verdict, finished: Finished
) -> None:
    screen = Screen(stderr=True)
    if request.as_json:
        print_json(_verdict_json(verdict, finished))
    elif verdict.report is not None:
        print_report(screen, run, verdict.report, request.mode)
        if verdict.runs:
            print_recorded(screen, list(verdict.runs), "  stored")
        _print_exit(screen, verdict, finished)
    if verdict.report is None:
        screen.print(text(f"error: {_why_no_report(finished)}", "red"))
    elif verdict.unheard:
        ended = count(verdict.unheard, "process", "processes")
        message = f"{ended} of the program ended without a report, as if killed"
        screen.print(text(f"error: {message}: what they did is not known.", "red"))


def _why_no_report(finished: Finished) -> str:
    if not finished.processes:
        return f"nothing was answered from the run: {NOT_CAPTURED}"
    return (
        "the program ended without a report, as if killed; its exit code is "
        f"{finished.exit_code}."
    )


def _print_exit(screen: Screen, verdict: Verdict, finished: Finished) -> None:
    if finished.exit_code and verdict.report is not None and verdict.report.ok:
        screen.print(text(f"  the program's exit code is {finished.exit_code}", "dim"))


def _verdict_json(verdict: Verdict, finished: Finished) -> JsonObject:
    stored: list[JsonValue] = [each.run_id for each in verdict.runs]
    return {
        "report": None if verdict.report is None else report_json(verdict.report),
        "unheard_processes": verdict.unheard,
        "stored_runs": stored,
        "program_exit_code": finished.exit_code,
        "exit_code": int(verdict.exit_code),
    }
