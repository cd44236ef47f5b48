"""The clock: `time`, and what `datetime` makes of it."""

from __future__ import annotations

import datetime as dt
import functools
import logging
import sys
from collections.abc import Callable
from time import struct_time
from types import FrameType, ModuleType
from typing import Any, Final, TypeVar

from otel_agent_replay.errors import ResultTypeError
from otel_agent_replay.instrument.effects.reading import (
    Read,
    asked_by,
    read,
    standing_time,
)
from otel_agent_replay.instrument.effects.swapping import set_on_type, swap
from otel_agent_replay.instrument.effects.values import (
    json_as,
    json_float,
    json_int,
    number_json,
)
from otel_agent_replay.model.payload import JsonValue

__all__ = ["install"]

T = TypeVar("T")

_LOGGER: Final = logging.getLogger("otel_agent_replay")
_SECOND: Final = 1_000_000_000
_FLOATS: Final = ("time", "monotonic", "perf_counter")
_WHOLE: Final = ("time_ns", "monotonic_ns", "perf_counter_ns")
_WALL: Final = frozenset({"time", "time_ns"})
_OF_NOW: Final = {"localtime": 0, "gmtime": 0, "ctime": 0, "asctime": 0, "strftime": 1}
"""What takes the time of now unless it is given one, as the argument at this place."""


def install(time: ModuleType) -> dict[int, tuple[Any, Any]]:
    """Take reads of the clock; return the functions that were replaced."""
    swapped: dict[int, tuple[Any, Any]] = {}
    local, text = time.localtime, time.asctime
    for name in _FLOATS:
        swapped |= swap(time, name, _reader(name, getattr(time, name), json_float))
    for name in _WHOLE:
        swapped |= swap(time, name, _reader(name, getattr(time, name), json_int))
    for name, place in _OF_NOW.items():
        function = getattr(time, name)
        moment = time.gmtime if name == "gmtime" else local
        written = {"ctime": text, "asctime": text, "strftime": function}.get(name)
        swapped |= swap(time, name, _of_now(function, place, moment, written))
    try:
        _patch_datetime()
    except (TypeError, AttributeError, ImportError):  # not CPython
        _LOGGER.warning(
            "This Python does not let `datetime` be changed: what it reads of the "
            "clock is not recorded. Use `time.time()`.",
        )
    return swapped


def _seen(
    name: str,
    frame: FrameType | None,
    live: Callable[[], T],
    codec: tuple[Callable[[T], JsonValue], Callable[[JsonValue], T]],
    standing: Callable[[int], T] | None,
) -> T:
    """Return a reading: on the seam if it is taken, else of the clock that stands."""
    place = asked_by("clock", frame)
    if place is not None:
        what = Read(kind="clock", name=name, place=place, inputs={})
        return read(what, live, *codec)
    at = standing_time(frame) if standing is not None else None
    return live() if at is None or standing is None else standing(at)


def _reader(
    name: str, original: Callable[[], T], load: Callable[[JsonValue], T]
) -> Callable[[], T]:
    codec: Any = (number_json, load)
    standing: Callable[[int], Any] | None = None
    if name in _WALL:
        standing = int if name.endswith("_ns") else _seconds

    @functools.wraps(original)
    def clock() -> T:
        frame = sys._getframe(1)  # noqa: SLF001 - whose code reads decides
        found: T = _seen(f"time.{name}", frame, original, codec, standing)
        return found

    return clock


def _seconds(at_ns: int) -> float:
    return at_ns / _SECOND


def _of_now(
    original: Callable[..., Any],
    place: int,
    moment: Callable[..., struct_time],
    written: Callable[..., str] | None,
) -> Callable[..., Any]:
    """Return a function of now; what is read is the time in its zone, as it stood."""
    of_none = original.__name__ not in {"asctime", "strftime"}

    def load(value: JsonValue) -> struct_time:
        if not isinstance(value, list):  # seconds: it was recorded by an older version
            return moment(json_float(value))
        try:
            return struct_time(value)
        except (TypeError, ValueError) as error:
            raise ResultTypeError("struct_time", str(error)) from error

    def standing(at_ns: int) -> struct_time:
        return moment(_seconds(at_ns))

    @functools.wraps(original)
    def of_now(*args: Any) -> Any:
        if len(args) != place and not (args[place:] == (None,) and of_none):
            return original(*args)
        frame = sys._getframe(1)  # noqa: SLF001 - whose code reads decides
        name = f"time.{original.__name__}"
        found = _seen(name, frame, moment, (_parts, load), standing)
        return found if written is None else written(*args[:place], found)

    return of_now


def _parts(found: struct_time) -> JsonValue:
    return [*found, found.tm_zone, found.tm_gmtoff]


# --- datetime ----------------------------------------------------------------------


def _patch_datetime() -> None:
    moment, day = dt.datetime, dt.date
    set_on_type(moment, "now", classmethod(_now(vars(moment)["now"])))
    set_on_type(moment, "utcnow", classmethod(_utcnow(vars(moment)["utcnow"])))
    set_on_type(day, "today", classmethod(_today(vars(day)["today"])))


def _now(original: Any) -> Callable[..., Any]:
    def now(cls: type, tz: dt.tzinfo | None = None) -> Any:
        """Return the current local date and time, or that of a time zone."""

        def live() -> Any:
            return original.__get__(None, cls)(tz)

        def load(value: JsonValue) -> Any:
            return _moment(cls, value, tz)

        def standing(at: int) -> Any:
            return _at(cls, at, tz)

        frame = sys._getframe(1)  # noqa: SLF001 - whose code reads decides
        return _seen("datetime.now", frame, live, (_written, load), standing)

    return now


def _utcnow(original: Any) -> Callable[..., Any]:
    def utcnow(cls: type) -> Any:
        """Return the current date and time in UTC, without a time zone."""

        def load(value: JsonValue) -> Any:
            return _moment(cls, value, None)

        def standing(at: int) -> Any:
            return _at(cls, at, dt.UTC).replace(tzinfo=None)

        frame = sys._getframe(1)  # noqa: SLF001 - whose code reads decides
        live = original.__get__(None, cls)
        return _seen("datetime.utcnow", frame, live, (_written, load), standing)

    return utcnow


def _today(original: Any) -> Callable[..., Any]:
    def today(cls: Any) -> Any:
        """Return the current local date."""

        def load(value: JsonValue) -> Any:
            if issubclass(cls, dt.datetime):
                return _moment(cls, value, None)
            return json_as("date", cls.fromisoformat, value)

        def standing(at: int) -> Any:
            return _at(cls, at, None)

        frame = sys._getframe(1)  # noqa: SLF001 - whose code reads decides
        live = original.__get__(None, cls)
        return _seen("date.today", frame, live, (_written, load), standing)

    return today


def _at(cls: Any, at_ns: int, tz: dt.tzinfo | None) -> Any:
    """Return a moment of a class; `fromtimestamp` alone would round a float."""
    seconds, rest = divmod(at_ns, _SECOND)
    if not issubclass(cls, dt.datetime):
        return cls.fromtimestamp(seconds)
    return cls.fromtimestamp(seconds, tz).replace(microsecond=rest // 1000)


def _written(value: Any) -> JsonValue:
    """Return date and time as they stand; the zone is what the caller asks for."""
    if not isinstance(value, dt.datetime):
        text: str = value.isoformat()
        return text
    fold = " fold" if value.fold else ""
    return value.replace(tzinfo=None).isoformat() + fold


def _moment(cls: Any, value: JsonValue, tz: dt.tzinfo | None) -> Any:
    def made(text: str) -> Any:
        plain, _, fold = text.partition(" ")
        found = cls.fromisoformat(plain)
        return found.replace(tzinfo=tz, fold=1 if fold else 0)

    return json_as("datetime", made, value)
