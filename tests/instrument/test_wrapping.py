"""A decorated function behaves as the bare one."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
import typing
from collections.abc import AsyncIterator, Iterator

import pytest

from otel_agent_replay import agent, memory, retrieval, step, tool
from tests.instrument.tape import answered, recorded
from tests.instrument.wrapped import BoomError, double, later, plain


class StopError(BaseException):
    """What is no `Exception`."""


def pieces(a: int) -> Iterator[int]:
    yield from range(a)


async def pieces_later(a: int) -> AsyncIterator[int]:
    for number in range(a):
        yield number


KINDS = [
    (plain, inspect.isfunction),
    (later, inspect.iscoroutinefunction),
    (pieces, inspect.isgeneratorfunction),
    (pieces_later, inspect.isasyncgenfunction),
]


@pytest.mark.parametrize(("function", "is_kind"), KINDS)
@pytest.mark.parametrize("decorate", [tool, tool(), agent, step, retrieval, memory])
def test_a_decorated_function_looks_like_the_bare_one(function, is_kind, decorate):
    """Name, text, signature, annotations, module, and what sort of function it is."""
    decorated = decorate(function)

    assert decorated is not function
    assert decorated.__wrapped__ is function
    assert inspect.signature(decorated) == inspect.signature(function)
    assert typing.get_type_hints(decorated) == typing.get_type_hints(function)
    for name in ("__name__", "__qualname__", "__doc__", "__module__"):
        assert getattr(decorated, name) == getattr(function, name)
    for fits in [kind for _, kind in KINDS]:
        assert fits(decorated) is fits(function)
    assert is_kind(decorated)
    assert asyncio.iscoroutinefunction(decorated) is asyncio.iscoroutinefunction(
        function
    )


async def test_nothing_on_the_seam_changes_nothing():
    """The bare function runs."""
    assert tool(plain)(1, 2, 3, c=4, d=5) == [1, 2, 3, 4, 5]
    assert await tool(later)(1) == 1
    assert list(tool(pieces)(2)) == [0, 1]
    assert [item async for item in tool(pieces_later)(2)] == [0, 1]


def test_a_decorated_function_can_be_pickled_and_copied():
    """As processes need it."""
    assert pickle.loads(pickle.dumps(double)) is double  # noqa: S301
    assert copy.deepcopy(double) is double


def test_marks_of_other_decorators_stay():
    """What they put on a function is on the decorated one too."""

    def marked() -> None: ...

    marked.schema = {"type": "object"}

    assert tool(marked).schema == {"type": "object"}


@pytest.mark.parametrize(
    "error", [BoomError("no"), StopError("no"), KeyboardInterrupt("no")]
)
def test_exceptions_leave_as_they_came(error):
    """The very same object; recorded, and raised again in its place."""

    @tool
    def fails() -> None:
        raise error

    @tool
    async def fails_later() -> None:
        raise error

    with recorded() as tape:
        for call in (fails, lambda: asyncio.run(fails_later())):
            with pytest.raises(type(error)) as raised:
                call()
            assert raised.value is error

    with answered(tape), pytest.raises(type(error), match="no"):
        fails()


def test_recursion_nests():
    """Each call is inside the one that made it."""

    @tool
    def countdown(number: int) -> int:
        return countdown(number - 1) if number else 0

    with recorded() as tape:
        countdown(2)

    assert tape.inputs == [{"number": 2}, {"number": 1}, {"number": 0}]
    assert [each.inside for each in tape.entries] == [None, "countdown", "countdown"]


async def test_a_cancelled_tool_is_recorded_as_that():
    """With the very exception."""
    started = asyncio.Event()

    @tool
    async def waits() -> None:
        started.set()
        await asyncio.Event().wait()

    with recorded() as tape:
        task = asyncio.create_task(waits())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert tape.only.outcome.error.type_name == "asyncio.exceptions:CancelledError"


async def test_an_answered_tool_waits_to_be_cancelled_again():
    """The cancellation was the caller's doing, and is again: the winner stays first."""

    @tool
    async def slow() -> str:
        await asyncio.Event().wait()
        return "never"

    @tool
    async def fast() -> str:
        await asyncio.sleep(0)
        return "first"

    async def race() -> str:
        tasks = [asyncio.create_task(slow()), asyncio.create_task(fast())]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        (winner,) = done
        return await winner

    with recorded() as tape:
        assert await race() == "first"
    with answered(tape) as player:
        assert await asyncio.wait_for(race(), 20) == "first"

    assert len(player.outcomes) == 2
