"""Edits of JSON text, placed so that every byte around them stays as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from otel_agent_replay.model.payload import JsonValue, dump_json, parse_json
from otel_agent_replay.redact.edits import Edit, Edits

__all__ = ["has_twin_keys", "parse_twins", "text_edits_in", "token_edits"]

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
            made += _inside(leaf.group()[1:-1], leaf.start() + 1, change)
        if number == last:
            break
    return tuple(made)


def text_edits_in(text: str, changes: Mapping[str, Edits]) -> Edits:
    """Return edits of a JSON text from those of its strings, wherever they stand."""
    made: list[Edit] = []
    least = min(map(len, changes)) + 2
    for string in _STRING.finditer(text):
        start, end = string.span()
        if end - start < least:
            continue
        raw = text[start + 1 : end - 1]
        edits = changes.get(_decoded(raw))
        if edits is not None:
            made += _inside(raw, start + 1, edits)
    return tuple(made)


def _decoded(raw: str) -> str:
    return str(parse_json(f'"{raw}"')) if "\\" in raw else raw


def _inside(raw: str, offset: int, edits: Edits) -> list[Edit]:
    """Return edits of a string's value as edits of how it is written."""
    if "\\" not in raw:
        return [
            Edit(offset + start, offset + end, dump_json(text)[1:-1])
            for start, end, text in edits
        ]
    wider = list(_wider(raw))
    done = more = 0
    made: list[Edit] = []
    for start, end, text in edits:
        places: list[int] = []
        for place in (start, end):
            while done < len(wider) and wider[done][0] < place:
                more += wider[done][1]
                done += 1
            places.append(offset + place + more)
        made.append(Edit(places[0], places[1], dump_json(text)[1:-1]))
    return made


def _wider(raw: str) -> Iterator[tuple[int, int]]:
    """Yield the characters that are written as more, and as how many more."""
    more = 0
    for escape in _ESCAPE.finditer(raw):
        start, end = escape.span()
        yield start - more, end - start - 1
        more += end - start - 1


def has_twin_keys(text: str, keys: int) -> bool:
    """Whether a JSON text may have equal keys in one object.

    `keys` is how many its parsed form has. Never wrong where it says no.
    """
    plain = not any(odd in text for odd in _ODD_KEY_ENDS)
    if plain and text.count('":') - text.count('\\":') == keys:
        return False
    return sum(1 for leaf in _LEAF.finditer(text) if _is_key(text, leaf.end())) != keys


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
