"""What a decorated function returns, awaits and gives to be awaited."""

from __future__ import annotations

import asyncio
import inspect
import types
from collections.abc import Awaitable, Iterator

import pytest

from otel_agent_replay import tool
from otel_agent_replay.errors import ResultTypeError
from tests.instrument.tape import answered, recorded
from tests.instrument.wrapped import BoomError, Page


def test_results_come_back_as_the_annotated_class():
    """Also out of other collections."""

    @tool
    def search(word: str) -> dict[str, list[Page]]:
        return {word: [Page(word)]}

    with recorded() as tape:
        search("a")
    with answered(tape):
        assert search("a") == {"a": [Page("a")]}


def test_a_result_that_cannot_be_had_ends_its_call_with_that():
    """So that whoever answers hears of it."""

    @tool
    def search():
        return Page("a")

    with recorded() as tape:
        search()
    with answered(tape) as player, pytest.raises(ResultTypeError, match="Annotate"):
        search()

    assert player.outcomes[0].error.type_name.endswith(":ResultTypeError")


@tool
def passes_on(word: str) -> Awaitable[str]:
    return _passed_on(word)


async def _passed_on(word: str) -> str:
    await asyncio.sleep(0)
    if word == "bad":
        raise BoomError(word)
    return inside(word)


@tool
def inside(word: str) -> str:
    return word.upper()


async def test_what_a_plain_function_returns_to_be_awaited():
    """It is recorded when it has come, and must be awaited again."""
    with recorded() as tape:
        assert await passes_on("a") == "A"
        with pytest.raises(BoomError):
            await passes_on("bad")

    assert [each.inside for each in tape.entries] == [None, "passes_on", None]
    with answered(tape):
        awaitable = passes_on("a")
        assert inspect.isawaitable(awaitable)
        assert await awaitable == "A"
        del tape.entries[1]
    with answered(tape):
        assert await asyncio.gather(
            passes_on("a"), passes_on("bad"), return_exceptions=True
        ) == ["A", BoomErrorLike("bad")]


class BoomErrorLike:
    """Equals an error with the same text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BoomError) and str(other) == self.text

    __hash__ = None


async def test_a_future_is_returned_itself():
    """It can be cancelled and asked, and is recorded when it is done."""
    tasks: list[asyncio.Task] = []

    @tool
    def start(word: str) -> asyncio.Task[str]:
        tasks.append(asyncio.create_task(_passed_on(word)))
        return tasks[-1]

    with recorded() as tape:
        started = [start("a"), start("bad"), start("c")]
        assert started == tasks
        started[2].cancel()
        await asyncio.gather(*started, return_exceptions=True)
        await asyncio.sleep(0)

    values = [each.outcome for each in tape.entries if each.call.name == "start"]
    assert values[0].value == {"$type": "awaitable", "value": "A"}
    assert values[1].error.message == "bad"
    assert values[2].error.type_name == "asyncio.exceptions:CancelledError"


async def test_what_is_more_than_awaitable_is_left_alone():
    """Nothing could stand for it."""

    class Request:
        def __await__(self):
            return _passed_on("a").__await__()

        async def __aenter__(self) -> str:
            return "entered"

        async def __aexit__(self, *_: object) -> None: ...

    @tool
    def request() -> Request:
        return Request()

    with recorded() as tape:
        async with request() as found:
            assert found == "entered"

    assert tape.only.outcome.value["$type"] == "unserialisable"


async def test_coroutines_made_of_generators():
    """`types.coroutine` gives what is awaited, not iterated over."""

    @tool
    @types.coroutine
    def old() -> Iterator[None]:
        yield
        return "old"

    with recorded() as tape:
        assert await old() == "old"
    with answered(tape):
        assert await old() == "old"


async def test_an_awaitable_thrown_away_is_an_error_of_its_caller():
    """It is closed where it waits, in whatever context; the call ends."""
    with recorded() as tape:
        coroutine = tool(_waits)()
        coroutine.send(None)
        coroutine.close()

    assert tape.only.outcome.error.type_name == "builtins:GeneratorExit"


async def _waits() -> None:
    await asyncio.Event().wait()
