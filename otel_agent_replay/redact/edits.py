"""Replacements inside a text: made once, carried to wherever the text stands."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

__all__ = [
    "ByteEdit",
    "Edit",
    "Edits",
    "applied",
    "byte_edits",
    "difference",
    "distributed",
    "moved",
    "shifted",
    "spliced",
]


class Edit(NamedTuple):
    """`text` takes the place of the characters from `start` to `end`."""

    start: int
    end: int
    text: str


Edits: TypeAlias = tuple[Edit, ...]
"""Edits of one text, in order, not overlapping."""


class ByteEdit(NamedTuple):
    """`content` takes the place of the bytes from `start` to `end`."""

    start: int
    end: int
    content: bytes


def applied(text: str, edits: Sequence[Edit]) -> str:
    """Return the text with its edits made."""
    if not edits:
        return text
    pieces: list[str] = []
    done = 0
    for edit in edits:
        pieces += (text[done : edit.start], edit.text)
        done = edit.end
    pieces.append(text[done:])
    return "".join(pieces)


def spliced(content: bytes, edits: Sequence[ByteEdit]) -> bytes:
    """Return the bytes with their edits made."""
    if not edits:
        return content
    pieces: list[bytes] = []
    done = 0
    for edit in edits:
        pieces += (content[done : edit.start], edit.content)
        done = edit.end
    pieces.append(content[done:])
    return b"".join(pieces)


def shifted(edits: Iterable[Edit], by: int) -> Edits:
    """Return the edits of a text for a longer text that it stands in at `by`."""
    return tuple(Edit(start + by, end + by, text) for start, end, text in edits)


def difference(old: str, new: str) -> Edits:
    """Return the one edit that makes `new` out of `old`, as small as can be."""
    if old == new:
        return ()
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    return (Edit(head, len(old) - tail, new[head : len(new) - tail]),)


def _common(one: str, other: str) -> int:
    """Return the length of the common beginning."""
    least, most = 0, min(len(one), len(other))
    while least < most:
        middle = (least + most + 1) // 2
        if one[:middle] == other[:middle]:
            least = middle
        else:
            most = middle - 1
    return least


def distributed(edits: Sequence[Edit], lengths: Sequence[int]) -> list[Edits]:
    """Return the edits of a joined text as edits of each of its pieces.

    A replacement goes to the piece where its secret starts; what the secret
    takes of later pieces vanishes.
    """
    found: list[list[Edit]] = [[] for _ in lengths]
    ends: list[int] = []
    total = 0
    for length in lengths:
        total += length
        ends.append(total)
    for edit in edits:
        piece = bisect_left(ends, edit.start + 1)
        text = edit.text
        at = edit.start
        while at < edit.end:
            begin = ends[piece] - lengths[piece]
            stop = min(edit.end, ends[piece])
            if stop > at:
                found[piece].append(Edit(at - begin, stop - begin, text))
                text = ""
            at, piece = stop, piece + 1
    return [tuple(each) for each in found]


def byte_edits(text: str, edits: Sequence[Edit], encoding: str) -> list[ByteEdit]:
    """Return edits of a text as edits of its encoded bytes."""
    found: list[ByteEdit] = []
    done = at = 0
    for edit in edits:
        at += len(text[done : edit.start].encode(encoding))
        size = len(text[edit.start : edit.end].encode(encoding))
        # Only a user's own function can bring characters that do not fit.
        content = edit.text.encode(encoding, "replace")
        found.append(ByteEdit(at, at + size, content))
        at, done = at + size, edit.end
    return found


def moved(offsets: Iterable[int], edits: Sequence[ByteEdit]) -> list[int]:
    """Return where ascending offsets are after the edits.

    One inside a secret moves to the end of what stands for it.
    """
    found: list[int] = []
    shift = number = 0
    for offset in offsets:
        while number < len(edits) and edits[number].end <= offset:
            edit = edits[number]
            shift += len(edit.content) - (edit.end - edit.start)
            number += 1
        inside = number < len(edits) and edits[number].start < offset
        if inside:
            edit = edits[number]
            found.append(edit.start + shift + len(edit.content))
        else:
            found.append(offset + shift)
    return found
