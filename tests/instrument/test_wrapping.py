"""Decorated functions: as the bare ones, recorded, and answered."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import functools
import inspect
import pickle
import types
import typing
from collections.abc import AsyncIterator, Awaitable, Iterator

import pytest

from otel_agent_replay import agent, memory, retrieval, step, tool
from otel_agent_replay.errors import ConfigurationError, ResultTypeError
from otel_agent_replay.instrument.wrapping import wrap_tool
from tests.instrument.tape import answered, recorded


class BoomError(Exception):
    """What goes wrong."""


class StopError(BaseException):
    """What is no `Exception`."""


@dataclasses.dataclass
class Page:
    title: str


# --- as the bare function ----------------------------------------------------------


def plain(a: int, /, b: int = 2, *more: int, c: int = 3, **rest: int) -> list[int]:
    """Adds nothing up."""
    return [a, b, *more, c, *rest.values()]


async def later(a: int) -> int:
    return a


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


@tool
def double(number: int) -> int:
    return 2 * number


def test_marks_of_other_decorators_stay():
    """What they put on a function is on the decorated one too."""

    def marked() -> None: ...

    marked.schema = {"type": "object"}

    assert tool(marked).schema == {"type": "object"}


# --- arguments -----------------------------------------------------------------------


def inputs_of(function, *args, **kwargs):
    with recorded() as tape:
        function(*args, **kwargs)
    return tape.only.call.inputs


def test_arguments_stand_under_their_names():
    """Defaults included, whichever way they were given."""
    decorated = tool(plain)

    assert inputs_of(decorated, 1) == {"a": 1, "b": 2, "more": [], "c": 3}
    assert inputs_of(decorated, 1, 5, 6, 7, c=8, d=9) == {
        "a": 1,
        "b": 5,
        "more": [6, 7],
        "c": 8,
        "d": 9,
    }
    assert inputs_of(decorated, 1, b=5) == inputs_of(decorated, 1, 5)


def test_different_calls_never_look_the_same():
    """A keyword may be called like a positional parameter, or like `rest` itself."""
    decorated = tool(plain)

    found = [
        inputs_of(decorated, 1),
        inputs_of(decorated, 1, a=2),
        inputs_of(decorated, 1, rest=2),
        inputs_of(decorated, 1, more=2),
        inputs_of(decorated, 1, rest=2, a=3),
    ]

    assert all(found.count(each) == 1 for each in found)
    assert found[1] == {"a": 1, "b": 2, "more": [], "c": 3, "rest": {"a": 2}}


def test_keywords_called_like_the_receiver_are_arguments():
    """`self` is nothing special in a dictionary of keywords."""

    class Shop:
        @tool
        def look(self, /, **rest: int) -> None: ...

    assert inputs_of(Shop().look, self=1) == {"rest": {"self": 1}}


def test_wrong_arguments_fail_as_they_do():
    """The function says what is wrong; the call is recorded as it was made."""
    with recorded() as tape, pytest.raises(TypeError, match="unexpected keyword"):
        double(number=1, other=2)
    with recorded(), pytest.raises(TypeError, match="missing 1 required"):
        asyncio.run(tool(later)())

    assert tape.only.call.inputs == {"args": [], "kwargs": {"number": 1, "other": 2}}
    assert tape.only.outcome.error.type_name == "builtins:TypeError"


def test_arguments_are_those_of_the_call():
    """What the function does to them later is not recorded."""

    @tool
    def change(items: list[int], page: Page) -> list[int]:
        items.append(3)
        page.title = "changed"
        return items

    with recorded() as tape:
        result = change(items := [1, 2], Page("as it was"))
        items.append(4)

    assert result is items
    assert tape.only.call.inputs["items"] == [1, 2]
    assert tape.only.call.inputs["page"]["value"] == {"title": "as it was"}
    assert tape.only.outcome.value == [1, 2, 3]


class Hostile:
    """Raises whatever it is asked."""

    def __repr__(self) -> str:
        raise BoomError

    def __eq__(self, other: object) -> bool:
        raise BoomError

    def __hash__(self) -> int:
        raise BoomError

    def __reduce_ex__(self, protocol: object) -> tuple:
        raise BoomError


def test_arguments_that_cannot_be_recorded_break_nothing():
    """They and results are recorded as such: hostile, endless, or large."""
    loop: list[object] = []
    loop.append(loop)
    identity = tool(lambda *args: args)

    with recorded() as tape:
        result = identity(hostile := Hostile(), loop, "x" * 10_000_000)

    assert result[0] is hostile
    assert tape.only.call.inputs["args"][0]["$type"] == "unserialisable"
    assert tape.only.call.inputs["args"][1][0]["$type"] == "unserialisable"
    assert len(tape.only.call.inputs["args"][2]) == 10_000_000


# --- methods and other callables -----------------------------------------------------


class Shop:
    """Methods of every kind, decorated in either order."""

    def __init__(self, name: str) -> None:
        self.name = name

    @tool
    def look(self, word: str) -> str:
        return f"{self.name} {word}"

    @classmethod
    @tool
    def inner_class(cls, word: str) -> str:
        return f"{cls.__name__} {word}"

    @tool
    @classmethod
    def outer_class(cls, word: str) -> str:
        return f"{cls.__name__} {word}"

    @staticmethod
    @tool
    def inner_static(word: str) -> str:
        return word

    @tool
    @staticmethod
    def outer_static(word: str) -> str:
        return word

    @tool
    @staticmethod
    async def static_later(word: str) -> str:
        return word

    @property
    @tool
    def title(self) -> str:
        return self.name.title()


class Better(Shop):
    def look(self, word: str) -> str:
        return super().look(word).upper()


def test_methods_leave_out_whose_they_are():
    """And get it, whatever the order of decorators."""
    shop = Shop("shop")
    with recorded() as tape:
        found = [
            shop.look("a"),
            Shop.look(shop, "a"),
            Better("b").look("a"),
            shop.inner_class("a"),
            Shop.outer_class("a"),
            Better.outer_class("a"),
            shop.inner_static("a"),
            shop.outer_static("a"),
            Shop.outer_static("a"),
        ]

    assert found == [
        "shop a",
        "shop a",
        "B A",
        "Shop a",
        "Shop a",
        "Better a",
        "a",
        "a",
        "a",
    ]
    assert tape.inputs == [{"word": "a"}] * 9
    assert tape.entries[4].call.name == "outer_class"


def test_methods_of_other_kinds():
    """An async static method, and a property."""
    with recorded() as tape:
        assert asyncio.run(Shop.static_later("a")) == "a"
        assert Shop("shop").title == "Shop"

    assert inspect.iscoroutinefunction(Shop.static_later)
    assert tape.inputs == [{"word": "a"}, {}]


def test_cls_may_be_an_argument():
    """Outside a class it is a name like any other."""

    @tool
    def classify(cls: str) -> str:
        return cls

    assert inputs_of(classify, "a") == {"cls": "a"}


class Searcher:
    """An object that can be called."""

    def __call__(self, word: str) -> str:
        return word


class LaterSearcher:
    """An object whose call must be awaited."""

    async def __call__(self, word: str) -> Page:
        return Page(word)


def test_objects_partials_and_built_in_functions():
    """Whatever can be called can be a tool."""
    partial = tool(functools.partial(plain, 1, c=5))
    with recorded() as tape:
        assert tool(Searcher())("a") == "a"
        assert asyncio.run(tool(LaterSearcher())("a")) == Page("a")
        assert partial(7) == [1, 7, 5]
        assert tool(len)([1]) == 1
        assert tool(max)(1, 2) == 2
        assert tool([3, 1, 2].index)(1) == 1

    names = [each.call.name for each in tape.entries]
    assert names == ["Searcher", "LaterSearcher", "plain", "len", "max", "index"]
    assert tape.inputs[:4] == [
        {"word": "a"},
        {"word": "a"},
        {"b": 7, "more": [], "c": 5},
        {"obj": [1]},
    ]
    with answered(tape):
        assert tool(Searcher())("a") == "a"
        assert asyncio.run(tool(LaterSearcher())("a")) == Page("a")


@pytest.mark.parametrize("decorate", [tool, agent, step, retrieval, memory])
@pytest.mark.parametrize(
    "thing",
    [Page, "look_up", 3, property(lambda _: 1)],
    ids=["class", "text", "number", "property"],
)
def test_what_is_no_function_is_refused(decorate, thing):
    """At once, with what to do."""
    with pytest.raises(ConfigurationError, match=r"class|function|property"):
        decorate(thing)


def test_wrong_effects_and_operations_are_refused():
    """At once, with what is allowed."""
    with pytest.raises(ConfigurationError, match="neither 'read' nor 'write'"):
        tool(effect="delete")(plain)
    with pytest.raises(ConfigurationError, match="search_memory"):
        memory(operation="forget")


def test_a_function_is_put_on_the_seam_once():
    """A tool that is named in the settings too is recorded once."""
    decorated = tool(plain)

    @functools.wraps(decorated)
    def retried(*args: int) -> list[int]:
        return decorated(*args)

    assert wrap_tool(decorated, "write") is decorated
    assert wrap_tool(retried, "write") is retried


# --- exceptions and recursion --------------------------------------------------------


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


# --- results -------------------------------------------------------------------------


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
