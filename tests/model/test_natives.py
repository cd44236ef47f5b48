"""Python values as JSON and back."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import math
import pathlib
import sys
import time
import typing
from collections import OrderedDict, UserString, defaultdict, deque
from types import MappingProxyType
from typing import Any, Generic, Literal, NamedTuple, TypedDict, TypeVar
from zoneinfo import ZoneInfo

import attrs
import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agent_replay.errors import ResultTypeError
from otel_agent_replay.model.natives import (
    awaited,
    from_json,
    to_json,
    what_is_awaited,
)
from otel_agent_replay.model.payload import dump_json, parse_json

T = TypeVar("T")


def stored(value: object) -> Any:
    """Return what a store gives back of a value."""
    return parse_json(dump_json(to_json(value)))


def round_trip(value: object, annotation: object = None) -> Any:
    return from_json(stored(value), annotation)


# --- every `$type` ---------------------------------------------------------------

# Deferred: what is written out in full where it is used is too long to be shown.
scalars = st.deferred(
    lambda: (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text()
        | st.text(st.characters(categories=["Cs", "L"]))
        | st.binary()
        | st.datetimes(timezones=st.none() | st.just(dt.UTC))
        | st.dates()
        | st.times()
        | st.timedeltas()
        | st.decimals(allow_nan=False)
        | st.uuids()
        | st.complex_numbers(allow_nan=False)
    )
)
hashables = st.deferred(
    lambda: (
        scalars | st.tuples(scalars, hashables) | st.frozensets(hashables, max_size=2)
    )
)
values = st.deferred(
    lambda: (
        scalars
        | st.lists(values, max_size=3)
        | st.tuples(values, values)
        | st.sets(hashables, max_size=3)
        | st.dictionaries(st.text() | st.just("$type"), values, max_size=3)
        | st.dictionaries(hashables, values, max_size=3)
    )
)


def alike(a: object, b: object) -> bool:
    """Return whether values and types are equal all the way down."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        pairs = zip(a.items(), b.items(), strict=True)
        return all(alike(x, y) and alike(v, w) for (x, v), (y, w) in pairs)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    return a == b


@given(values)
def test_values_survive_the_store(value):
    """What goes in comes out: value, type and order, all the way down."""
    assert alike(round_trip(value), value)


@given(values)
def test_equal_values_have_equal_json(value):
    """Whatever order a set has in this process."""
    if isinstance(value, set | frozenset):
        assert to_json(value) == to_json(type(value)(sorted(value, key=repr)))
    assert to_json(value) == to_json(value)


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        float("-inf"),
        decimal.Decimal("sNaN"),
        complex("nanj"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_number_survives_the_store(value):
    """These are no JSON, and not equal to themselves."""
    assert repr(round_trip(value)) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        2**63,
        -(2**63) - 1,
        2**6000,
        "\ud800 alone",
        {"$type": "tuple", "items": [1]},
        {"\udfff": 1},
        {2: "a", None: "b", True: "c", 2.5: "d", (1, (2,)): "e"},
        pathlib.Path("a/b"),
        dt.datetime(2026, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))),
        dt.timedelta(days=-1, microseconds=3),
        b"",
        [],
        set(),
        (),
    ],
    ids=lambda value: type(value).__name__,
)
def test_odd_values_survive_the_store(value):
    """Numbers beyond 64 bits, lone surrogates, keys that are no strings."""
    assert alike(round_trip(value), value)


def test_a_zone_becomes_its_offset():
    """The instant stays; the name of the zone is not kept."""
    value = dt.datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))

    back = round_trip(value)

    assert back == value
    assert back.utcoffset() == dt.timedelta(hours=2)


# --- subclasses ------------------------------------------------------------------


class Number(enum.IntEnum):
    ONE = 1


class Word(enum.StrEnum):
    HELLO = "hello"


class Bits(enum.Flag):
    READ = 1
    WRITE = 2


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise ValueError("never asked")


class Whole(int):
    def __int__(self) -> int:
        raise ValueError("never asked")


class Moment(dt.datetime):
    pass


class Chars(UserString):
    pass


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (collections.ChainMap({"a": 1}, {"b": 2}), {"b": 2, "a": 1}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (deque([1, 2]), [1, 2]),
        (range(3), [0, 1, 2]),
        ({"a": 1}.keys(), {"a"}),
        (bytearray(b"a"), b"a"),
        (memoryview(b"ab")[1:], b"b"),
        (Text("a"), "a"),
        (Whole(3), 3),
        (Chars("abc"), "abc"),
        (Moment(2026, 1, 2), dt.datetime(2026, 1, 2)),  # noqa: DTZ001
        (pathlib.PureWindowsPath("a"), pathlib.Path("a")),
        (np.float64(1.5), 1.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(1), True),
        (np.str_("a"), "a"),
        (np.float64("inf"), math.inf),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_subclass_is_kept_as_its_type(value, expected):
    """What a program asks of it is mostly what it asks of the type."""
    assert alike(round_trip(value), expected)


def test_enums_come_back_as_members():
    """A member of an integer or string enum is no integer or string."""
    assert round_trip(Number.ONE, Number) is Number.ONE
    assert round_trip([Word.HELLO], list[Word]) == [Word.HELLO]
    assert round_trip(Word.HELLO, Literal[Word.HELLO]) is Word.HELLO
    assert round_trip(Bits.READ | Bits.WRITE, Bits) == Bits.READ | Bits.WRITE
    assert round_trip({Number.ONE: "a"}, dict[Number, str]) == {Number.ONE: "a"}


# --- structured values -----------------------------------------------------------


class Point(NamedTuple):
    x: int
    y: int = 0


@dataclasses.dataclass
class Leaf:
    at: Point
    name: str = "leaf"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    leaves: list[Leaf]
    made: dt.datetime
    count: int = dataclasses.field(init=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", len(self.leaves))


class Base(pydantic.BaseModel):
    name: str


class Model(Base):
    model_config = pydantic.ConfigDict(extra="forbid")

    when: dt.datetime
    points: list[Point] = []
    odd: float = math.nan
    aliased: int = pydantic.Field(0, alias="otherName")

    @pydantic.computed_field
    @property
    def shout(self) -> str:
        return self.name.upper()


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


# --- what cannot be stored -------------------------------------------------------


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
    """Its paths outnumber all memory; it is unserialisable as a whole, soon."""
    graph: list[object] = [1]
    for _ in range(60):
        graph = [graph, graph]
    started = time.monotonic()

    assert to_json(graph) == {"$type": "unserialisable", "class": "builtins:list"}

    assert time.monotonic() - started < 20


def test_long_lists_are_no_graphs():
    """A million numbers, a hundred thousand rows."""
    numbers = [0.5] * 1_000_000
    rows = [{"a": 1}] * 100_000

    assert to_json(numbers) == numbers
    assert to_json(rows) == rows


# --- stored text is not trusted ----------------------------------------------------


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
        {"$type": "object", "class": f"{__name__}:Leaf", "value": {"other": 1}},
        {"$type": "object", "class": f"{__name__}:Leaf", "value": 3},
        {"$type": "object", "class": f"{__name__}:Number", "value": "TWO"},
        {"$type": "object", "class": f"{__name__}:Model", "value": {}},
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
