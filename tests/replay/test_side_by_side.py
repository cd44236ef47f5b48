"""Equal calls of several tasks and threads get each their own answers."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from otel_agent_replay import agent, replay, resume, tool
from tests.replay.recorded import newest


def test_equal_calls_of_a_task_get_what_that_task_had(roll):
    """However the answers of several tasks were interleaved then."""

    @agent
    async def run() -> list[list[int]]:
        async def branch() -> list[int]:
            return [await roll(), await roll(), await roll()]

        return await asyncio.gather(branch(), branch(), branch())

    first = asyncio.run(run())
    assert first == [[1, 4, 7], [2, 5, 8], [3, 6, 9]]
    with replay(newest()) as session:
        assert asyncio.run(run()) == first

    assert session.report.ok
    (note,) = session.report.notes
    assert "roll was called with the same arguments side by side" in note
    assert "steps 0, 1, 2" in note


def test_equal_calls_of_threads_get_what_that_thread_had(world):
    """The first call of a thread says which it is."""

    @tool
    def name(thread: str) -> str:
        return thread

    @tool
    def tick() -> int:
        return world.tick()

    turns = [threading.Event() for _ in range(5)]

    def work(who: int, found: dict[str, list[int]]) -> None:
        name(str(who))
        got = []
        for turn in order[who]:
            assert turns[turn].wait(20)
            got.append(tick())
            turns[turn + 1].set()
        found[str(who)] = got

    @agent
    def run() -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        one, other = (threading.Thread(target=work, args=[n, found]) for n in (0, 1))
        one.start()
        other.start()
        turns[0].set()
        one.join()
        other.join()
        return dict(sorted(found.items()))

    order = [(0, 2), (1, 3)]
    first = run()
    assert first == {"0": [1, 3], "1": [2, 4]}
    for turn in turns:
        turn.clear()
    order = [(0, 1), (2, 3)]
    with replay(newest()) as session:
        assert run() == first

    assert session.report.notes == ()


@pytest.mark.parametrize("seed", range(25))
def test_tasks_get_their_own_answers_whatever_way_they_are_woven(world, seed):
    """And two calls that one of them swaps are named, and no other."""

    @tool
    async def ask(what: str) -> int:
        for _ in range(pauses.randrange(4)):
            await asyncio.sleep(0)
        return world.tick()

    @agent
    async def run() -> list[list[int]]:
        async def branch(words: list[str]) -> list[int]:
            return [await ask(word) for word in words]

        return await asyncio.gather(*map(branch, plan))

    made = random.Random(seed)  # noqa: S311 - to be repeated
    plan = [
        [f"task {number}", *made.choices("aab", k=made.randrange(1, 6)), "z"]
        for number in range(4)
    ]
    pauses = random.Random(seed + 1)  # noqa: S311 - to be repeated
    first = asyncio.run(run())
    recorded = newest()
    pauses = random.Random(seed + 2)  # noqa: S311 - to be repeated
    with replay(recorded) as session:
        assert asyncio.run(run()) == first
    assert session.report.ok

    plan[2][1:] = reversed(plan[2][1:])
    with replay(recorded, strict=False) as session:
        asyncio.run(run())
    assert {d.kind for d in session.report.divergences if d.step is not None} == {
        "out_of_order"
    }
    moved = {recorded.steps[d.step].lane for d in session.report.divergences if d.step}
    assert len(moved) == 1


def sharing(ask, items: int, pauses: random.Random):
    """Return an agent whose three workers share a queue."""

    @agent(name="sharing")
    async def run() -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        queue: asyncio.Queue[int] = asyncio.Queue()
        for item in range(items):
            queue.put_nowait(item)

        async def worker() -> None:
            while not queue.empty():
                item = str(queue.get_nowait())
                found[item] = []
                for word in (item, "same", "same"):
                    for _ in range(pauses.randrange(4)):
                        await asyncio.sleep(0)
                    found[item].append(await ask(word))

        await asyncio.gather(worker(), worker(), worker())
        return found

    return lambda: asyncio.run(run())


@pytest.mark.parametrize("match", ["strict", "by_arguments"])
@pytest.mark.parametrize("seed", range(10))
def test_workers_that_share_a_queue_may_take_up_what_another_did(world, seed, match):
    """The calls for an item keep together, whichever worker makes them."""

    @tool
    async def ask(word: str) -> int:
        return world.tick()

    first = sharing(ask, 8, random.Random(seed))()  # noqa: S311 - to be repeated
    other = random.Random(seed + 100)  # noqa: S311 - to be repeated
    with replay(newest(), match=match) as session:
        assert sharing(ask, 8, other)() == first

    assert (session.report.ok, session.report.notes) == (True, ())


@pytest.mark.parametrize("match", ["strict", "by_arguments"])
def test_calls_that_are_made_side_by_side_now_are_told(roll, match):
    """Which of the tasks gets which answer is chance, if one made them all then."""

    @agent(name="run")
    async def one_by_one() -> list[int]:
        return [await roll(), await roll()]

    @agent(name="run")
    async def together() -> list[int]:
        return await asyncio.gather(roll(), roll())

    first = asyncio.run(one_by_one())
    with replay(newest(), match=match) as session:
        assert asyncio.run(together()) == first

    (note,) = session.report.notes
    assert "roll was called with the same arguments side by side" in note
    assert "steps 0, 1" in note


@pytest.mark.parametrize("tells", [False, True])
def test_what_begins_alike_and_goes_on_otherwise_is_told(world, roll, tells):
    """Who is given the first answer is given what followed it, too."""

    @tool
    async def greet(name: str) -> str:
        return "hello"

    @agent
    async def run() -> list[int]:
        async def branch(name: str) -> int:
            await greet(name if tells else "anybody")
            return await roll()

        return await asyncio.gather(branch("a"), branch("b"))

    asyncio.run(run())
    with replay(newest()) as session:
        asyncio.run(run())

    told = [note for note in session.report.notes if "side by side" in note]
    assert len(told) == (0 if tells else 1)
    assert all("roll" in note and "steps 1, 3" in note for note in told)


def test_what_a_task_of_a_pool_leaves_to_its_thread_is_not_of_its_lane(world):
    """A work item that its thread goes on with is a lane of its own."""

    @tool
    def ask(word: str) -> int:
        return world.tick()

    @agent
    def run() -> list[list[int]]:
        free = threading.Event()

        def item(number: int) -> list[int]:
            if threads > 1 and number == 0:
                assert free.wait(20)
            found = [ask(f"item {number}"), ask("same")]
            if number == 1:
                free.set()
            return found

        def first() -> list[Future[list[int]]]:
            ask("first")
            return [pool.submit(item, number) for number in range(2)]

        with ThreadPoolExecutor(threads) as pool:
            return [each.result() for each in pool.submit(first).result()]

    threads = 1
    once = run()
    recorded = newest()
    assert len({each.lane for each in recorded.steps}) == 3
    threads = 2
    with replay(recorded) as session:
        assert run() == once

    assert (session.report.ok, session.report.notes) == (True, ())


def test_a_clock_that_was_set_back_swaps_no_answers(world):
    """What one lane asked for has the order in which it asked."""

    @tool
    def ask() -> int:
        return world.tick()

    @agent
    def run() -> list[int]:
        return [ask(), ask(), ask()]

    assert run() == [1, 2, 3]
    recorded = newest()
    one, two, three = recorded.steps
    turned = dataclasses.replace(
        recorded,
        steps=(
            dataclasses.replace(three, index=0),
            dataclasses.replace(one, index=1),
            dataclasses.replace(two, index=2),
        ),
    )
    with replay(turned) as session:
        assert run() == [1, 2, 3]

    assert session.report.ok


def test_what_a_killed_task_lost_is_not_taken_from_another(world):
    """A resume makes it again, though another one has an equal call left."""

    @tool
    async def ask(word: str) -> int:
        await asyncio.sleep(0)
        return world.tick()

    @agent
    async def run() -> list[list[int]]:
        async def branch(name: str) -> list[int]:
            return [await ask(name), await ask("same")]

        return await asyncio.gather(*map(branch, "abc"))

    assert asyncio.run(run()) == [[1, 4], [2, 5], [3, 6]]
    recorded = newest()
    a, b, c, _, *same = recorded.steps
    left = [dataclasses.replace(each, index=each.index - 1) for each in same]
    killed = dataclasses.replace(recorded, status="interrupted", steps=(a, b, c, *left))
    with resume(killed) as session:
        assert asyncio.run(run()) == [[1, 7], [2, 5], [3, 6]]

    assert session.report.live == ("ask",)

    killed = dataclasses.replace(killed, steps=(a, b, c, left[0]))
    with resume(killed) as session:
        asyncio.run(run())

    assert any("not its own" in note for note in session.report.notes)


@pytest.mark.parametrize("match", ["strict", "by_arguments"])
def test_what_one_worker_did_then_several_may_do_now(world, match):
    """By chance one of them may have taken all of a queue."""

    @tool
    async def ask(word: str) -> int:
        return world.tick()

    @agent
    async def run() -> list[list[int]]:
        found: list[list[int]] = [[], []]

        async def worker(items: list[int]) -> None:
            for item in items:
                found[item].append(await ask(f"item {item}"))
                await asyncio.sleep(0)
                found[item].append(await ask("same"))

        await asyncio.gather(*map(worker, queues))
        return found

    queues = [[0, 1], []]
    first = asyncio.run(run())
    queues = [[1], [0]]
    with replay(newest(), match=match, strict=False) as session:
        assert asyncio.run(run()) == first

    assert session.report.notes == ()


@pytest.mark.parametrize("match", ["strict", "by_arguments"])
def test_calls_inside_an_answered_one_are_for_nobody_else(world, match):
    """An equal call elsewhere gets its own answer, however early it is made."""

    @tool
    async def ask(word: str) -> int:
        await asyncio.sleep(0)
        return world.tick()

    @tool
    async def both() -> list[int]:
        return await asyncio.gather(ask("a"), ask("b"))

    @agent
    async def run() -> list[object]:
        return await asyncio.gather(both(), ask("a"), ask("b"))

    first = asyncio.run(run())
    with replay(newest(), match=match) as session:
        assert asyncio.run(run()) == first

    assert (session.report.ok, session.report.notes) == (True, ())
