"""Edits of JSON text, placed so that every byte around them stays as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from otel_agent_replay.model.payload import JsonValue, dump_json, parse_json
from otel_agent_replay.redact.edits import Edit, Edits

__all__ = [
    "Written",
    "has_twin_keys",
    "parse_twins",
    "strings_at",
    "text_edits_in",
    "token_edits",
]

_LEAF: Final = re.compile(
    r'"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*|true|false|null|NaN|-?Infinity',
)
_STRING: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')
_ODD_KEY_ENDS: Final = ('" :', '"\n:', '"\r:', '"\t:', '\\\\":')
"""Ends of a key that a search for `":` misses, or takes for the inside of a string."""
_ESCAPE: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\u[0-9a-fA-F]{4}|\\.",
    re.DOTALL,
)
"""How one character of a string is written, where not as itself."""
_WINDOW: Final = 512
_BLANKS: Final = 32
_BACKSLASH: Final = 0x5C


def token_edits(text: str, changes: Mapping[int, Edits | str]) -> Edits:
    """Return edits of a JSON text from the changes of its leaves.

    Leaves are keys and scalars, counted in document order.
    """
    made: list[Edit] = []
    last = max(changes)
    for number, leaf in enumerate(_LEAF.finditer(text)):
        change = changes.get(number)
        if isinstance(change, str):
            made.append(Edit(leaf.start(), leaf.end(), change))
        elif change is not None:
            raw = leaf.group()[1:-1]
            made += _inside(raw, _decoded(raw), leaf.start() + 1, change)
        if number == last:
            break
    return tuple(made)


class Written(NamedTuple):
    """A string of a JSON text.

    Attributes:
        start: Where what is between its quotes begins.
        raw: What is between its quotes.
        text: What it says.
    """

    start: int
    raw: str
    text: str

    def edits(self, changes: Edits) -> list[Edit]:
        """Return edits of what the string says as edits of the JSON text."""
        return _inside(self.raw, self.text, self.start, changes)


def strings_at(text: str, places: Iterable[int]) -> Iterator[Written]:
    """Yield the strings of a JSON text that stand at places of its UTF-8, in order."""
    raw = text.encode("utf-8", "surrogatepass")
    is_ascii = len(raw) == len(text)
    end = characters = measured = 0
    for place in sorted(places):
        if place < end:
            continue
        quote = _quote_before(raw, place)
        if not _opens(raw, quote):
            continue
        start = quote + 1
        end = _quote_after(raw, start)
        if is_ascii:
            inside = text[start:end]
            yield Written(start, inside, _decoded(inside))
            continue
        characters += len(raw[measured:start].decode("utf-8", "surrogatepass"))
        measured = start
        inside = raw[start:end].decode("utf-8", "surrogatepass")
        yield Written(characters, inside, _decoded(inside))


def _masked(raw: bytes) -> bytes:
    """Return bytes of equal length in which each quote begins or ends a string."""
    return raw.replace(b"\\\\", b"..").replace(b'\\"', b"..")


def _quote_before(raw: bytes, place: int) -> int:
    """Return where before a place the last quote stands that is not escaped, or -1."""
    size = _WINDOW
    while True:
        low = max(0, place - size)
        while low and raw[low - 1] == _BACKSLASH:
            low -= 1
        at = _masked(raw[low:place]).rfind(b'"')
        if at >= 0 or not low:
            return at + low if at >= 0 else -1
        size *= 4


def _quote_after(raw: bytes, start: int) -> int:
    """Return where a string ends that begins somewhere."""
    size = _WINDOW
    while True:
        at = _masked(raw[start : start + size]).find(b'"')
        if at >= 0 or start + size >= len(raw):
            return start + at if at >= 0 else len(raw)
        size *= 4


def _opens(raw: bytes, quote: int) -> bool:
    """Whether a quote that is not escaped begins a string."""
    if quote < 0:
        return False
    before = raw[max(0, quote - _BLANKS) : quote].rstrip()[-1:]
    if before and before not in b"{[,:":
        return False
    after = raw[quote + 1 : quote + 1 + _BLANKS].lstrip()[:1]
    if after and after not in b",:}]":
        return True
    return _masked(raw[:quote]).count(b'"') % 2 == 0


def text_edits_in(text: str, changes: Mapping[str, Edits]) -> Edits:
    """Return edits of a JSON text from those of its strings, wherever they stand."""
    made: list[Edit] = []
    least = min(map(len, changes)) + 2
    for string in _STRING.finditer(text):
        start, end = string.span()
        if end - start < least:
            continue
        raw = text[start + 1 : end - 1]
        says = _decoded(raw)
        edits = changes.get(says)
        if edits is not None:
            made += _inside(raw, says, start + 1, edits)
    return tuple(made)


def _decoded(raw: str) -> str:
    return str(parse_json(f'"{raw}"')) if "\\" in raw else raw


def _inside(raw: str, says: str, offset: int, edits: Edits) -> list[Edit]:
    """Return edits of what a string says as edits of how it is written."""
    if "\\" not in raw:
        return [
            Edit(offset + start, offset + end, dump_json(text)[1:-1])
            for start, end, text in edits
        ]
    made: list[Edit] = []
    done = read = 0
    for start, end, text in edits:
        places: list[int] = []
        for place in (start, end):
            usual = dump_json(says[done:place])[1:-1]
            if raw.startswith(usual, read):
                read += len(usual)
            else:
                read += _written(raw, read, place - done)
            done = place
            places.append(offset + read)
        made.append(Edit(places[0], places[1], dump_json(text)[1:-1]))
    return made


def _written(raw: str, at: int, count: int) -> int:
    """Return as how many characters a string writes so many from a place on."""
    start = at
    while count > 0:
        escape = raw.find("\\", at, at + count)
        if escape < 0:
            return at + count - start
        count -= escape - at + 1
        match = _ESCAPE.match(raw, escape)
        at = match.end() if match else escape + 1
    return at - start


def has_twin_keys(text: str, value: JsonValue, keys: int) -> bool:
    """Whether a JSON text may have equal keys in one object.

    `value` and `keys` are what it says and how many keys that has. Never wrong where
    it says no.
    """
    compact = dump_json(value)
    if text == compact or _without_blanks(text) == _without_blanks(compact):
        return False
    plain = not any(odd in text for odd in _ODD_KEY_ENDS)
    if plain and text.count('":') - text.count('\\":') == keys:
        return False
    return sum(1 for leaf in _LEAF.finditer(text) if _is_key(text, leaf.end())) != keys


def _without_blanks(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass").translate(None, b" \n\r\t")


def _is_key(text: str, end: int) -> bool:
    while text[end : end + 1].isspace():
        end += 1
    return text[end : end + 1] == ":"


class _Twin(str):
    """A key that equals only itself, so that a dict keeps it beside its twins."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


def parse_twins(text: str) -> JsonValue:
    """Return the value of a JSON text; of equal keys, each keeps its place."""
    value: JsonValue = json.loads(text, object_pairs_hook=_apart)
    return value


def _apart(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    made: dict[str, JsonValue] = {}
    for key, value in pairs:
        made[_Twin(key) if key in made else key] = value
    return made
