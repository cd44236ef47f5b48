"""Numbers that stand for the hashes of payload pieces inside a scope.

A hash takes 16 bytes that no compressor makes smaller, and a step's row names
a dozen. A name that has no number, as its piece was not there when the row was
written, stays a hash.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, count
from typing import Final

from otel_agent_replay import semconv
from otel_agent_replay.model.content import content_key
from otel_agent_replay.model.payload import dump_json
from otel_agent_replay.model.reader import DamagedError, PayloadReader, items_of
from otel_agent_replay.model.recipe import (
    CONTENT,
    KEY_BYTES,
    RECIPE,
    content_item,
    key_in,
    recipe_item,
)
from otel_agent_replay.store.rows import Row

__all__ = ["Named", "Originals", "Pieces"]

_NAME_END: Final = 23
_WHOLE: Final = "AA"
_DECODED: Final = 18
"""A name of 22 characters, filled up, is as many bytes; the last ones say nothing."""
_has_hash: Final = re.compile(r"[#@](?:[\w-]{22}|[\w-]{43})", re.ASCII).fullmatch
_MAX_NESTING: Final = 12


class Named:
    """The recipes of a scope's new rows and pieces, and what they name by hash."""

    def __init__(self, rows: Iterable[Row], pieces: Iterable[str]) -> None:
        self._items: dict[str, list[str]] = {}
        for row in rows:
            for attributes in (row.attributes, *row.event_attributes):
                if semconv.CONTENT_PREFIX in "\n".join(attributes):
                    self._add(
                        value
                        for key, value in attributes.items()
                        if key.startswith(semconv.CONTENT_PREFIX)
                    )
        self._add(pieces)
        items = [*filter(_has_hash, {*chain(*self._items.values())})]
        # One call: decoding item by item takes longer than all else here.
        names = [item[1:_NAME_END] + _WHOLE for item in items]
        keys = base64.urlsafe_b64decode("".join(names))
        self.keys = {
            item: keys[at : at + KEY_BYTES]
            for item, at in zip(items, count(0, _DECODED), strict=False)
        }
        """The hash in each item that has one."""

    def row(self, row: Row, names: Mapping[str, str]) -> Row:
        """Return a row with other names for some items of its recipes."""
        return row._replace(
            attributes=self._renamed(row.attributes, names),
            event_attributes=[
                self._renamed(each, names) for each in row.event_attributes
            ],
        )

    def recipe(self, recipe: str, names: Mapping[str, str]) -> str:
        """Return a recipe with other names for some items."""
        items = self._items.get(recipe)
        if items is None:
            return recipe
        return dump_json([names.get(item, item) for item in items])

    def _add(self, recipes: Iterable[str]) -> None:
        for recipe in recipes:
            if recipe not in self._items:
                with suppress(DamagedError):
                    self._items[recipe] = items_of(recipe)

    def _renamed(
        self, attributes: dict[str, str], names: Mapping[str, str]
    ) -> dict[str, str]:
        if semconv.CONTENT_PREFIX not in "\n".join(attributes):
            return attributes
        return {
            key: self.recipe(value, names)
            if key.startswith(semconv.CONTENT_PREFIX)
            else value
            for key, value in attributes.items()
        }


class Pieces:
    """The payload pieces of a scope, by the items that name them."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._unnumbered: list[str] = []
        self._hashed: dict[bytes | None, str] | None = None

    def add(self, items: Sequence[str], texts: Sequence[str]) -> None:
        """Add pieces; one without a number has an item of one character.

        Raises:
            ValueError: Two pieces have one number.
        """
        numbered = {
            item: text for item, text in zip(items, texts, strict=True) if len(item) > 1
        }
        if numbered.keys() & self._texts.keys():
            raise ValueError("two pieces have one number")
        self._texts |= numbered
        if len(numbered) < len(items):
            pairs = zip(items, texts, strict=True)
            self._unnumbered += [text for item, text in pairs if len(item) == 1]

    def reader(self) -> PayloadReader:
        """Return what puts payloads together of these pieces."""
        known = {
            item: text for item, text in self._texts.items() if item[:1] == CONTENT
        }
        return PayloadReader(self.find, known)

    def find(self, item: str) -> str | None:
        """Return the text that an item names, None if there is none."""
        text = self._texts.get(item)
        if text is None and _has_hash(item):
            if self._hashed is None:
                self._hashed = self._by_hash()
            text = self._hashed.get(key_in(item))
        return text

    def _by_hash(self) -> dict[bytes | None, str]:
        """Return all pieces by their hash, as they were before recipes had numbers."""
        originals = Originals(self._texts, {})
        found: dict[bytes | None, str] = {
            key: originals.text(item) for item, key in originals.named()
        }
        return {**{content_key(text): text for text in self._unnumbered}, **found}


class Originals:
    """Pieces as they were before their recipes named others by number.

    Args:
        texts: Pieces, by the items that name them by number.
        names: Items that name other pieces by number, and by hash.
    """

    def __init__(self, texts: Mapping[str, str], names: Mapping[str, str]) -> None:
        self._texts = texts
        self._names = {**names}
        self._originals: dict[str, str] = {}

    def named(self) -> Iterator[tuple[str, bytes]]:
        """Yield the item of each piece, and its hash."""
        for item in self._texts:
            key = key_in(self._name(item))
            if key is not None:
                yield item, key

    def text(self, item: str) -> str:
        """Return a piece."""
        self._name(item)
        return self._originals[item]

    def _name(self, item: str, nesting: int = 0) -> str:
        """Return the item that names a piece by hash; as it is if there is none."""
        text = self._texts.get(item)
        if text is None or item in self._names or nesting > _MAX_NESTING:
            return self._names.get(item, item)
        self._names[item] = item  # a damaged recipe may list itself
        if item.startswith(RECIPE):
            text = self._recipe(text, nesting)
        self._originals[item] = text
        key = content_key(text)
        name = recipe_item(key) if item.startswith(RECIPE) else content_item(key)
        self._names[item] = name
        return name

    def _recipe(self, text: str, nesting: int) -> str:
        try:
            items = items_of(text)
        except DamagedError:
            return text
        return dump_json([self._name(each, nesting + 1) for each in items])
