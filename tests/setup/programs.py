"""Programs for tests of whole processes: written, run, and read back."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

from otel_agent_replay import open_store
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step

ROOT = Path(__file__).parents[2]
AGAIN = """
    import sys
    from otel_agent_replay import open_store, replay

    def replayed(main):
        with open_store() as store:
            run = store.load(store.runs()[0].run_id)
        with replay(run) as session:
            main()
        print("served", len(session.report.served), "of", len(run.steps))
"""
"""A module for programs that run themselves again, answered: `again.py`."""
TOOL = """
    import os, sys
    import otel_agent_replay
    from otel_agent_replay import agent, tool

    otel_agent_replay.configure()

    @tool
    def look_up(word):
        print("live", word, file=sys.stderr, flush=True)
        return word.upper()
"""
"""What such a program begins with."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a program ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """A directory with programs and a store."""

    folder: Path

    @property
    def store(self) -> str:
        return f"sqlite:///{self.folder}/runs.db"

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(textwrap.dedent(text))
        return path

    def run(self, *command: object, **environment: str) -> Done:
        """Run a Python program to its end."""
        done = subprocess.run(
            [sys.executable, *map(str, command)],
            cwd=self.folder,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "AGENT_REPLAY_STORE": self.store,
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        return Done(code=done.returncode, out=done.stdout, err=done.stderr)

    def only_run(self) -> Run:
        """Return the one run of the store."""
        (run,) = self.runs()
        return run

    def runs(self) -> list[Run]:
        """Return all runs of the store, newest first."""
        with open_store(self.store) as store:
            return [store.load(each.run_id) for each in store.runs()]


def tree(run: Run) -> list[str]:
    """Return the steps as indented lines: kind, name, what tells them apart."""
    return [f"{'  ' * _depth(run, each)}{_line(each)}" for each in run.steps]


def _depth(run: Run, step: Step) -> int:
    return 0 if step.parent is None else 1 + _depth(run, run.steps[step.parent])


def _line(step: Step) -> str:
    inputs = step.call.inputs or {}
    if step.call.kind == "process":
        return f"process {step.call.name}"
    return f"{step.call.kind} {step.call.name} {' '.join(map(str, inputs.values()))}"


def recorded_and_replayed(place: Place, *command: str) -> tuple[str, str]:
    """Run a program, and run it again answered; return what both wrote."""
    first = place.run(*command)
    assert first.code == 0, first.err
    again = place.run(*command, "--replay")
    assert again.code == 0, again.err
    assert "live" not in again.out, again.out
    return first.out, again.out
