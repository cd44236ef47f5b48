"""Agents on Trio: tasks keep their answers, and cancellations are the caller's."""

from __future__ import annotations

import pytest

from otel_agent_replay import agent, replay, tool
from otel_agent_replay.errors import RecordedError
from tests.replay.recorded import newest

trio = pytest.importorskip("trio", reason="Trio is not installed")
pytest.importorskip("trio.testing")


@pytest.fixture
def ask(world):
    """A read that takes a moment."""

    @tool
    async def ask(word: str) -> int:
        for _ in range(len(word) % 3):
            await trio.lowlevel.checkpoint()
        return world.tick()

    return ask


@pytest.fixture
def wait(world):
    """A read that never ends."""

    @tool
    async def wait(word: str) -> None:
        world.happened.append(word)
        await trio.sleep_forever()

    return wait


def test_tasks_get_their_own_answers_and_keep_their_order(ask):
    """As those of asyncio do."""

    @agent
    async def run() -> list[list[int]]:
        found: dict[int, list[int]] = {}

        async def branch(number: int) -> None:
            found[number] = []
            for word in (f"branch {number}", *words):
                found[number].append(await ask(word))

        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(branch, number)
        return [found[number] for number in range(4)]

    words = ["same", "same", "other"]
    first = trio.run(run)
    recorded = newest()
    assert len({each.lane for each in recorded.steps}) == 4
    with replay(recorded) as session:
        assert trio.run(run) == first
    assert (session.report.ok, session.report.notes) == (True, ())

    words = ["other", "same", "same"]
    with replay(recorded, strict=False) as session:
        trio.run(run)
    assert {each.kind for each in session.report.divergences} == {
        "out_of_order",
        "changed",
    }


def test_what_a_deadline_cut_off_waits_for_its_deadline(ask, wait, world):
    """Nothing else could be caught by the scope that it is for."""

    @agent
    async def run() -> list[object]:
        with trio.move_on_after(0.01) as scope:
            await wait("a")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, "b")
            found = await ask("c")
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        return [scope.cancelled_caught, found]

    assert trio.run(run) == [True, 1]
    with replay(newest()) as session:
        assert trio.run(run) == [True, 1]

    assert session.report.ok
    assert world.happened == ["a", "b"]


def test_a_run_that_was_cancelled_does_not_wait_for_ever(wait):
    """Trio alone can cancel, so what was cancelled raises what stands for that."""

    @agent
    async def run() -> None:
        await wait("a")

    async def cut_off() -> None:
        with trio.move_on_after(0.01):
            await run()

    trio.run(cut_off)
    with replay(newest()), pytest.raises(RecordedError, match="trio:Cancelled"):
        trio.run(run)
