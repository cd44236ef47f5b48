"""What can be decorated: methods, objects, partials; and what cannot."""

from __future__ import annotations

import asyncio
import functools
import inspect

import pytest

from otel_agent_replay import agent, memory, retrieval, step, tool
from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.instrument.wrapping import wrap_tool
from tests.instrument.tape import answered, recorded
from tests.instrument.wrapped import Page, Shop, inputs_of, plain


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
