"""The arguments of a decorated function, as they are recorded."""

from __future__ import annotations

import asyncio

import pytest

from otel_agent_replay import tool
from tests.instrument.tape import recorded
from tests.instrument.wrapped import (
    BoomError,
    Page,
    double,
    inputs_of,
    later,
    plain,
)


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
