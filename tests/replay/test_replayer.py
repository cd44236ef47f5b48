"""What a session answers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
import pytest_asyncio

from otel_agent_replay import (
    DivergenceError,
    agent,
    replay,
    step,
    tool,
)
from tests.replay.recorded import BoomError, newest, tools_of


def test_the_same_call_again_gets_the_next_result(world):
    """In the order of the recording; one more than there was is a difference."""
    look_up = tools_of(world)

    @agent
    def run(count: int) -> list[object]:
        return [look_up("a") for _ in range(count)]

    assert run(3) == [0, 1, 2]
    recorded = newest()

    with replay(recorded) as opened:
        assert run(3) == [0, 1, 2]
    with pytest.raises(DivergenceError, match="unexpected: look_up"), replay(recorded):
        run(4)

    assert opened.report.served == (0, 1, 2)
    assert world.happened == ["a"] * 3


def test_other_arguments_get_their_own_results(world):
    """Whatever order they come in; that it is another one is said."""
    look_up = tools_of(world)

    @agent
    def run() -> dict[str, object]:
        return {word: look_up(word) for word in order}

    order = ["a", "b", "c"]
    first = run()
    order = ["c", "a", "b"]
    with replay(newest(), match="by_arguments") as opened:
        assert run() == first
    with replay(newest(), strict=False) as in_order:
        assert run() == first

    assert opened.report.ok
    assert [str(each) for each in in_order.report.divergences] == [
        "out_of_order: look_up (step 2): asked for before step 1 look_up, not after it"
    ]


def test_retries_fail_and_succeed_as_they_did(world):
    """Each attempt is a step, with its own outcome."""
    world.failures = 2

    @tool
    def flaky() -> str:
        world.happened.append("flaky")
        if len(world.happened) <= world.failures:
            raise BoomError(len(world.happened))
        return "done"

    @agent
    def run() -> list[str]:
        said = []
        while not said or said[-1] != "done":
            try:
                said.append(flaky())
            except BoomError as error:
                said.append(str(error))
        return said

    assert run() == ["1", "2", "done"]
    recorded = newest()
    assert [each.occurrence for each in recorded.steps] == [0, 1, 2]

    with replay(recorded):
        assert run() == ["1", "2", "done"]

    assert len(world.happened) == 3


def test_what_an_answered_tool_did_inside_is_not_asked_for(world):
    """It is covered, however deep."""
    look_up = tools_of(world)

    @step
    def part() -> object:
        return look_up("deep")

    @tool
    def outer() -> object:
        return [part(), look_up("inside")]

    @agent
    def run() -> object:
        return [outer(), look_up("beside")]

    run()
    recorded = newest()
    with replay(recorded) as opened:
        run()

    assert opened.report.ok
    assert opened.report.unused == ()
    assert [recorded.steps[i].call.name for i in opened.report.served] == [
        "outer",
        "look_up",
    ]


def test_a_class_of_the_script_is_the_same_run_or_imported(world, tmp_path):
    """In arguments, results, states, inputs, outputs, and exceptions."""
    (tmp_path / "shop.py").write_text(
        """
import dataclasses
import otel_agent_replay
from otel_agent_replay import agent, checkpoint, tool

@dataclasses.dataclass
class Order:
    number: int

class UnknownError(Exception):
    pass

@tool
def find(order: Order) -> Order:
    if order.number > 1:
        raise UnknownError(order.number)
    return Order(order.number + 1)

@agent
def run(order: Order) -> list[Order]:
    found = []
    try:
        while True:
            order = find(checkpoint(order))
            found.append(order)
    except UnknownError:
        return found

if __name__ == "__main__":
    otel_agent_replay.configure(store="sqlite:///runs.db")
    run(Order(0))
"""
    )
    environment = {"PYTHONPATH": f"{Path(__file__).parents[2]}:{tmp_path}"}
    subprocess.run([sys.executable, "shop.py"], check=True, env=environment)
    recorded = newest()
    assert recorded.input["order"]["class"] == "__main__:Order"

    sys.path.insert(0, str(tmp_path))
    try:
        import shop
    finally:
        sys.path.remove(str(tmp_path))
    with replay(recorded) as opened:
        assert shop.run(shop.Order(0)) == [shop.Order(1), shop.Order(2)]

    assert opened.report.ok


async def test_a_run_that_was_cancelled_does_not_wait_for_ever(world):
    """Nobody in it will cancel the call again."""
    started = asyncio.Event()

    @tool
    async def wait() -> None:
        started.set()
        await asyncio.Event().wait()

    @agent
    async def run() -> None:
        await wait()

    task = asyncio.create_task(run())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async def again() -> None:
        with replay(newest()):
            await run()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(again(), 20)


@pytest_asyncio.fixture
async def replaying(world):
    """A session that is open around a test, as users write it."""

    @tool
    async def echo(word: str) -> str:
        return word

    @agent
    async def run() -> str:
        return await echo("a")

    await run()
    with replay(newest()) as opened:
        yield run
    assert opened.report.ok


async def test_a_session_of_an_async_fixture(replaying):
    """It may be entered in another task and context than it is used in."""
    assert await replaying() == "a"


async def test_and_after_it(world):
    """Nothing of it is left."""
    look_up = tools_of(world)

    assert look_up("live") == 0
