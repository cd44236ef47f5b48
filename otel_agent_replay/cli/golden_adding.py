"""A stored run made into a golden and its test."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from otel_agent_replay._setup.golden_files import (
    FOLDER,
    NAMED,
    golden_names,
    pending,
    read_golden,
    write_golden,
)
from otel_agent_replay._setup.golden_making import made_golden
from otel_agent_replay._setup.golden_session import run_of
from otel_agent_replay.cli.found import named_run
from otel_agent_replay.cli.golden_entry import Entry, found_entry, named_entry
from otel_agent_replay.cli.golden_test import test_text
from otel_agent_replay.errors import GoldenError, RecordingError
from otel_agent_replay.model.held import held_mark
from otel_agent_replay.model.payload import JsonObject
from otel_agent_replay.model.run import Run
from otel_agent_replay.replay.golden import NAME, Golden

__all__ = ["AddRequest", "Added", "add_golden"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddRequest:
    """What `golden add` was asked for; fields as its options."""

    run: str
    folder: Path
    name: str | None
    entry: str | None
    expect: tuple[str, ...]
    store: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What was written."""

    run_id: str
    name: str
    golden: Path
    steps: int
    expect: tuple[str, ...]
    test: Path
    test_text: str
    test_written: bool

    def to_json(self) -> JsonObject:
        """Return it for `--json`."""
        return {
            "run_id": self.run_id,
            "name": self.name,
            "golden": str(self.golden),
            "steps": self.steps,
            "expect": [*self.expect],
            "test": str(self.test),
            "test_written": self.test_written,
        }


def add_golden(request: AddRequest) -> Added:
    """Write the golden of a run, its test, and keep the run.

    Raises:
        GoldenError: Another golden has the name, or the run is not fit to be one.
        click.UsageError: It is not known which function runs the agent.
    """
    folder = request.folder / FOLDER
    with named_run(request.store, request.run) as (store, run_id):
        recording = store.recording(run_id)
        run = store.load(run_id)
        entry = _entry(request, run)
        name = request.name or _free_name(folder, run)
        golden = made_golden(recording, name, request.expect, origin=held_mark(run_id))
        _check_free(folder, golden)
        # Noted first: a file that nobody knows of outlives an erase.
        test = request.folder / f"test_{re.sub(r'[^A-Za-z0-9_]', '_', name)}.py"
        for path in (folder / f"{name}.json", test):
            store.remember_export(run_id, path.absolute())
        store.keep_golden(run_id)
    write_golden(folder, golden)
    recorded = run_of(golden)
    content = test_text(golden, recorded, entry)
    return Added(
        run_id=run_id,
        name=name,
        golden=folder / f"{name}.json",
        steps=len(recorded.steps),
        expect=golden.expect,
        test=test,
        test_text=content,
        test_written=_written(test, content),
    )


def _entry(request: AddRequest, run: Run) -> Entry:
    here = Path.cwd()
    if request.entry is not None:
        return named_entry(request.entry, here)
    try:
        return found_entry(run.agent_name, here)
    except click.UsageError as error:
        if not sys.stdin.isatty():
            raise
        said = f"{error.message}\nThe function that runs the agent"
        return named_entry(click.prompt(said, err=True), here)


def _free_name(folder: Path, run: Run) -> str:
    """Return the agent's name as a file's, with the run's first letters if need be."""
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", run.agent_name).strip("_").lower() or "agent"
    plain = plain[:60]
    known = golden_names(folder)
    if plain not in known or _origin(folder, plain) == held_mark(run.run_id):
        return plain
    return f"{plain}_{re.sub(r'[^A-Za-z0-9]', '', run.run_id)[:8]}"


def _origin(folder: Path, name: str) -> str:
    try:
        return read_golden(folder, name).origin
    except RecordingError:
        return ""


def _check_free(folder: Path, golden: Golden) -> None:
    """Check that no other golden stands under the name; names are checked too."""
    if not NAME.fullmatch(golden.name):
        raise GoldenError(golden.name[:80], f"{NAMED}.")
    known = golden_names(folder)
    alike = {each.casefold(): each for each in known}.get(golden.name.casefold())
    if alike is not None and golden.name not in known:
        problem = f"on many disks it is the file of the golden {alike!r}."
        raise GoldenError(golden.name, f"{problem} Give it another --name.")
    if alike is None or not pending(folder, golden):
        return
    before = read_golden(folder, golden.name)
    if before.origin != golden.origin:
        problem = (
            f"{folder / golden.name}.json is another run. Give this one a --name, or "
            "record that one again: agent-replay golden update --category fix"
        )
        raise GoldenError(golden.name, problem)


def _written(path: Path, content: str) -> bool:
    """Write a file that is not there; return whether it says this now."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
    except FileExistsError:
        return path.read_text(encoding="utf-8") == content
    return True
