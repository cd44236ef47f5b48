"""The command line as a person uses it: real processes, a real store, real programs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from otel_agent_replay import open_store
from otel_agent_replay.cli.app import cli
from otel_agent_replay.model.run import Run

ROOT = Path(__file__).parents[2]
CLI = [sys.executable, "-m", "otel_agent_replay.cli"]
AGENT = '''\
"""Looks something up and writes it down."""

import os
import sys

from otel_agent_replay import agent, checkpoint, tool

PAGES = {"one": "page 1", "two": "page 2"}


@tool
def look_up(word: str) -> str:
    """Return a page."""
    return PAGES[word]


@tool(effect="write")
def note(text: str) -> str:
    """Write a text down."""
    with open("notes.txt", "a") as file:
        file.write(text + "\\n")
    return f"noted {text}"


@agent(name="clerk", version="1")
def clerk(words: list[str]) -> str:
    """Look words up and note what was found."""
    state = checkpoint({"most": 9})
    found = [look_up(word) for word in words[: state["most"]]]
    if "--no-note" in sys.argv:
        return ", ".join(found)
    if "--fail" in sys.argv and not os.path.exists("repaired"):
        raise RuntimeError("the pen is dry")
    return note(", ".join(found))


if __name__ == "__main__":
    print(clerk([word for word in sys.argv[1:] if not word.startswith("--")]))
'''


def environment(**added: str) -> dict[str, str]:
    """Return the environment of a command."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **added}


@dataclass(frozen=True)
class Desk:
    """A directory with an agent in it, and the command line."""

    folder: Path

    def run(self, *words: str, **added: str) -> subprocess.CompletedProcess[str]:
        """Run `agent-replay` as a process of its own."""
        return subprocess.run(
            [*CLI, *words],
            cwd=self.folder,
            env=environment(**added),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def start(self, *words: str, **options) -> subprocess.Popen[str]:
        """Start it and leave it running."""
        return subprocess.Popen(
            [*CLI, *words],
            cwd=self.folder,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def write(self, name: str, code: str) -> str:
        """Write a program; return its name."""
        (self.folder / name).write_text(textwrap.dedent(code))
        return name

    def agent(self, command: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run it with the agent: words after `--` are the agent's."""
        at = words.index("--")
        program = ("--", sys.executable, "clerk.py", *words[at + 1 :])
        return self.run(command, *words[:at], *program)

    def runs(self) -> list[Run]:
        """Return the stored runs, oldest first."""
        with open_store(f"sqlite:///{self.folder}/.agent-replay/runs.db") as store:
            return [store.load(each.run_id) for each in store.runs()][::-1]

    @property
    def notes(self) -> list[str]:
        """Return what was really written down."""
        path = self.folder / "notes.txt"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Hear SIGINT; a job in the background of a script is started with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return an empty desk."""
    (tmp_path / "clerk.py").write_text(AGENT)
    return Desk(tmp_path)


@pytest.fixture
def recorded(desk: Desk) -> Desk:
    """Return a desk with one recorded run: checkpoint, two look-ups, a note."""
    done = desk.agent("record", "-q", "--", "one", "two")
    assert done.returncode == 0, done.stderr
    return desk


@pytest.fixture
def invoke() -> Callable[..., Result]:
    """Run a command in this process."""
    return lambda *words, **options: CliRunner().invoke(cli, words, **options)
