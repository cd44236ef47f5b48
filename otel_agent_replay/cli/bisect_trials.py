"""Trials of a bisection, each a program of its own under a replay of two runs."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from otel_agent_replay._setup.children import SESSION
from otel_agent_replay._setup.launch import Finished, launch
from otel_agent_replay._setup.specs import SessionSpec
from otel_agent_replay._setup.stores import open_store
from otel_agent_replay.cli.exit_codes import ExitCode
from otel_agent_replay.cli.launch_settings import environment_of, settings_with
from otel_agent_replay.cli.recorded_runs import NOT_CAPTURED
from otel_agent_replay.cli.session_program import session_logs, tools_of
from otel_agent_replay.model.run import Run
from otel_agent_replay.replay.bisection import Ending, why_undecided
from otel_agent_replay.replay.blending import Blend
from otel_agent_replay.replay.log import SessionLog
from otel_agent_replay.replay.matching import Matching

__all__ = ["NotCapturedError", "Trials"]


class NotCapturedError(click.ClickException):
    """A program did not take part in its replay."""

    exit_code = ExitCode.NOT_CAPTURED

    def __init__(self) -> None:
        super().__init__(f"nothing was answered from the runs: {NOT_CAPTURED}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """Runs a program on blends of two runs; what it prints is not shown.

    Attributes:
        good, bad: The runs.
        store: URL of the store of both.
        command: The program and its arguments.
        tools: Functions to take as tools, besides those the runs were recorded with.
        matching: How a call finds its step.
    """

    good: Run
    bad: Run
    store: str
    command: Sequence[str]
    tools: tuple[str, ...]
    matching: Matching

    def __call__(self, taken: frozenset[int]) -> Ending:
        """Run it once, with these changes of the bad run.

        Raises:
            LaunchError: It cannot be started.
            NotCapturedError: It did not take part in the replay.
        """
        with tempfile.TemporaryDirectory(prefix="agent-replay-") as folder:
            spec = SessionSpec(
                mode="replay",
                store=self.store,
                run_id=self.good.run_id,
                record=f"sqlite:///{folder}/trial.db",
                directory=folder,
                matching=self.matching,
                allow_gaps=True,
                blend=Blend(other=self.bad.run_id, taken=taken),
            )
            finished = self._launched(spec)
            logs = session_logs(Path(folder), len(finished.processes))
            if not finished.processes:
                raise NotCapturedError
            problem = _problem(finished, logs)
            run = None if problem else _made(spec, finished)
        return Ending(run=run, problem=problem)

    def _launched(self, spec: SessionSpec) -> Finished:
        tools = (*tools_of(self.good, self.tools), *tools_of(self.bad, ()))
        settings = settings_with({"store": self.store, "tools": tools})
        return launch(
            self.command,
            {**environment_of(settings), SESSION: spec.dump()},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _problem(finished: Finished, logs: Sequence[SessionLog]) -> str:
    """Return why nothing follows from how a program ended; empty if something does."""
    if len(logs) < len(finished.processes):
        return "a process of it ended without a report, as if killed"
    whole = SessionLog()
    for each in logs:
        whole.add(each)
    return why_undecided(whole)


def _made(spec: SessionSpec, finished: Finished) -> Run | None:
    if spec.record is None or not finished.run_ids:
        return None
    with open_store(spec.record) as store:
        return store.load(finished.run_ids[0])
