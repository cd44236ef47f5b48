"""Which code runs in one lane: one task, thread, or work item of a pool."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

from otel_agent_replay.lanes import here


def test_a_thread_is_a_lane():
    """Another one is another, also where it got the context of the first."""
    found = [here(), here()]
    context = contextvars.copy_context()

    def other() -> None:
        found.extend([context.run(here), context.run(here)])

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()

    assert found[0] is found[1]
    assert found[2] is found[3]
    assert found[0] is not found[2]
    assert here() is found[0]


def test_a_task_is_a_lane():
    """Through its awaits; what it starts is another."""

    async def part() -> list[object]:
        first = here()
        await asyncio.sleep(0)
        return [first, here(), await inner()]

    async def inner() -> object:
        return here()

    async def main() -> list[list[object]]:
        own = [here(), here(), here()]
        return [own, *await asyncio.gather(part(), part()), await part()]

    lanes = asyncio.run(main())

    assert all(len(set(map(id, each))) == 1 for each in lanes)
    assert lanes[3][0] is lanes[0][0]
    assert len({id(each[0]) for each in lanes}) == 3
    assert here() is not lanes[0][0]


def test_work_given_to_a_pool_with_its_context_is_a_lane():
    """Although one thread does it all."""

    def submit(pool: ThreadPoolExecutor) -> object:
        return pool.submit(contextvars.copy_context().run, here).result()

    with ThreadPoolExecutor(1) as pool:
        own, lanes = here(), [submit(pool), submit(pool)]

    assert len({id(each) for each in (own, *lanes)}) == 3


def test_a_task_that_is_gone_lends_its_lane_to_nobody():
    """What it has started is never taken for it."""

    async def child() -> object:
        return here()

    async def parent() -> tuple[object, asyncio.Task[object]]:
        return here(), asyncio.ensure_future(child())

    async def main() -> list[object]:
        found = []
        for _ in range(20):
            own, task = await asyncio.ensure_future(parent())
            found += [own, await task]
        return found

    lanes = asyncio.run(main())

    assert len({id(each) for each in lanes}) == len(lanes) == 40
