"""Which order calls must come in, and which one moved."""

from __future__ import annotations

import asyncio
import functools
import operator
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from otel_agent_replay import (
    DivergenceError,
    agent,
    replay,
    step,
    tool,
)
from tests.replay.recorded import CHILD, newest, told


def test_calls_of_one_thread_keep_their_order(look_up):
    """Swapped ones get their own results, and the fewest that moved are named."""

    @agent
    def run() -> None:
        for word in words:
            look_up(word)

    words = ["a", "b", "c", "d", "e"]
    run()
    recorded = newest()
    words = ["b", "a", "c", "e", "d"]
    with replay(recorded, strict=False) as session:
        run()

    assert [(d.kind, d.step) for d in session.report.divergences] == [
        ("out_of_order", 1),
        ("out_of_order", 4),
    ]
    assert told(session)[0].endswith("asked for before step 0 look_up, not after it")
    with pytest.raises(DivergenceError, match="out_of_order"), replay(recorded):
        run()


def test_a_call_moved_past_others_is_the_one_that_is_named(look_up):
    """Not those it went past."""

    @agent
    def run() -> None:
        for word in words:
            look_up(word)

    words = ["a", "b", "c", "d"]
    run()
    words = ["b", "c", "d", "a"]
    with replay(newest(), strict=False) as session:
        run()

    (moved,) = session.report.divergences
    assert (moved.kind, moved.step) == ("out_of_order", 0)
    assert moved.reason == "asked for after step 1 look_up, not before it"


def test_tasks_have_no_order_among_them(look_up):
    """Inside one there is."""

    @tool
    async def slow(word: str) -> str:
        for _ in range(waits[word[0]]):
            await asyncio.sleep(0)
        return word

    @agent
    async def run() -> list[str]:
        async def branch(name: str) -> list[str]:
            for _ in range(waits[name]):
                await asyncio.sleep(0)
            return [await slow(name + number) for number in numbers[name]]

        return functools.reduce(
            operator.iadd, await asyncio.gather(branch("a"), branch("b")), []
        )

    waits, numbers = {"a": 0, "b": 3}, {"a": "12", "b": "12"}
    asyncio.run(run())
    recorded = newest()
    assert {each.lane for each in recorded.steps} == {0, 1}
    waits = {"a": 5, "b": 0}
    with replay(recorded) as session:
        asyncio.run(run())
    assert session.report.ok

    numbers = {"a": "12", "b": "21"}
    with replay(recorded, strict=False) as session:
        asyncio.run(run())

    assert [d.kind for d in session.report.divergences if d.step is not None] == [
        "out_of_order"
    ]


def test_ordered_looks_at_the_order_of_all(look_up):
    """Also at that of tasks."""

    @agent
    async def run() -> None:
        async def branch(name: str) -> None:
            look_up(name)

        await asyncio.gather(*map(branch, names))

    names = ["a", "b", "c"]
    asyncio.run(run())
    recorded = newest()
    names = ["b", "a", "c"]
    with replay(recorded, strict=True):
        asyncio.run(run())
    with replay(recorded, strict=False, match="ordered") as session:
        asyncio.run(run())

    assert [(d.kind, d.step) for d in session.report.divergences] == [
        ("out_of_order", 1)
    ]


def test_work_of_a_pool_has_a_lane_of_its_own(look_up):
    """The pool's threads are no lanes: which of them gets which work is chance."""

    @agent
    def run() -> list[str]:
        with ThreadPoolExecutor(1) as pool:
            return [*pool.map(look_up, words)]

    words = ["a", "b", "c"]
    first = run()
    recorded = newest()
    assert len({each.lane for each in recorded.steps}) == 3
    words = ["c", "b", "a"]
    with replay(recorded, strict=False) as session:
        assert run() == first[::-1]

    assert "out_of_order" not in {d.kind for d in session.report.divergences}


def test_a_call_inside_another_one_than_then(look_up):
    """It is told where it was recorded, and is not answered there."""

    @step
    def part() -> None:
        look_up("a")

    @agent
    def run() -> None:
        part()
        if outside:
            look_up("b")
        else:
            other()

    @step
    def other() -> None:
        look_up("b")

    outside = True
    run()
    recorded = newest()

    @agent(name="run")
    def moved() -> None:
        part()
        look_up("a")

    with (
        pytest.raises(
            DivergenceError,
            match=r"changed: look_up \(step 2\).*word: was 'b', now 'a'",
        ),
        replay(recorded) as session,
    ):
        moved()
    assert "asked for once more" not in str(session.report.divergences[0])

    @agent(name="run")
    def inside() -> None:
        look_up("a")

    with (
        pytest.raises(
            DivergenceError,
            match=r"out_of_order: look_up \(step 1\) in run: it was recorded inside part",
        ),
        replay(recorded),
    ):
        inside()


def test_order_is_looked_at_in_each_process(world):
    """What moved in a child is told by the process that opened the session."""

    @agent
    def run() -> int:
        done = subprocess.run([sys.executable, "child.py"], check=False)
        return done.returncode

    body = CHILD.replace('touch("touched")', "")
    Path("child.py").write_text(body + 'touch("a"); touch("b"); touch("c")')
    assert run() == 0
    recorded = newest()
    Path("child.py").write_text(body + 'touch("a"); touch("c"); touch("b")')
    with replay(recorded, strict=False) as session:
        run()

    assert [(each.kind, each.name) for each in session.report.divergences] == [
        ("out_of_order", "touch")
    ]
