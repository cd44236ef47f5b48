"""A bounded memo for texts that come again and again in a growing conversation."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

__all__ = ["Memo"]

_T = TypeVar("_T")
_CHARACTERS: Final = 8 * 1024 * 1024
_COST: Final = 128


class Memo(Generic[_T]):
    """Remembers what came of a text; the longest unused go first.

    Two generations instead of an order: a look-up costs one dictionary access.
    Threads may do work twice, never get a wrong answer.
    """

    def __init__(self, characters: int = _CHARACTERS) -> None:
        self._limit = characters
        self._held = 0
        self._young: dict[str, _T] = {}
        self._old: dict[str, _T] = {}

    def get(self, text: str) -> _T | None:
        """Return what was remembered of a text, or None."""
        known = self._young.get(text)
        if known is None:
            known = self._old.get(text)
            if known is not None:
                self.put(text, known)
        return known

    def put(self, text: str, known: _T) -> None:
        """Remember what came of a text."""
        size = len(text) + _COST
        if size > self._limit:
            return
        if self._held + size > self._limit:
            self._old, self._young, self._held = self._young, {}, 0
        self._young[text] = known
        self._held += size
