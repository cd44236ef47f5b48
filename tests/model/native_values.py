"""Values to store, and what comes back."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import math
from typing import Any, NamedTuple

import pydantic

from otel_agent_replay.model.natives import (
    from_json,
    to_json,
)
from otel_agent_replay.model.payload import dump_json, parse_json


def stored(value: object) -> Any:
    """Return what a store gives back of a value."""
    return parse_json(dump_json(to_json(value)))


def round_trip(value: object, annotation: object = None) -> Any:
    return from_json(stored(value), annotation)


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


class Number(enum.IntEnum):
    ONE = 1


class Word(enum.StrEnum):
    HELLO = "hello"


class Point(NamedTuple):
    x: int
    y: int = 0


@dataclasses.dataclass
class Leaf:
    at: Point
    name: str = "leaf"


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
