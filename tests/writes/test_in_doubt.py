"""Writes that were cut off: who decides, and who cannot pass."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from otel_agent_replay import (
    agent,
    resume,
    tool,
)
from otel_agent_replay.errors import (
    WriteBlockedError,
    WriteInDoubtError,
)
from otel_agent_replay.model.intention import Decision
from tests.writes.shop import Shop, newest, states


class Crash(BaseException):
    """Cuts a body off, as a kill does: nobody can catch it by `except Exception`."""


@pytest.mark.parametrize("choice", ["retry", "assume_done"])
def test_a_write_that_was_cut_off_is_in_doubt(url, choice):
    """A resume stops at it, until somebody says what becomes of it."""
    _decided(url, choice, "mapping")


@pytest.mark.parametrize("form", ["function", "word"])
@pytest.mark.parametrize("choice", ["retry", "assume_done"])
def test_who_decides_may_be_a_function_or_one_word(file_url, choice, form):
    """As well as a mapping of names."""
    _decided(file_url, choice, form)


def _decided(url: str, choice: str, form: str) -> None:
    shop = Shop()
    shop.failing.append(Crash())

    @agent
    def buys() -> object:
        shop.pay("a")
        return shop.pay("b")

    with pytest.raises(Crash):
        buys()
    run = newest(url)
    assert states(url) == {"pay:a": "open"}
    with pytest.raises(WriteInDoubtError, match=r"pay:a.*assume_done"), resume(run):
        buys()
    assert shop.happened == []

    decision = Decision(action=choice, result={"order": "known"})
    given = {
        "mapping": {"pay:a": decision},
        "function": lambda intention: decision if intention.key == "a" else "stop",
        "word": choice,
    }[form]
    with resume(newest(url), in_doubt=given) as session:
        assert buys()["order"] == "b"

    assert session.report.ok
    assert shop.happened == [("a", 1)] * (choice == "retry") + [("b", 1)]
    assert states(url) == {"pay:a": "done", "pay:b": "done"}
    (first,) = [e for e in session.run.steps if not e.superseded][:1]
    if choice == "assume_done":
        assert first.outcome.value == (None if form == "word" else {"order": "known"})


def test_a_write_in_doubt_is_not_made_again_in_the_same_run(file_url):
    """An agent that catches what cut its write off is told, at every further try."""
    shop = Shop()
    shop.failing.append(Crash())

    @agent
    def buys() -> None:
        with pytest.raises(Crash):
            shop.pay("a")
        with pytest.raises(WriteInDoubtError, match="this process"):
            shop.pay("a")

    buys()

    assert shop.happened == []


def test_an_agent_that_swallows_everything_cannot_pass_a_doubt(file_url):
    """The resume says so even if the agent goes on as if nothing was."""
    shop = Shop()
    shop.failing.append(Crash())

    @agent
    def buys(swallow: bool) -> None:  # noqa: FBT001 - an agent's input
        try:
            shop.pay("a")
        except BaseException:
            if not swallow:
                raise

    with pytest.raises(Crash):
        buys(swallow=False)
    with pytest.raises(WriteInDoubtError), resume(newest(file_url)):
        buys(swallow=True)

    assert shop.happened == []


def test_a_cancelled_task_that_never_wrote_leaves_no_doubt(file_url):
    """Who gives up while its intention is being stored has not begun."""
    happened = []

    @tool(effect="write", idempotency_key="order")
    async def send(order: str) -> str:
        happened.append(order)
        return order

    @agent
    async def sends() -> str:
        task = asyncio.create_task(send("a"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await send("a")

    assert asyncio.run(sends()) == "a"
    assert happened == ["a"]


def test_a_resume_that_was_refused_allows_nothing(file_url, tmp_path):
    """After a kill, a write without a key needs its name however often one tries."""
    marks = tmp_path / "marks"
    marks.mkdir()
    program = [sys.executable, "-c", KILLED]
    environment = {**os.environ, "AGENT_REPLAY_STORE": file_url, "MARKS": str(marks)}
    killed = subprocess.run(program, env=environment, cwd=tmp_path, check=False)
    assert killed.returncode == -signal.SIGKILL

    @tool(effect="write")
    def pay(order: str) -> str:
        pytest.fail(f"paid {order} twice")

    buys = agent(name="buys")(lambda: pay("a"))
    for _ in range(2):
        run = newest(file_url)
        with pytest.raises(WriteBlockedError), resume(run):
            buys()

    assert [each.name for each in marks.iterdir()] == ["a"]


KILLED = """
import os, pathlib, signal
import otel_agent_replay
from otel_agent_replay import agent, tool

otel_agent_replay.configure()

@tool(effect="write")
def pay(order: str) -> str:
    pathlib.Path(os.environ["MARKS"], order).touch()
    otel_agent_replay.flush()
    os.kill(os.getpid(), signal.SIGKILL)

@agent(name="buys")
def buys() -> str:
    return pay("a")

buys()
"""
