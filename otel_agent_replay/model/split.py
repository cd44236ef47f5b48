"""A payload text cut where its parts repeat from step to step. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise
from json import JSONDecoder
from typing import Final

__all__ = ["SMALL", "joined", "split"]

SMALL: Final = 128
"""Characters below which a piece is joined to small neighbours."""

_JOINED: Final = 512
_MAX_DEPTH: Final = 4
_MAX_CUTS: Final = 50_000
_BLANK: Final = re.compile(r"[ \t\n\r]*")
# Only offsets are wanted, so this parser's values are thrown away; it is the one
# in the standard library that says where a value ends.
_decode: Final = JSONDecoder().raw_decode


def split(text: str) -> list[str]:
    """Return the text in pieces that, joined, give exactly the text.

    JSON is cut at the elements of arrays and around the members of objects nested
    up to four deep; small pieces stay together. A cut depends only on what stands
    before it and on the piece after it, so an array that grows keeps its earlier
    pieces. From where a text is no JSON any more, the rest is one piece.
    """
    cuts = [0]
    # Any set of cuts is lossless, so those found before an error stay.
    with suppress(ValueError, IndexError, RecursionError, _EnoughError):
        _value(text, _skip(text, 0), 0, cuts)
    if cuts[-1] != len(text):
        cuts.append(len(text))
    return joined(text[start:end] for start, end in pairwise(cuts) if start < end)


class _EnoughError(Exception):
    """The text has more parts than are worth cutting."""


def joined(pieces: Iterable[str]) -> list[str]:
    """Let big pieces stand alone and join runs of small ones."""
    result: list[str] = []
    pending: list[str] = []
    size = 0
    for piece in pieces:
        if pending and (size >= _JOINED or max(len(piece), len(pending[-1])) >= SMALL):
            result.append("".join(pending))
            pending, size = [], 0
        pending.append(piece)
        size += len(piece)
    if pending:
        result.append("".join(pending))
    return result


def _value(text: str, start: int, depth: int, cuts: list[int]) -> int:
    """Add the cuts of a value; return where it ends, which is the last cut."""
    first = text[start]
    if first == "[":
        end = _array(text, start, cuts)
    elif first == "{" and depth < _MAX_DEPTH:
        end = _object(text, start, depth, cuts)
    else:
        end = _decode(text, start)[1]
    return _cut(cuts, end)


def _array(text: str, start: int, cuts: list[int]) -> int:
    """Cut before each element; its comma belongs to the element that follows."""
    at = _skip(text, _cut(cuts, start + 1))
    while text[at] != "]":
        at = _skip(text, _cut(cuts, _decode(text, at)[1]))
        if text[at] == ",":
            at = _skip(text, at + 1)
    return at + 1


def _object(text: str, start: int, depth: int, cuts: list[int]) -> int:
    """Cut around each member's value, and inside it."""
    at = _skip(text, start + 1)
    while text[at] != "}":
        colon = _skip(text, _decode(text, at)[1])
        at = _cut(cuts, _skip(text, colon + 1))
        at = _skip(text, _value(text, at, depth + 1, cuts))
        if text[at] == ",":
            at = _skip(text, at + 1)
    return at + 1


def _cut(cuts: list[int], at: int) -> int:
    if len(cuts) >= _MAX_CUTS:
        raise _EnoughError
    cuts.append(at)
    return at


def _skip(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at
