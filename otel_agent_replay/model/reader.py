"""Payloads put together again from recipes and the contents that these name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from otel_agent_replay import semconv
from otel_agent_replay.model.payload import parse_json
from otel_agent_replay.model.recipe import LITERAL, RECIPE

__all__ = ["DamagedError", "PayloadReader", "items_of"]

_MAX_NESTING: Final = 12
_MAX_PAYLOAD: Final = 1 << 30
_PREFIX: Final = semconv.CONTENT_PREFIX
_PREFIX_LENGTH: Final = len(_PREFIX)
_SHORTEST: Final = len('[""]')
_NONE: Final[Mapping[str, str]] = {}


class DamagedError(Exception):
    """A payload cannot be put together."""


def items_of(recipe: str) -> list[str]:
    """Return the items of a recipe.

    Raises:
        DamagedError: It is none.
    """
    if recipe[:2] == '["' and recipe[-2:] == '"]' and "\\" not in recipe:
        # What names pieces alone, as most do: no parser is as fast.
        plain = recipe[2:-2].split('","')
        if '"' not in "".join(plain) and len(recipe) >= _SHORTEST:
            return plain
    try:
        items = _parsed(recipe)
    except (ValueError, RecursionError):
        raise DamagedError from None
    if type(items) is not list or not {*map(type, items)} <= {str}:
        raise DamagedError
    return items


def _parsed(recipe: str) -> Any:  # noqa: ANN401 - any JSON
    try:
        return orjson.loads(recipe)
    except orjson.JSONDecodeError:
        return parse_json(recipe)  # lone surrogates


class PayloadReader:
    """Puts payloads together, of spans that share a scope.

    Args:
        find: Gives the content that an item names; None if there is none, or it is
            not what it was.
        known: Contents by the items that name them, as far as they are at hand.
    """

    def __init__(
        self, find: Callable[[str], str | None], known: Mapping[str, str] = _NONE
    ) -> None:
        self._texts = _Texts(find, known)

    def inline(
        self, attributes: Mapping[str, str], events: Sequence[Mapping[str, str]]
    ) -> tuple[Mapping[str, str], list[Mapping[str, str]]]:
        """Return the attributes of a span and of its events, payloads in them.

        A payload that cannot be put together is left out, and the span then says so.
        The size that the row alone has is taken off.
        """
        if semconv.SPAN_BYTES in attributes:
            attributes = {**attributes}
            del attributes[semconv.SPAN_BYTES]
        own, whole = self._inline(attributes)
        found: list[Mapping[str, str]] = []
        for each in events:
            values, event_whole = self._inline(each)
            whole = whole and event_whole
            found.append(values)
        if not whole:
            missing = {semconv.STEP_DROPPED: semconv.DROPPED_PAYLOAD_MISSING}
            own = {**missing, **own}
        return own, found

    def _inline(self, attributes: Mapping[str, str]) -> tuple[Mapping[str, str], bool]:
        """Return the attributes with payloads in them, and whether none is missing."""
        # One search instead of one a key: most have no payload.
        if _PREFIX not in "\n".join(attributes):
            return attributes, True
        result: dict[str, str] = {}
        whole = True
        for key, value in attributes.items():
            if not key.startswith(_PREFIX):
                result[key] = value
                continue
            try:
                result[key[_PREFIX_LENGTH:]] = self._texts.joined(value)
            except DamagedError:
                whole = False
        return result, whole


class _Texts(dict[str, str]):
    """The texts that items name, found when they are first asked for."""

    __slots__ = ("_find", "_joined", "_longest", "_nesting")

    def __init__(
        self, find: Callable[[str], str | None], known: Mapping[str, str]
    ) -> None:
        super().__init__(known)
        self._find = find
        self._joined: dict[str, str] = {}
        self._longest = max(map(len, known.values()), default=0)
        self._nesting = 0

    def __missing__(self, item: str) -> str:
        text = self._find(item)
        if text is None:
            raise DamagedError
        if item.startswith(RECIPE):
            text = self._nested(text)
        self._longest = max(self._longest, len(text))
        self[item] = text
        return text

    def _nested(self, recipe: str) -> str:
        if self._nesting == _MAX_NESTING:
            raise DamagedError
        self._nesting += 1
        try:
            return self.joined(recipe)
        finally:
            self._nesting -= 1

    def joined(self, recipe: str) -> str:
        """Return the text of a recipe; that of the same recipe is the same text."""
        text = self._joined.get(recipe)
        if text is None:
            items = items_of(recipe)
            texts = [x[1:] if x[:1] == LITERAL else self[x] for x in items]
            at_most = len(recipe) + len(items) * self._longest
            if at_most > _MAX_PAYLOAD and sum(map(len, texts)) > _MAX_PAYLOAD:
                raise DamagedError
            text = self._joined[recipe] = "".join(texts)
        return text
