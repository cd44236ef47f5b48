"""A look at a JSON document as a whole: what its texts alone do not tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from string import ascii_letters
from typing import Final, TypeAlias

from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.redact.gates import finder
from otel_agent_replay.redact.names import NAME_ENDS, classify

__all__ = ["LEAST_CARD", "LEAST_NUMBER", "Glance", "is_quiet", "looks_json"]

LEAST_NUMBER: Final = 1000
"""Smaller numbers are no secrets, whatever they are called."""
LEAST_CARD: Final = 10**12
"""Numbers from here on are searched as texts."""
_PECULIAR: Final = frozenset({"$type", "logprob", "logProbability"})
"""Keys of objects in which a text is not for itself: bytes, tokens of an answer."""
_FLAG: Final = "--"
_SMALL: Final = bytes(range(256)).lower()
_NO_LETTERS: Final = bytes(
    code for code in range(256) if chr(code) not in ascii_letters + ":"
)
_telling_keys: Final = finder(
    [f"{name}:".encode() for name in sorted(NAME_ENDS | {"value"})]
    + [f"{name.lower()}:".encode() for name in sorted(_PECULIAR - {"$type"})],
)
_HARMLESS: Final = frozenset({float, bool, type(None)})
_OPENING: Final = frozenset(
    {"{", "[", "\ufeff"} | {chr(c) for c in range(0x3001) if chr(c).isspace()},
)
"""What a JSON object or list may begin with."""
_Pair: TypeAlias = tuple[str | None, JsonValue]


class Glance:
    """What a JSON document holds besides texts that are each for itself.

    Attributes:
        plain: False if a value has to be looked at where it stands.
        keys: How many keys there are.
        names: Texts that say, or are told by a name, what a value is.
        inner: Texts that may be documents themselves.
        large: Numbers that are searched as texts.
    """

    def __init__(self, value: JsonValue, *, names: bool) -> None:
        """Look at a document; `names` is whether names say what is secret."""
        self.plain = True
        self.keys = 0
        self.names: set[str] = set()
        self.inner: list[str] = []
        self.large: list[str] = []
        self._take(value)
        if not all(map(_is_mute, self.names)):
            self.plain = self.plain and _PECULIAR.isdisjoint(self.names)
            if names:
                self._take_names(value)

    def _take(self, value: JsonValue) -> None:
        """Take in all but what names say; most time goes here."""
        todo: list[JsonValue] = [value]
        for each in todo:
            if isinstance(each, dict):
                self.keys += len(each)
                self.names.update(each)
                self._take_items(each.values(), todo)
            elif isinstance(each, list):
                self._take_items(each, todo)
                if any(x.__class__ is str and x[:2] == _FLAG for x in each):
                    self.plain = False
            else:
                self._take_items((each,), todo)

    def _take_items(self, items: Iterable[JsonValue], todo: list[JsonValue]) -> None:
        for item in items:
            kind = item.__class__
            if kind is str:
                if isinstance(item, str) and item[:1] in _OPENING:
                    self.inner.append(item)
            elif kind is dict or kind is list:
                todo.append(item)
            elif kind is int and isinstance(item, int):
                if item >= LEAST_CARD:
                    self.large.append(str(item))
            elif kind not in _HARMLESS:
                self.plain = False

    def _take_names(self, value: JsonValue) -> None:
        todo: list[_Pair] = [(None, value)]
        while todo and self.plain:
            name, each = todo.pop()
            if isinstance(each, dict):
                todo += self._members(each)
            elif isinstance(each, list):
                todo += [(name, item) for item in each]
            elif name is not None:
                self._take_named(name, each)

    def _members(self, value: Mapping[str, JsonValue]) -> Iterable[_Pair]:
        called = value.get("name", value.get("key")) if "value" in value else None
        if not isinstance(called, str):
            return value.items()
        self.names.add(called)
        # `{"name": "password", "value": …}` names its value.
        return [(called if k == "value" else k, item) for k, item in value.items()]

    def _take_named(self, name: str, value: JsonValue) -> None:
        if isinstance(value, str) or (isinstance(value, int) and value >= LEAST_NUMBER):
            meaning = classify(name)
            if meaning is not None:
                text = str(value)
                self.names.add(text)
                self.plain = self.plain and not meaning.covers(text)


@lru_cache(maxsize=4096)
def _is_mute(name: str) -> bool:
    """Whether a name says nothing of its value."""
    return name != "value" and name not in _PECULIAR and classify(name) is None


def is_quiet(text: str) -> bool:
    """Whether in a text, if it is JSON, all is plain and no name says anything.

    Large numbers it leaves to others. Never wrong where it says yes.
    """
    if "\\" in text or '"--' in text or "$type" in text:
        return False
    letters = text.encode("utf-8", "replace").translate(_SMALL, _NO_LETTERS)
    return not any(_telling_keys(letters, overlapping=False))


def looks_json(text: str) -> bool:
    """Whether a text may be a JSON object or list."""
    first = text[:1]
    if first not in {"{", "["}:
        if not first.isspace() and first != "\ufeff":
            return False
        first = text.lstrip()[:1]
        if first not in {"{", "["}:
            return False
    return text.rstrip()[-1:] in {"}", "]"}
