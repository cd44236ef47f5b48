"""Numbers that stand for the hashes of payload pieces inside a scope.

A hash takes 16 bytes that no compressor makes smaller, and a step's row names
a dozen. A name that has no number, as its piece was not there when the row was
written, stays a hash.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain, count
from typing import Final

from otel_agent_replay import semconv
from otel_agent_replay.model.content import content_key
from otel_agent_replay.model.payload import dump_json
from otel_agent_replay.model.reader import DamagedError, PayloadReader, items_of
from otel_agent_replay.model.recipe import (
    CONTENT,
    RECIPE,
    content_item,
    key_in,
    recipe_item,
)
from otel_agent_replay.store.rows import Row

__all__ = ["KEY", "Named", "Pieces"]

KEY: Final = 15
"""Bytes of a name that tell the pieces of a scope apart: 20 characters of base64."""

_KEY_END: Final = 1 + KEY * 4 // 3
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
        keys = base64.urlsafe_b64decode("".join([item[1:_KEY_END] for item in items]))
        self.keys = {
            item: keys[at : at + KEY]
            for item, at in zip(items, count(0, KEY), strict=False)
        }
        """The first bytes of the hash in each item that has one."""

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
        """Return all pieces by their hash."""
        texts = (*self._unnumbered, *map(self._original, self._texts))
        return {content_key(text): text for text in texts}

    def _original(self, item: str, nesting: int = 0) -> str:
        """Return a piece as it was before its recipe named others by number."""
        text = self._texts[item]
        if item.startswith(CONTENT) or nesting > _MAX_NESTING:
            return text
        return dump_json(
            [
                _hash_item(each, self._original(each, nesting + 1))
                if each in self._texts
                else each
                for each in items_of(text)
            ]
        )


def _hash_item(item: str, text: str) -> str:
    key = content_key(text)
    return recipe_item(key) if item.startswith(RECIPE) else content_item(key)
