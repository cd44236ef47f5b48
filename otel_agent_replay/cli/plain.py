"""Stored text made harmless for a terminal."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["clean", "clean_line"]

_CONTROL: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line feed, DEL, C1
    "\u200e\u200f\u202a-\u202e\u2066-\u2069"  # signs that reorder text
    "\ud800-\udfff]"  # lone surrogates
)
_BREAKS: Final = re.compile(r"\s*[\n\t]\s*")


def clean(text: str) -> str:
    """Return text whose control characters are visible and do nothing."""
    return _CONTROL.sub(lambda found: _visible(found[0]), text.replace("\r\n", "\n"))


def clean_line(text: str) -> str:
    """Return the same on one line."""
    return _BREAKS.sub(" ", clean(text).rstrip())


def _visible(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004
