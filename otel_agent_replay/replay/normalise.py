"""What changes by nature from run to run, and values with marks in its place.

Off by default: a call that is matched with one of these is matched although it
differs, so a report lists each such place.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from otel_agent_replay.model.payload import JsonValue

__all__ = ["NORMALISERS", "Found", "normalised", "where_normalised"]

_MONTH: Final = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DAY: Final = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_ZONE: Final = r"(?:Z|GMT|UTC|[+-]\d{2}:?\d{2})"
_TIMESTAMP: Final = (
    # ISO 8601, with a time
    r"(?<![\dT])\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?"
    rf"(?: ?{_ZONE})?(?![\d:])"
    # RFC 2822
    rf"|\b(?:{_DAY}, )?\d{{1,2}} {_MONTH} \d{{4}} \d{{2}}:\d{{2}}(?::\d{{2}})?"
    rf"(?: {_ZONE})?(?![\d:])"
)
_UUID: Final = (
    r"(?<![\w-])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![\w-])"
)
_ID_PREFIX: Final = (
    "(?:req|request|call|chatcmpl|cmpl|msg|resp|toolu|srvtoolu|tooluse|fc|rs|run"
    "|thread|trace|evt|gen)"
)
_REQUEST_ID: Final = (
    rf"(?<![\w-]){_ID_PREFIX}[_-](?=[A-Za-z]*\d)[A-Za-z0-9]{{10,}}(?![\w-])"
)
_TEMP: Final = (
    r"(?:(?:/private)?/var/folders/\w{1,4}/[\w.-]{1,64}/T|/var/tmp|/tmp"
    r"|[A-Za-z]:\\Users\\[^\\/\s]{1,64}\\AppData\\Local\\Temp)"
)
_RANDOM_NAME: Final = (
    r"(?:tmp[a-z0-9_]{8}|tmp\.[A-Za-z0-9]{10}"  # of tempfile, of mktemp
    r"|pytest-of-[\w.-]{1,64}[\\/]pytest-\d{1,9}"
    r"|[\w.-]{0,64}[-_.](?=[a-z_]*\d)(?=[0-9_]*[a-z])[a-z0-9_]{8})"  # with a prefix
)
_TEMP_PATH: Final = rf"(?<![\w/\\]){_TEMP}[\\/]{_RANDOM_NAME}(?![\w-])"

NORMALISERS: Final = {
    "temp_paths": _TEMP_PATH,
    "timestamps": _TIMESTAMP,
    "uuids": _UUID,
    "request_ids": _REQUEST_ID,
}
"""Patterns by name; what may hold others comes before them. Whole numbers of a time
of ours are timestamps too."""

_YEARS: Final = (1_420_070_400, 2_208_988_800)  # 2015 to 2040
_UNITS: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_LONGEST: Final = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A place in a value that was replaced: where, by which normaliser, and what."""

    path: str
    normaliser: str
    text: str


def normalised(
    value: JsonValue, names: Collection[str]
) -> tuple[JsonValue, tuple[Found, ...]]:
    """Return a value with marks for what changes by nature, and what was replaced.

    Equal texts get equal marks and different ones different marks, numbered as they
    first appear when the members of each object are taken by name; so values that are
    told apart inside a call still are.
    """
    names = [name for name in NORMALISERS if name in names]
    if not names:
        return value, ()
    walk = _Walk(names)
    return walk.value(value, ""), tuple(walk.found)


def where_normalised(
    expected: Collection[Found], actual: Collection[Found]
) -> tuple[Found, ...]:
    """Return the places that differ between two values that became equal."""
    return tuple(
        now for then, now in zip(expected, actual, strict=True) if then.text != now.text
    )


class _Walk:
    """Walks one value and keeps what it replaced."""

    def __init__(self, names: Collection[str]) -> None:
        self._timestamps = "timestamps" in names
        patterns = (f"(?P<{name}>{NORMALISERS[name]})" for name in names)
        self._pattern = re.compile("|".join(patterns))
        self._marks: dict[tuple[str, str], str] = {}
        self.found: list[Found] = []

    def value(self, value: JsonValue, path: str) -> JsonValue:
        if isinstance(value, dict):
            return {
                key: self.value(value[key], f"{path}.{key}" if path else key)
                for key in sorted(value)
            }
        if isinstance(value, list):
            return [self.value(item, f"{path}[{i}]") for i, item in enumerate(value)]
        if isinstance(value, str):
            return self._text(value, path)
        unit = self._unix_time(value)
        if unit is None:
            return value
        return self._mark(f"timestamps {unit}", repr(value), path)

    def _text(self, text: str, path: str) -> str:
        if len(text) <= _LONGEST and text.isascii() and text.isdecimal():
            unit = self._unix_time(int(text))
            if unit is not None:
                return self._mark(f"timestamps digits {unit}", text, path)
        return self._pattern.sub(
            lambda match: self._mark(str(match.lastgroup), match[0], path), text
        )

    def _unix_time(self, value: JsonValue) -> str | None:
        """Return the unit of a number that is a time of ours, None for any other."""
        if not self._timestamps or isinstance(value, bool):
            return None
        if not isinstance(value, int | float):
            return None
        least, most = _YEARS
        return next(
            (u for u, scale in _UNITS.items() if least * scale <= value < most * scale),
            None,
        )

    def _mark(self, kind: str, text: str, path: str) -> str:
        number = len(self._marks) + 1
        mark = self._marks.setdefault((kind, text), f"\0{kind} {number}\0")
        self.found.append(
            Found(path=path, normaliser=kind.partition(" ")[0], text=text)
        )
        return mark
