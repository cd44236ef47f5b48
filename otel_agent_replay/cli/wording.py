"""Figures, times and values as short text for people."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

from otel_agent_replay.cli.plain import clean_line
from otel_agent_replay.model.payload import JsonValue, dump_json

__all__ = [
    "count",
    "duration",
    "money",
    "short",
    "short_id",
    "short_json",
    "size",
    "when",
]

NOTHING: Final = "-"
_ID: Final = 8
_SECOND: Final = 1_000_000_000
_LONG: Final = 120.0


def short_id(run_id: str) -> str:
    """Return the first letters of an id: enough to tell the runs of a store apart.

    An id comes from a file that anyone may have written.
    """
    return clean_line(run_id[:_ID])


def duration(nanoseconds: float | None) -> str:
    """Return a duration with its unit."""
    if nanoseconds is None:
        return NOTHING
    seconds = nanoseconds / _SECOND
    if seconds >= _LONG:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def money(dollars: float | None) -> str:
    """Return US dollars: cents, or the first two digits of what is less."""
    if dollars is None:
        return NOTHING
    if dollars == 0 or dollars >= 1:
        return f"${dollars:.2f}"
    return f"${dollars:.{1 - math.floor(math.log10(abs(dollars)))}f}"


def when(nanoseconds: int) -> str:
    """Return a moment in local time."""
    moment = datetime.fromtimestamp(nanoseconds / _SECOND, tz=UTC).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def count(number: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def size(number: int) -> str:
    """Return a number of bytes with its unit."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if number >= unit:
            return f"{number / unit:.1f} {name}"
    return f"{number} B"


def short(content: str, limit: int) -> str:
    """Return a text cut to a length."""
    return content if len(content) <= limit else f"{content[: limit - 1]}…"


def short_json(value: JsonValue, limit: int) -> str:
    """Return a value on one line: text as it is, anything else as JSON."""
    if isinstance(value, str):
        return short(" ".join(value.split()), limit)
    return short("" if value is None else dump_json(value), limit)
