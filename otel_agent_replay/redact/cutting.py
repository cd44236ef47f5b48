"""Where the parts of a request body stand that is one line of JSON. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from json import JSONDecoder
from typing import Final, NamedTuple

from otel_agent_replay.model.payload import JsonValue

__all__ = ["LISTS", "Sent", "UncutError", "elements", "list_in", "members"]

LISTS: Final = frozenset({"messages", "input", "contents"})
"""Names of the list that holds the conversation."""
_BLANKS: Final = re.compile(r"[ \t]*")
# No faster parser tells where a value ends.
_decode: Final = JSONDecoder().raw_decode


class UncutError(Exception):
    """The body is not one that can be cut."""


class Sent(NamedTuple):
    """An element as it was sent, with the comma before it; it begins at `at`."""

    text: str
    at: int
    value: JsonValue


class _Place(NamedTuple):
    """Where a member stands: its key, its value, its end."""

    start: int
    value: int
    end: int


def members(text: str) -> Iterator[_Place]:
    """Yield where the members of a JSON object stand; it must fill the text."""
    at = _skip(text, _after(text, 0, "{"))
    while True:
        value = _value_after(text, at)
        end = _end(text, value)
        yield _Place(at, value, end)
        at = _skip(text, end)
        if text[at : at + 1] == "}":
            break
        at = _skip(text, _after(text, at, ","))
    if _skip(text, at + 1) != len(text):
        raise UncutError


def _value_after(text: str, at: int) -> int:
    """Return where the value of a key begins."""
    if text[at : at + 1] != '"':
        raise UncutError
    return _skip(text, _after(text, _skip(text, _end(text, at)), ":"))


def list_in(text: str) -> int:
    """Return where the elements of the conversation begin."""
    at = _skip(text, _after(text, 0, "{"))
    while True:
        start, value = at, _value_after(text, at)
        if text[value : value + 1] == "[" and (
            text[start + 1 : text.index('"', start + 1)] in LISTS
        ):
            return value + 1
        at = _skip(text, _end(text, value))
        at = _skip(text, _after(text, at, ","))


def elements(text: str, *, whole: bool, first: bool = False) -> Iterator[Sent]:
    """Yield the objects of a list, each with the comma before it.

    They fill the text, or are followed by the list's end.
    """
    done = 0
    while True:
        at = _skip(text, done)
        if at == len(text) == done and whole:
            return
        if not whole and text[at : at + 1] == "]":
            return
        if not first:
            at = _skip(text, _after(text, at, ","))
        if text[at : at + 1] != "{":
            raise UncutError
        value, end = _value(text, at)
        yield Sent(text[done:end], at - done, value)
        done, first = end, False


def _after(text: str, at: int, sign: str) -> int:
    if text[at : at + 1] != sign:
        raise UncutError
    return at + 1


def _end(text: str, at: int) -> int:
    return _value(text, at)[1]


def _value(text: str, at: int) -> tuple[JsonValue, int]:
    """Return the value that begins somewhere, and where it ends."""
    try:
        return _decode(text, at)
    except (ValueError, StopIteration):
        raise UncutError from None


def _skip(text: str, at: int) -> int:
    blank = _BLANKS.match(text, at)
    return blank.end() if blank else at
