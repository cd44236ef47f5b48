"""`agent-replay recover`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

from tests.cli.conftest import environment

KILLED = """
import os, signal, time
from otel_agent_replay import agent, tool

@tool
def look(number: int) -> int:
    if number == 2:
        time.sleep(0.5)  # longer than what a kill may take with it
        os.kill(os.getpid(), signal.SIGKILL)
    return number

@agent(name="killed")
def play() -> None:
    for number in range(5):
        look(number)

import otel_agent_replay
otel_agent_replay.configure()
play()
"""


def test_nothing_is_left_and_nothing_is_made(desk):
    """Where no store is, none is made to look into."""
    found = desk.run("recover")

    assert found.returncode == 0
    assert "Nothing is left" in found.stdout
    assert not (desk.folder / ".agent-replay").exists()


def test_what_a_killed_process_left(desk):
    """It is stored once, as an interrupted run, and said so."""
    name = desk.write("killed.py", KILLED)
    killed = subprocess.run(
        [sys.executable, name], cwd=desk.folder, env=environment(), check=False
    )
    assert killed.returncode == -signal.SIGKILL

    found = desk.run("recover", "--json")
    again = desk.run("recover", "--json")

    told = json.loads(found.stdout)
    assert (told["processes"], told["spans"], told["opened"]) == (1, 2, 2)
    assert json.loads(again.stdout)["processes"] == 0
    listed = json.loads(desk.run("runs", "--json").stdout)
    assert [each["status"] for each in listed] == ["interrupted"]
    assert told["runs"] == [listed[0]["run_id"]]
