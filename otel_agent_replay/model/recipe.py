"""The words of recipes: what stands in a row for a text that is stored in parts."""

from __future__ import annotations

import base64
import hashlib
from binascii import b2a_base64
from collections.abc import Sequence
from typing import Final

__all__ = [
    "CONTENT",
    "KEY_BYTES",
    "LITERAL",
    "RECIPE",
    "closes_group",
    "content_item",
    "content_key",
    "key_in",
    "literal_item",
    "recipe_item",
]

LITERAL: Final = "="
CONTENT: Final = "#"
RECIPE: Final = "@"
"""How items begin: a text, the name of a content, that of one that is a recipe."""

KEY_BYTES: Final = 16
"""Bytes that a content is stored under."""

_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_NAME: Final = 22
"""Characters of base64 that 16 bytes take."""

_FOLD_LEAST: Final = 4
_FOLD_MOST: Final = 16
_FOLD_ENDS: Final = frozenset("ABCDEFGHIJKLMNOP")  # a quarter of all hashes
_HASHED_AT_ONCE: Final = 2047
_HASHED_IN_PARTS: Final = 64 << 10


def content_key(text: str) -> bytes:
    """Return what a content is stored under: the first 16 bytes of its SHA-256.

    Two texts that share them cost somebody 2**64 tries to find, and both would have
    to be said in one run: in another scope they are another content.
    """
    content = text.encode()
    if not _HASHED_AT_ONCE < len(content) < _HASHED_IN_PARTS:
        return hashlib.sha256(content).digest()[:KEY_BYTES]
    # From 2 KB on, hashing lets go of the GIL, and a thread that computes keeps it
    # for 5 ms: a thousand times what a piece takes.
    made = hashlib.sha256()
    for at in range(0, len(content), _HASHED_AT_ONCE):
        made.update(content[at : at + _HASHED_AT_ONCE])
    return made.digest()[:KEY_BYTES]


def key_in(item: str) -> bytes | None:
    """Return the key in an item that names a content, None if there is none.

    Names that have the whole SHA-256, as they once did, are those of its beginning.
    """
    try:
        key = base64.urlsafe_b64decode(f"{item[1 : 1 + _NAME]}==")
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES else None


def content_item(key: bytes) -> str:
    """Return the item of a recipe that names a content."""
    return CONTENT + _name(key)


def recipe_item(key: bytes) -> str:
    """Return the item of a recipe that names a content which is a recipe."""
    return RECIPE + _name(key)


def literal_item(text: str) -> str:
    """Return the item of a recipe that is a text itself."""
    return LITERAL + text


def closes_group(items: Sequence[str]) -> bool:
    """Whether the last of the items ends a group, by its hash or by their number."""
    length, item = len(items), items[-1]
    cut = length >= _FOLD_LEAST and item[0] != LITERAL and item[1] in _FOLD_ENDS
    return cut or length >= _FOLD_MOST


def _name(key: bytes) -> str:
    """Return the name that recipes know a content by."""
    # As `base64.urlsafe_b64encode`, in a third of its time.
    return b2a_base64(key, newline=False)[:_NAME].translate(_URL_SAFE).decode()
