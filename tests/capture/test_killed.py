"""What a process that is killed leaves: recovered, shown, gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from otel_agent_replay import open_store, replay, resume
from otel_agent_replay.errors import DivergenceError

AGENT = """
import os, signal, sys, time
import otel_agent_replay
from otel_agent_replay import agent, tool

otel_agent_replay.configure(store=os.environ["STORE"])

@tool
def look(number: int) -> str:
    if number == 3:
        time.sleep(0.5)  # longer than what a kill may take with it
        os.kill(os.getpid(), getattr(signal, os.environ["SIGNAL"]))
        time.sleep(10)
    return f"found {number}"

@agent(name="killed")
def play(what: str) -> str:
    for number in range(9):
        look(number)
    return "done"

play("everything")
"""


@pytest.fixture(params=["SIGKILL", "SIGTERM"])
def killed(request, tmp_path: Path, store_url) -> int:
    """Run the agent until the signal ends it; return its exit code."""
    path = tmp_path / "agent.py"
    path.write_text(AGENT)
    environment = {**os.environ, "STORE": store_url, "SIGNAL": request.param}
    environment.pop("PYTEST_CURRENT_TEST", None)
    ended = subprocess.run(
        [sys.executable, str(path)], env=environment, timeout=60, check=False
    )
    assert ended.returncode == -getattr(signal, request.param)
    return ended.returncode


def test_a_killed_run_is_there_with_what_was_open(killed, store_url):
    """Its finished steps, the open one with what it was asked, its input."""
    with open_store(store_url) as store:
        [line] = store.runs()
        run = store.load(line.run_id)
        again = store.recover()

    assert again.processes == 0
    assert (line.status, line.run_class, line.step_count) == (
        "interrupted",
        "failed",
        4,
    )
    assert run.status == "interrupted"
    assert run.input == {"what": "everything"}
    assert run.policy is not None
    assert [step.outcome.value for step in run.steps[:3]] == [
        "found 0",
        "found 1",
        "found 2",
    ]
    assert run.steps[3].is_open
    assert run.steps[3].call.inputs == {"number": 3}
    assert run.gaps == ()


def test_a_killed_run_is_gone_on_with(killed, store_url):
    """What had ended is answered, what was open is made again, in the same run."""
    from otel_agent_replay import agent, tool

    seen: list[int] = []

    @tool
    def look(number: int) -> str:
        seen.append(number)
        return f"found {number}"

    @agent(name="killed")
    def play(what: str) -> str:
        for number in range(9):
            look(number)
        return "done"

    with open_store(store_url) as store:
        run = store.load(store.runs()[0].run_id)
    with resume(run) as session:
        assert play("everything") == "done"

    assert seen == [3, 4, 5, 6, 7, 8]
    assert session.run.run_id == run.run_id
    assert session.run.status == "success"
    assert len([step for step in session.run.steps if not step.superseded]) == 9


def test_an_open_step_answers_nothing(killed, store_url):
    """A replay stops where the recording does; it never makes an answer up."""
    from otel_agent_replay import agent, tool

    @tool
    def look(number: int) -> str:
        raise AssertionError(number)

    @agent(name="killed")
    def play(what: str) -> str:
        for number in range(9):
            look(number)
        return "done"

    with open_store(store_url) as store:
        run = store.load(store.runs()[0].run_id)
    with pytest.raises(DivergenceError) as raised, replay(run):
        play("everything")

    [difference] = raised.value.differences
    assert difference.startswith("unexpected: look")
