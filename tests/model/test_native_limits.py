"""What cannot be stored says so; what is stored is not trusted."""

from __future__ import annotations

import dataclasses
import pathlib
import sys
from typing import Any

import numpy as np
import pytest

from otel_agent_replay.errors import ResultTypeError
from otel_agent_replay.model.natives import (
    awaited,
    from_json,
    to_json,
    what_is_awaited,
)
from otel_agent_replay.model.payload import dump_json, parse_json
from tests.model.native_values import Leaf, Model, Number, round_trip, stored


class Hostile:
    """Raises whatever it is asked."""

    def __repr__(self) -> str:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def __hash__(self) -> int:
        return 1

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)


@dataclasses.dataclass
class Broken:
    """A dataclass that lost a field."""

    gone: int = dataclasses.field(init=False)


class HostileMapping(dict):
    def items(self):
        raise RuntimeError


class HostileModel:
    def model_dump(self, **_: object) -> object:
        raise RuntimeError


@pytest.mark.parametrize(
    "value",
    [
        object(),
        Hostile(),
        Broken(),
        HostileMapping(a=1),
        HostileModel(),
        lambda: None,
        (x for x in "abc"),
        Exception("no"),
        type,
        sys,
        np.datetime64("2026-01-01"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_stored_says_so(value):
    """It never raises, costs only its own place, and is named when it is asked for."""
    found = stored({"good": 1, "bad": [value]})

    assert found["good"] == 1
    assert found["bad"][0]["$type"] == "unserialisable"
    assert found["bad"][0]["class"].endswith(f":{type(value).__qualname__}")
    with pytest.raises(ResultTypeError, match="not serialisable"):
        from_json(found["bad"])


def test_nothing_is_used_up():
    """An iterator is left to the agent."""
    iterator = iter([1, 2])

    to_json([iterator])

    assert list(iterator) == [1, 2]


def test_no_reference_is_kept():
    """What is changed later was stored as it was."""
    value = {"a": [1], "b": {1, 2}}
    before = to_json(value)
    copy = parse_json(dump_json(before))

    value["a"].append(2)
    value["b"].clear()

    assert before == copy


def test_cycles_are_cut():
    """The rest of the value is kept; what is shared without a cycle is kept twice."""
    loop: list[object] = [1]
    loop.append(loop)
    shared = [1]

    assert stored(loop) == [1, {"$type": "unserialisable", "class": "builtins:list"}]
    assert stored([shared, shared]) == [[1], [1]]


def test_nesting_is_kept_to_a_depth_of_64():
    """Deeper parts are cut off, however deep they are."""
    deep: list[object] = []
    for _ in range(63):
        deep = [deep]
    assert round_trip(deep) == deep

    for _ in range(100_000):
        deep = [deep]
    text = dump_json(to_json(deep))
    assert text.count("[") == 64
    assert "unserialisable" in text


def test_a_graph_does_not_take_for_ever():
    """Its paths outnumber all memory; it is unserialisable as a whole."""
    graph: list[object] = [1]
    for _ in range(60):
        graph = [graph, graph]

    assert to_json(graph) == {"$type": "unserialisable", "class": "builtins:list"}


def test_long_lists_are_no_graphs():
    """A million numbers, a hundred thousand rows."""
    numbers = [0.5] * 1_000_000
    rows = [{"a": 1}] * 100_000

    assert to_json(numbers) == numbers
    assert to_json(rows) == rows


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "subprocess:Popen",
        "builtins:eval",
        "builtins:object",
        "antigravity:x",
    ],
)
@pytest.mark.parametrize("annotation", [None, Any, object, list[Leaf], dict])
def test_nothing_is_made_or_imported_by_a_stored_name(name, annotation):
    """Only the annotation says which classes there are."""
    value = {"$type": "object", "class": name, "value": {"args": "touch hacked"}}

    with pytest.raises(ResultTypeError):
        from_json(value, annotation)

    assert "antigravity" not in sys.modules
    assert [*pathlib.Path().iterdir()] == []


@pytest.mark.parametrize(
    "value",
    [
        {"$type": "datetime", "value": "never"},
        {"$type": "bytes", "base64": "!"},
        {"$type": "bytes"},
        {"$type": "tuple"},
        {"$type": "tuple", "items": 3},
        {"$type": "dict", "items": [[1]]},
        {"$type": "dict", "items": [[{"$type": "set", "items": []}, 1]]},
        {"$type": "set", "items": [[]]},
        {"$type": "timedelta", "value": "1 2 3 4 5 6 7 8 9"},
        {"$type": "int", "value": "x"},
        {"$type": ["list"], "items": []},
        {"$type": "no such type"},
        {"$type": None, "value": 1},
        {"$type": "object"},
        {"$type": "object", "class": f"{Leaf.__module__}:Leaf", "value": {"other": 1}},
        {"$type": "object", "class": f"{Leaf.__module__}:Leaf", "value": 3},
        {"$type": "object", "class": f"{Leaf.__module__}:Number", "value": "TWO"},
        {"$type": "object", "class": f"{Leaf.__module__}:Model", "value": {}},
        {
            "$type": "object",
            "class": "numpy:ndarray",
            "value": {"dtype": "O", "items": []},
        },
    ],
    ids=str,
)
def test_damaged_values_are_refused(value):
    """With the one error that the caller knows, and a text of what is wrong."""
    annotation = Leaf | Number | Model | np.ndarray
    if value == {"$type": None, "value": 1}:
        assert from_json(value) == value
        return
    with pytest.raises(ResultTypeError):
        from_json([value], annotation)


def test_a_stored_value_may_be_too_deep():
    """It ends in an error, not in a crash."""
    value: Any = []
    for _ in range(100_000):
        value = [value]

    with pytest.raises(ResultTypeError):
        from_json(value)


def test_awaited_values_are_marked():
    """And told from what only looks like it."""
    assert what_is_awaited(awaited(None)) == (None,)
    assert what_is_awaited(awaited([1])) == ([1],)
    assert what_is_awaited(stored({"$type": "awaitable", "value": 1})) is None
    assert what_is_awaited(3) is None
