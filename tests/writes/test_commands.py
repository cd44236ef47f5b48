"""Writes in doubt, from the command line: shown, stopped at, decided."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from otel_agent_replay.cli.exit_codes import ExitCode

CLI = [sys.executable, "-m", "otel_agent_replay.cli"]
AGENT = """
import os, pathlib, signal
from otel_agent_replay import agent, tool

@tool(effect="write", idempotency_key="order")
def pay(order: str) -> str:
    if order == "b" and not os.path.exists("crashed"):
        pathlib.Path("crashed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    with open("paid", "a") as file:
        file.write(order)
    return f"paid {order}"

@agent(name="buys")
def buys() -> str:
    return ", ".join(map(str, (pay("a"), pay("b"), pay("c"))))

print(buys())
"""


class Desk:
    """A directory with an agent that was killed at its second write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = ("--", sys.executable, "buys.py")
        (folder / "buys.py").write_text(AGENT)
        done = self.run("record", *self.program)
        assert done.returncode in {128 + signal.SIGKILL, -signal.SIGKILL}, done.stderr

    def run(self, *words: str, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*CLI, *words],
            cwd=self.folder,
            env={**os.environ, "AGENT_REPLAY_STORE": "sqlite:///runs.db"},
            capture_output=True,
            text=True,
            check=False,
            **options,
        )

    @property
    def paid(self) -> str:
        return (self.folder / "paid").read_text()

    def states(self) -> dict[str, str]:
        shown = json.loads(self.run("show", "last", "--json").stdout)
        return {each["key"]: each["state"] for each in shown["writes"]}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_show_marks_writes_and_names_those_in_doubt(desk):
    """In the table by key, below it what is in doubt, and in the JSON for scripts."""
    page = desk.run("show", "last").stdout

    assert "write a" in page
    assert "In doubt" in page
    assert "pay:b" in page
    assert desk.states() == {"a": "done", "b": "in_doubt"}


def test_resume_stops_at_a_write_in_doubt_until_it_is_decided(desk):
    """The exit code and the report say so; decided, it goes on to the end."""
    stopped = desk.run("resume", "last", *desk.program)
    assert stopped.returncode == ExitCode.WRITE_IN_DOUBT
    assert "--in-doubt 'pay:b=assume_done'" in stopped.stderr.replace("\n", " ")
    assert desk.paid == "a"

    decided = 'pay:b=assume_done="by hand"'
    done = desk.run("resume", "last", "--in-doubt", decided, *desk.program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("paid a, by hand, paid c")
    assert desk.paid == "ac"
    assert {*desk.states().values()} == {"done"}
    assert "In doubt" not in desk.run("show", "last").stdout


@pytest.mark.parametrize("choice", ["retry", "pay=retry", "pay:b=retry"])
def test_a_choice_for_all_for_a_tool_or_for_one_write(desk, choice):
    """Each runs the write again, once."""
    done = desk.run("resume", "last", "--in-doubt", choice, *desk.program)

    assert done.returncode == 0, done.stderr
    assert desk.paid == "abc"


def test_a_person_is_asked(desk):
    """At a terminal; without one it is refused, and nothing has run."""
    ask = ("resume", "last", "--in-doubt", "ask", *desk.program)
    refused = desk.run(*ask, stdin=subprocess.DEVNULL)
    assert refused.returncode == ExitCode.USAGE
    assert "nobody to ask" in refused.stderr

    above, below = pty.openpty()
    os.write(above, b"retry\n")
    done = desk.run(*ask, stdin=below)
    os.close(above)
    os.close(below)
    assert done.returncode == 0, done.stderr
    assert "pay:b began" in done.stderr
    assert desk.paid == "abc"


@pytest.mark.parametrize("choice", ["perhaps", "pay:b=perhaps", "retry=no json"])
def test_a_choice_without_a_meaning_is_refused(desk, choice):
    """Before anything runs."""
    done = desk.run("resume", "last", "--in-doubt", choice, *desk.program)

    assert done.returncode == ExitCode.USAGE
    assert desk.paid == "a"
