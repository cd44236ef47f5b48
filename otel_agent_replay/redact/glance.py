"""A look at a document as a whole: its texts, where none depends on its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.redact.names import classify

__all__ = ["LEAST_CARD", "LEAST_NUMBER", "Glance"]

LEAST_NUMBER: Final = 1000
"""Smaller numbers are no secrets, whatever they are called."""
LEAST_CARD: Final = 10**12
"""Numbers from here on are searched as texts."""
_PECULIAR: Final = frozenset({"$type", "logprob", "logProbability"})
"""Keys of objects in which a text is not for itself: bytes, tokens of an answer."""
_FLAG: Final = "--"
_HARMLESS: Final = (float, bool, type(None))
_Pair: TypeAlias = tuple[str | None, JsonValue]


class Glance:
    """The texts of a JSON document.

    Attributes:
        written: The document as JSON text, or None.
        texts: All of its texts, keys and large numbers among them.
        inner: Those that are documents themselves; to be filled in.
        names: Those that say, or are told by a name, what a value is; numbers too.
        keys: How many keys there are.
        plain: False once a value has to be looked at where it stands.
    """

    def __init__(self, value: JsonValue, written: str | None, *, names: bool) -> None:
        """Look at a document; `names` is whether names say what is secret."""
        self._by_name = names
        self.written = written
        self.texts: set[str] = set()
        self.inner: set[str] = set()
        self.names: set[str] = set()
        self.keys = 0
        self.plain = True
        self._todo: list[_Pair] = []
        self._take([(None, value)])
        while self._todo and self.plain:
            key, each = self._todo.pop()
            if isinstance(each, dict):
                self._take(self._members(each))
            elif isinstance(each, list):
                self._take([(key, item) for item in each])
                for item in each:
                    if item.__class__ is str and str(item)[:2] == _FLAG:
                        self.plain = False

    def _members(self, value: Mapping[str, JsonValue]) -> Iterable[_Pair]:
        self.keys += len(value)
        self.texts.update(value)
        self.names.update(value)
        if not _PECULIAR.isdisjoint(value):
            self.plain = False
        if "value" not in value:
            return value.items()
        called = value.get("name", value.get("key"))
        if not isinstance(called, str):
            return value.items()
        self.names.add(called)
        # `{"name": "password", "value": …}` names its value.
        return [(called if k == "value" else k, item) for k, item in value.items()]

    def _take(self, pairs: Iterable[_Pair]) -> None:
        """Take in scalars; the rest is for later."""
        add, by_name = self.texts.add, self._by_name
        for name, item in pairs:
            kind = item.__class__
            if isinstance(item, str):
                add(item)
                if name is not None and by_name and classify(name) is not None:
                    self._named(name, item)
            elif kind is dict or kind is list:
                self._todo.append((name, item))
            elif kind not in _HARMLESS:
                self._number(name, item)

    def _named(self, name: str | None, text: str) -> None:
        meaning = classify(name) if name is not None and self._by_name else None
        if meaning is not None:
            self.names.add(text)
            self.plain = self.plain and not meaning.covers(text)

    def _number(self, name: str | None, value: JsonValue) -> None:
        if value.__class__ is not int or not isinstance(value, int):
            self.plain = False
        elif value >= LEAST_NUMBER:
            text = str(value)
            if value >= LEAST_CARD:
                self.texts.add(text)
                self.names.add(text)
            self._named(name, text)
