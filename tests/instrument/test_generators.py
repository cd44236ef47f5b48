"""Generators and async generators on the seam: both ways, to whatever end."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
from collections.abc import AsyncIterator, Iterator

import pytest

from otel_agent_replay import tool
from otel_agent_replay.errors import RecordedStreamEndedError
from tests.instrument.tape import answered, recorded


class BoomError(Exception):
    """What goes wrong."""


@tool
def inside(word: str) -> str:
    return word.upper()


def pieces(a: int) -> Iterator[int]:
    yield from range(a)


async def pieces_later(a: int) -> AsyncIterator[int]:
    for number in range(a):
        yield number


# --- generators ----------------------------------------------------------------------


@tool
def conversation(start: int) -> Iterator[int]:
    """Says what it hears; may be told to stop; says how it was."""
    heard = start
    inside("at start")
    while True:
        try:
            said = yield heard
        except BoomError as error:
            heard = f"caught {error}"
            continue
        finally:
            inside("at each")
        if said is None:
            return f"ended after {heard}"
        heard = said


def test_a_generator_hears_what_it_is_sent():
    """`send`, `throw`, and the value at the end."""

    def drive(generator) -> list[object]:
        found = [next(generator), generator.send(2), generator.throw(BoomError("x"))]
        try:
            next(generator)
        except StopIteration as stop:
            found.append(stop.value)
        return found

    expected = [1, 2, "caught x", "ended after caught x"]
    assert drive(conversation(1)) == expected
    with recorded() as tape:
        assert drive(conversation(1)) == expected

    assert tape.entries[0].outcome.items == (1, 2, "caught x")
    assert tape.entries[0].outcome.value == "ended after caught x"
    assert {each.inside for each in tape.entries[1:]} == {"conversation"}
    with answered(tape):
        generator = conversation(1)
        assert [next(generator), generator.send(2), next(generator)] == expected[:3]
        with pytest.raises(StopIteration) as stop:
            next(generator)
    assert stop.value.value == expected[3]


def test_yield_from_passes_through():
    """A generator may delegate to a tool."""

    def outer():
        return (yield from conversation(1))

    with recorded():
        generator = outer()
        next(generator)
        assert generator.send(5) == 5
        with pytest.raises(StopIteration) as stop:
            next(generator)

    assert stop.value.value == "ended after 5"


@pytest.mark.parametrize("how", ["close", "drop", "break"])
def test_an_abandoned_generator(how):
    """It is cleaned up inside its call, and recorded with what had come."""
    with recorded() as tape:
        generator = conversation(1)
        next(generator)
        if how == "close":
            generator.close()
        elif how == "drop":
            del generator
        else:
            for _ in generator:
                break
            del generator
        gc.collect()

    outcome = tape.entries[0].outcome
    if how == "break":
        assert outcome.items == (1,)
        assert outcome.value == "ended after 1"
        return
    assert (outcome.ended, outcome.items) == ("abandoned", (1,))
    assert tape.entries[-1].call.inputs == {"word": "at each"}
    assert tape.entries[-1].inside == "conversation"


def test_reading_on_where_the_recorded_caller_stopped():
    """What would follow is not known: it is never ended early in silence."""
    with recorded() as tape:
        generator = tool(pieces)(3)
        next(generator)
        generator.close()

    with answered(tape) as same:
        generator = tool(pieces)(3)
        assert next(generator) == 0
        generator.close()
    with answered(tape) as further, pytest.raises(RecordedStreamEndedError):
        list(tool(pieces)(3))

    assert same.outcomes[0].ended == "abandoned"
    assert same.outcomes[0].error is None
    assert further.outcomes[0].error.type_name.endswith(":RecordedStreamEndedError")


def test_an_answered_generator_says_how_far_it_was_read():
    """And how it was left."""
    with recorded() as tape:
        list(tool(pieces)(3))

    with answered(tape) as closed:
        generator = tool(pieces)(3)
        next(generator)
        generator.close()
    with answered(tape) as thrown:
        generator = tool(pieces)(3)
        next(generator)
        with pytest.raises(BoomError):
            generator.throw(BoomError())

    assert closed.outcomes[0].items == (0,)
    assert closed.outcomes[0].ended == "abandoned"
    assert thrown.outcomes[0].error.type_name.endswith(":BoomError")


def test_a_generator_that_fails():
    """Its items come first, then its exception, both times."""

    @tool
    def fails(count: int) -> Iterator[int]:
        yield from range(count)
        raise BoomError(count)

    with recorded() as tape:
        for count in (0, 2):
            with pytest.raises(BoomError):
                list(fails(count))

    assert [each.ended for each in tape.outcomes] == ["complete", "failed"]
    with answered(tape):
        for count in (0, 2):
            generator = fails(count)
            assert [next(generator) for _ in range(count)] == [*range(count)]
            with pytest.raises(BoomError, match=str(count)):
                next(generator)


def test_a_generator_that_does_not_let_go():
    """Its misbehaviour is its own."""

    @tool
    def stubborn() -> Iterator[int]:
        with contextlib.suppress(GeneratorExit):
            yield 1
        yield 2

    with recorded() as tape:
        generator = stubborn()
        next(generator)
        with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
            generator.close()

    assert tape.only.outcome.error.type_name == "builtins:RuntimeError"


def test_a_plain_function_that_returns_a_generator():
    """It is recorded while it is read, and read again in its place."""

    @tool
    def make(count: int) -> Iterator[int]:
        return pieces(count)

    with recorded() as tape:
        assert list(make(2)) == [0, 1]
        unread = make(3)
        del unread
        gc.collect()

    assert [each.items for each in tape.outcomes] == [(0, 1), ()]
    with answered(tape):
        assert list(make(2)) == [0, 1]


def test_a_change_stands_for_the_items():
    """A fork gives a generator a list."""
    with recorded() as tape:
        list(tool(pieces)(2))
    tape.only.outcome = dataclasses.replace(tape.only.outcome, items=None, value=[7, 8])

    with answered(tape):
        assert list(tool(pieces)(2)) == [7, 8]


# --- async generators ----------------------------------------------------------------


@tool
async def talk(start: int) -> AsyncIterator[int]:
    """Says what it hears; may be told to stop."""
    heard: object = start
    while True:
        try:
            said = yield heard
        except BoomError as error:
            heard = f"caught {error}"
            continue
        finally:
            await asyncio.sleep(0)
            inside("at each")
        if said is None:
            return
        heard = said


async def test_an_async_generator_hears_what_it_is_sent():
    """`asend` and `athrow`."""

    async def drive(generator) -> list[object]:
        found = [
            await anext(generator),
            await generator.asend(2),
            await generator.athrow(BoomError("x")),
        ]
        return found + [item async for item in generator]

    expected = [1, 2, "caught x"]
    assert await drive(talk(1)) == expected
    with recorded() as tape:
        assert await drive(talk(1)) == expected

    assert tape.entries[0].outcome.items == (1, 2, "caught x")
    assert {each.inside for each in tape.entries[1:]} == {"talk"}
    with answered(tape):
        assert [item async for item in talk(1)] == expected


async def test_an_abandoned_async_generator():
    """It is cleaned up inside its call, and recorded with what had come."""
    with recorded() as tape:
        generator = talk(1)
        await anext(generator)
        await generator.aclose()

    assert tape.entries[0].outcome.ended == "abandoned"
    assert tape.entries[0].outcome.items == (1,)
    assert tape.entries[1].inside == "talk"
    with answered(tape):
        generator = talk(1)
        assert await anext(generator) == 1
        with pytest.raises(RecordedStreamEndedError):
            await anext(generator)


async def test_a_dropped_async_generator():
    """The loop closes it, in a task of its own; the call ends."""
    with recorded() as tape:
        generator = talk(1)
        await anext(generator)
        del generator
        gc.collect()
        while tape.entries[0].outcome is None:  # noqa: ASYNC110 - the loop's own doing
            await asyncio.sleep(0)

    assert tape.entries[0].outcome.ended == "abandoned"


async def test_an_async_generator_cancelled_while_it_waits():
    """It hears of it at once; answered, it gives its items and waits to be cancelled."""
    waiting = asyncio.Event()
    cleaned: list[str] = []

    @tool
    async def slow() -> AsyncIterator[int]:
        try:
            yield 1
            waiting.set()
            await asyncio.Event().wait()
            yield 2
        finally:
            cleaned.append("up")

    async def read(found: list[int]) -> None:
        async for item in slow():
            found.append(item)
            waiting.set() if cleaned else None

    async def cancelled_read() -> list[int]:
        found: list[int] = []
        task = asyncio.create_task(read(found))
        await waiting.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return found

    with recorded() as tape:
        assert await cancelled_read() == [1]
    assert cleaned == ["up"]
    assert tape.only.outcome.items == (1,)
    waiting.clear()
    with answered(tape):
        assert await asyncio.wait_for(cancelled_read(), 20) == [1]


async def test_an_async_generator_that_fails():
    """Its items come first, then its exception, both times."""

    @tool
    async def fails() -> AsyncIterator[int]:
        yield 1
        raise BoomError

    with recorded() as tape, pytest.raises(BoomError):
        [item async for item in fails()]
    with answered(tape):
        generator = fails()
        assert await anext(generator) == 1
        with pytest.raises(BoomError):
            await anext(generator)


async def test_a_function_that_returns_an_async_generator():
    """Plain or async, as a client's `create(stream=True)` does."""

    @tool
    def make() -> AsyncIterator[int]:
        return pieces_later(2)

    @tool
    async def create() -> AsyncIterator[int]:
        return pieces_later(3)

    async def read() -> list[list[int]]:
        first = [item async for item in make()]
        return [first, [item async for item in await create()]]

    with recorded() as tape:
        expected = await read()
    assert expected == [[0, 1], [0, 1, 2]]
    assert [each.items for each in tape.outcomes] == [(0, 1), (0, 1, 2)]
    with answered(tape) as player:
        assert await read() == expected
    assert player.outcomes == tape.outcomes
