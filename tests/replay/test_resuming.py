"""Which calls a resume makes again."""

from __future__ import annotations

import asyncio

import pytest

from otel_agent_replay import (
    agent,
    replay,
    resume,
    tool,
)
from tests.replay.recorded import BoomError, newest, tools_of


def test_calls_side_by_side_that_failed_are_made_again(world):
    """Also where another began after them and finished."""
    crash = True

    @tool
    async def get(word: str) -> str:
        await asyncio.sleep(0)
        world.happened.append(word)
        if crash and word == "b":
            while world.happened[-1] != "c":  # noqa: ASYNC110 - until c has finished
                await asyncio.sleep(0)
            raise BoomError(word)
        return word.upper()

    @agent
    async def run() -> list[str]:
        return await asyncio.gather(*map(get, "abc"))

    with pytest.raises(BoomError):
        asyncio.run(run())
    assert len(newest().steps) == 3
    crash = False
    with resume(newest()) as opened:
        assert asyncio.run(run()) == ["A", "B", "C"]

    assert opened.report.live == ("get",)
    assert world.happened == ["a", "b", "c", "b"]
    assert opened.run.status == "success"


def test_a_failure_that_the_agent_went_on_from_stays(world):
    """It is answered as it was; the one that ended the run is made again."""
    failing = {"a", "c"}

    @tool
    def get(word: str) -> str:
        world.happened.append(word)
        if word in failing:
            raise BoomError(word)
        return word.upper()

    @agent
    def run() -> list[str]:
        try:
            get("a")
        except BoomError:
            get("b")
        return [get("c")]

    with pytest.raises(BoomError):
        run()
    failing = set()
    with resume(newest()):
        assert run() == ["C"]

    assert world.happened == ["a", "b", "c", "c"]


def test_a_tool_that_failed_half_way_is_made_again_whole(world):
    """What it did inside is its own to do again."""
    look_up = tools_of(world)
    crash = True

    @tool
    def outer() -> object:
        found = look_up("inside")
        if crash:
            raise BoomError
        return found

    @agent
    def run() -> list[object]:
        return [look_up("before"), outer(), look_up("after")]

    with pytest.raises(BoomError):
        run()
    crash = False
    with resume(newest()) as opened:
        assert run() == [0, 2, 3]

    assert world.happened == ["before", "inside", "inside", "after"]
    assert opened.report.ok
    with replay(opened.run) as again:
        assert run() == [0, 2, 3]
    assert again.report.ok


def test_a_run_that_succeeded_has_nothing_left_to_do(world):
    """Though its last call failed: the agent had an answer to that."""

    @tool
    def fails() -> str:
        world.happened.append("fails")
        raise BoomError

    @agent
    def run() -> str:
        try:
            return fails()
        except BoomError:
            return "sorry"

    run()
    with resume(newest()) as opened:
        assert run() == "sorry"

    assert (opened.report.live, world.happened) == ((), ["fails"])
