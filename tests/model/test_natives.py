"""Values of Python's own types survive the store."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import enum
import math
import pathlib
from collections import OrderedDict, UserString, defaultdict, deque
from types import MappingProxyType
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agent_replay.model.natives import (
    to_json,
)
from tests.model.native_values import Number, Word, alike, round_trip

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
