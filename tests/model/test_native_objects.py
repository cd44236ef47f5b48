"""Dataclasses, models, arrays and the like: back as the annotated class."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import typing
from typing import Generic, TypedDict, TypeVar

import attrs
import numpy as np
import pydantic
import pytest

from otel_agent_replay.errors import ResultTypeError
from otel_agent_replay.model.natives import (
    from_json,
)
from tests.model.native_values import (
    Base,
    Leaf,
    Model,
    Point,
    Word,
    alike,
    round_trip,
    stored,
)

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    leaves: list[Leaf]
    made: dt.datetime
    count: int = dataclasses.field(init=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", len(self.leaves))


class Names(pydantic.RootModel[list[str]]):
    pass


class Box(pydantic.BaseModel, Generic[T]):
    held: T


@dataclasses.dataclass
class Held(Generic[T]):
    held: T


@attrs.define
class Attrs:
    x: int
    _hidden: str
    later: int = attrs.field(init=False, default=1)


class Typed(TypedDict):
    leaf: Leaf


LEAF = Leaf(Point(1, 2))


TREE = Tree(leaves=[LEAF], made=dt.datetime(2026, 1, 2, tzinfo=dt.UTC))


MODEL = Model(name="m", when=TREE.made, points=[Point(1)], otherName=7, odd=1.5)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (Point(1, 2), Point),
        (LEAF, Leaf),
        (TREE, Tree),
        ([TREE, None], list[Tree | None]),
        ({"a": (TREE,)}, dict[str, tuple[Tree, ...]]),
        ({LEAF.at: {LEAF.at}}, dict[Point, set[Point]]),
        (TREE, typing.Annotated[Tree, "with a note"]),
        (TREE, typing.Optional["Tree"]),
        (MODEL, Model),
        (Names(["a", "b"]), Names),
        (Box[int](held=3), Box[int]),
        (Held("a"), Held[str]),
        (Held(LEAF), Held[Leaf]),
        (Attrs(1, "h"), Attrs),
        (Typed(leaf=LEAF), Typed),
    ],
    ids=lambda value: str(value)[:40],
)
def test_objects_come_back_as_the_annotated_class(value, annotation):
    """With all their fields, those that no constructor takes included."""

    def function() -> annotation: ...

    function.__annotations__["return"] = annotation
    hint = typing.get_type_hints(function, include_extras=True)["return"]
    back = round_trip(value, hint)

    assert alike(back, value)
    assert back == value


def test_a_subclass_of_the_annotated_class_comes_back():
    """A function that says it returns a base may return any of its kind."""
    back = round_trip([MODEL], list[Base])

    assert back == [MODEL]
    assert type(back[0]) is Model


@pytest.mark.parametrize("module", ["__main__", "__mp_main__"])
def test_a_script_is_one_module_run_or_imported(module):
    """Its classes come back either way; those of other modules do not."""
    value = stored(LEAF)
    value["class"] = f"{module}:Leaf"
    assert from_json(value, Leaf | Point) == LEAF

    value["class"] = "other:Leaf"
    with pytest.raises(ResultTypeError):
        from_json(value, Leaf | Point)


def test_what_a_model_computes_is_not_stored():
    """It would be refused when the model is made again."""
    assert "shout" not in stored(MODEL)["value"]


def test_arrays_come_back_where_they_are_annotated():
    """With type and shape; equal content has equal JSON."""
    array = np.array([[1.5, math.nan], [3, 4]], dtype=np.float32)

    back = round_trip(array, np.ndarray)

    assert back.dtype == array.dtype
    assert np.array_equal(back, array, equal_nan=True)
    assert stored(array) != stored(array[:1])
    assert stored(np.array([object()]))["$type"] == "unserialisable"


def test_classes_may_be_those_of_another_value():
    """As a changed state is like the state it changes."""
    state = {"trees": [TREE], "word": Word.HELLO, "model": MODEL}

    assert from_json(stored(state), like=state) == state
    with pytest.raises(ResultTypeError):
        from_json(stored(state), like={"trees": []})
