"""Random agents as data: trees of calls, one after another, side by side, tried again.

Side by side is in tasks, in threads, or by workers that share a queue.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from itertools import count, pairwise
from typing import Any

from hypothesis import strategies as st

from otel_agent_replay import agent, tool


@dataclass(frozen=True)
class Ask:
    """A call; `number` is its own, so that any two differ in it."""

    number: int
    value: int = 0
    fails: bool = False
    name: str = "ask"


@dataclass(frozen=True)
class Group:
    """Parts, one after another or side by side, or inside a sub-agent.

    `tells`: whether each part begins with a call that no other part makes.
    """

    kind: str
    parts: tuple[Ask | Group, ...]
    number: int = 0
    tells: bool = False


Plan = Group


def plans() -> st.SearchStrategy[Plan]:
    """Give plans of up to some twenty calls."""
    numbers = count()
    asks = st.builds(
        lambda value, fails: Ask(next(numbers), value, fails),
        st.integers(0, 3),
        st.sampled_from([False, False, False, True]),
    )
    retries = st.builds(
        lambda tries: Group(
            "retry", tuple([Ask(next(numbers), 0, fails=True)] * tries)
        ),
        st.integers(1, 3),
    )
    parts = st.recursive(
        st.one_of(asks, asks, retries),
        lambda inner: st.builds(
            lambda kind, parts: Group(kind, tuple(parts), next(numbers)),
            st.sampled_from(["sequence", "parallel", "agent"]),
            st.lists(inner, min_size=1, max_size=4),
        ),
        max_leaves=20,
    )
    return st.builds(
        lambda found: Group("sequence", tuple(found)),
        st.lists(parts, min_size=2, max_size=5),
    )


def plans_of_equal_calls() -> st.SearchStrategy[Plan]:
    """Give plans of calls of which many are equal, some of them streams."""
    return st.booleans().flatmap(_equal_calls)


def _equal_calls(tells: bool) -> st.SearchStrategy[Plan]:  # noqa: FBT001 - drawn
    numbers = count(100)
    asks = st.builds(
        lambda number, name: Ask(number, name=name),
        st.integers(0, 5),
        st.sampled_from(["ask", "ask", "stream"]),
    )
    parts = st.recursive(
        asks,
        lambda inner: st.builds(
            lambda kind, parts: Group(kind, tuple(parts), next(numbers), tells),
            st.sampled_from(["sequence", "parallel", "threads", "workers", "agent"]),
            st.lists(inner, min_size=2, max_size=4),
        ),
        max_leaves=20,
    )
    return st.builds(
        lambda found: Group("sequence", tuple(found)),
        st.lists(parts, min_size=2, max_size=5),
    )


def asks_of(plan: Ask | Group) -> Iterator[Ask]:
    """Yield all calls of a plan, each as often as it is made."""
    if isinstance(plan, Ask):
        yield plan
    else:
        for part in plan.parts:
            yield from asks_of(part)


def changed(
    plan: Ask | Group, change: Callable[[Group, Ask, int], tuple[Ask, ...]], number: int
) -> Ask | Group:
    """Return a plan with the first call of a number replaced by others."""
    done = False

    def walk(group: Group) -> Group:
        nonlocal done
        parts: list[Ask | Group] = []
        for index, part in enumerate(group.parts):
            if isinstance(part, Group):
                parts.append(walk(part))
            elif part.number == number and not done:
                done = True
                parts.extend(change(group, part, index))
            else:
                parts.append(part)
        return replace(group, parts=tuple(parts))

    return walk(plan) if isinstance(plan, Group) else plan


def neighbours(plan: Ask | Group) -> Iterator[tuple[int, int]]:
    """Yield pairs of different calls that one sequence makes one after the other."""
    if isinstance(plan, Ask):
        return
    if plan.kind in {"sequence", "agent"}:
        for first, second in pairwise(plan.parts):
            if isinstance(first, Ask) and isinstance(second, Ask):
                yield first.number, second.number
    for part in plan.parts:
        yield from neighbours(part)


def swapped(plan: Ask | Group, pair: tuple[int, int]) -> Ask | Group:
    """Return a plan with two neighbours in the other order."""
    if isinstance(plan, Ask):
        return plan
    parts = [swapped(part, pair) for part in plan.parts]
    for index, (first, second) in enumerate(pairwise(parts)):
        both = isinstance(first, Ask) and isinstance(second, Ask)
        if both and (first.number, second.number) == pair:
            parts[index : index + 2] = [second, first]
            break
    return replace(plan, parts=tuple(parts))


class Actor:
    """Runs plans as an agent; each live call gives another answer.

    With a seed it makes pauses, by which tasks are woven in another way.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.live = 0
        self._chance = None if seed is None else random.Random(seed)  # noqa: S311 - to be repeated

        @tool
        async def ask(number: int, value: int, *, fails: bool) -> int:
            return await self._answer(number, fails=fails)

        @tool
        async def other(number: int, value: int, *, fails: bool) -> int:
            return await self._answer(number, fails=fails)

        @tool
        async def stream(number: int, value: int, *, fails: bool) -> AsyncIterator[int]:
            for _ in range(2):
                yield await self._answer(number, fails=fails)

        self._tools = {"ask": ask, "other": other}
        self._stream = stream

    async def _answer(self, number: int, *, fails: bool) -> int:
        self.live += 1
        await asyncio.sleep(0.001 * (number % 3))
        if fails:
            raise ValueError(number)
        return self.live

    def run(self, plan: Plan) -> list[object]:
        """Run a plan."""

        @agent(name="random")
        async def act() -> list[object]:
            return await self._run(plan)

        return asyncio.run(act())

    async def _run(self, group: Group) -> list[object]:
        named = [self._named(group, place) for place in range(len(group.parts))]
        if group.kind == "parallel":
            return list(await asyncio.gather(*(each() for each in named)))
        if group.kind == "threads":
            threads = (asyncio.to_thread(self._alone, each) for each in named)
            return list(await asyncio.gather(*threads))
        if group.kind == "workers":
            return await self._shared(group)
        return [await self._part(part) for part in group.parts]

    def _alone(self, part: Callable[[], Coroutine[Any, Any, object]]) -> object:
        return asyncio.run(part())

    def _named(
        self, group: Group, place: int
    ) -> Callable[[], Coroutine[Any, Any, object]]:
        """Return a part of a group; a call that no other part makes may come first."""

        async def run() -> object:
            if group.tells:
                await self._part(Ask(group.number * 10 + place))
            return await self._part(group.parts[place])

        return run

    async def _shared(self, group: Group) -> list[object]:
        found: list[object] = [None] * len(group.parts)
        queue = [*range(len(group.parts))]

        async def worker() -> None:
            while queue:
                place = queue.pop(0)
                found[place] = await self._named(group, place)()

        await asyncio.gather(worker(), worker())
        return found

    async def _part(self, part: Ask | Group) -> object:
        for _ in range(self._chance.randrange(4) if self._chance else 0):
            await asyncio.sleep(0)
        if isinstance(part, Group):
            if part.kind != "agent":
                return await self._run(part)

            @agent(name=f"sub-{part.number}")
            async def sub() -> list[object]:
                return await self._run(part)

            return await sub()
        if part.name == "stream":
            return [
                each
                async for each in self._stream(
                    part.number, part.value, fails=part.fails
                )
            ]
        try:
            return await self._tools[part.name](
                part.number, part.value, fails=part.fails
            )
        except ValueError as error:
            return f"failed: {error}"
