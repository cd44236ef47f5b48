"""One way through a JSON document, leaf by leaf, for its texts and its values alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol, TypeAlias

from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.redact.edits import Edits, applied
from otel_agent_replay.redact.logprobs import (
    TOKEN,
    Changes,
    Token,
    TokenRuns,
    is_tokens,
    leaves,
    shadow,
)
from otel_agent_replay.redact.rules import KeyPath

__all__ = ["ROOT", "Gather", "LeafReader", "Place", "Rebuild", "Walk"]


class Place(NamedTuple):
    """Where a value stands.

    Attributes:
        path: Keys and positions from the document's root or the tool's arguments.
        tool: The tool whose argument it is.
        lane: What tells apart the streamed texts of one response; see `lanes`.
    """

    path: KeyPath = ()
    tool: str | None = None
    lane: tuple[object, ...] = ()


ROOT: Final = Place()
Gather: TypeAlias = Callable[[int, str, str | None, Place], bool]
"""Told of each string (leaf, text, key, place); True if it takes it over."""


class LeafReader(Protocol):
    """What says how leaves change."""

    def text_edits(self, text: str) -> Edits:
        """Return the edits of a text."""

    def string_edits(self, text: str, key: str | None, place: Place) -> Edits:
        """Return the edits of a string that stands under a key at a place."""

    def base64_edits(self, text: str, key: str | None, place: Place) -> Edits:
        """Return the edits of the Base64 of what stands under a key at a place."""

    def number(self, value: float, key: str | None, place: Place) -> str | None:
        """Return the digits that take a number's place, or None to keep it."""


_ARGUMENTS: Final = frozenset({"arguments", "input", "args"})
_RIVALS: Final = frozenset({"top_logprobs", "candidates"})
"""Tokens that were likely too: each stands for itself."""
_TYPE: Final = "$type"
_BYTES: Final = "bytes"
_NATIVES: Final = {
    _BYTES: "base64",
    **dict.fromkeys(("tuple", "set", "frozenset"), "items"),
    **dict.fromkeys(("path", "uuid"), "value"),
}
"""How `model.natives` marks what is no JSON, and where that stands; its name is that
of the whole."""


class Walk:
    """One way through a document, leaf by leaf, in document order.

    Attributes:
        changes: What changes, by leaf.
        keys: How many keys there are.
        runs: Tokens with log probabilities, still to be looked at; see `logprobs`.
    """

    def __init__(self, reader: LeafReader, gather: Gather | None) -> None:
        self._reader = reader
        self._gather = gather
        self._leaf = 0
        self.changes: Changes = {}
        self.keys = 0
        self.runs: TokenRuns = {}

    def visit(self, value: JsonValue, key: str | None, place: Place) -> None:
        """Look at a value, `key` being the name it stands under."""
        if isinstance(value, str):
            self._string(value, key, place)
        elif isinstance(value, dict):
            self._object(value, key, place)
        elif isinstance(value, list):
            self._list(value, key, place)
        else:
            if value is not None and not isinstance(value, bool):
                text = self._reader.number(value, key, place)
                if text is not None:
                    self.changes[self._leaf] = text
            self._leaf += 1

    def _string(self, value: str, key: str | None, place: Place) -> None:
        gather = self._gather
        if gather is None or not gather(self._leaf, value, key, place):
            edits = self._reader.string_edits(value, key, place)
            if edits:
                self.changes[self._leaf] = edits
        self._leaf += 1

    def _object(
        self, value: Mapping[str, JsonValue], under: str | None, place: Place
    ) -> None:
        native = value.get(_TYPE)
        inside = _NATIVES.get(native) if isinstance(native, str) else None
        names = value.get("name", value.get("key"))
        called = names if isinstance(names, str) else None
        lane = place.lane
        if self._gather is not None:
            lane = (*lane, *_identity(value))
        self.keys += len(value)
        for key, item in value.items():
            edits = self._reader.text_edits(key)
            if edits:
                self.changes[self._leaf] = edits
            self._leaf += 1
            name = under if key == inside else key
            if native == _BYTES and key == inside and isinstance(item, str):
                self._bytes(item, under, place)
                continue
            if called is not None and key in _ARGUMENTS:
                at = Place((), called, (*lane, key))
            else:
                at = Place((*place.path, key), place.tool, (*lane, key))
                # `{"name": "password", "value": …}` names its value.
                name = called if called is not None and key == "value" else name
            self.visit(item, name, at)

    def _tokens(self, value: list[JsonValue], place: Place) -> None:
        run = self.runs.setdefault((*place.lane, *place.path), [])
        for item in value:
            first = self._leaf
            self.visit(item, None, place)
            text = item.get(TOKEN) if isinstance(item, dict) else None
            if isinstance(item, dict) and isinstance(text, str):
                at = first + 1
                for key, part in item.items():
                    if key == TOKEN:
                        break
                    at += 1 + leaves(part)
                # Alone a token means nothing; the run of them decides.
                self.changes.pop(at, None)
                below = dict(shadow(item, None, first))
                below.pop(at, None)
                run.append(Token(self.changes, at, text, below))

    def _bytes(self, text: str, key: str | None, place: Place) -> None:
        edits = self._reader.base64_edits(text, key, place)
        if edits:
            self.changes[self._leaf] = edits
        self._leaf += 1

    def _list(self, value: list[JsonValue], key: str | None, place: Place) -> None:
        if key not in _RIVALS and is_tokens(value):
            self._tokens(value, place)
            return
        flag: str | None = None
        for number, item in enumerate(value):
            lane = place.lane
            if not (isinstance(item, dict) and "index" in item):
                lane = (*lane, number)
            at = Place((*place.path, number), place.tool, lane)
            self.visit(item, flag or key, at)
            # `["--password", "…"]` is a command line.
            flag = item if isinstance(item, str) and _FLAG.fullmatch(item) else None


_FLAG: Final = re.compile(r"--[A-Za-z][\w-]*")
"""Not every text with dashes before it: a private key block begins so too."""
_IDENTITY: Final = ("index", "output_index", "content_index", "summary_index")


def _identity(value: Mapping[str, JsonValue]) -> list[object]:
    """Return what tells a streamed part from its neighbours."""
    return [value.get(name) for name in _IDENTITY if name in value]


class Rebuild:
    """Makes the changed value; leaves are counted as `Walk` counts them."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._leaf = 0

    def of(self, value: JsonValue) -> JsonValue:
        """Return the value with its changes made."""
        if isinstance(value, dict):
            made: dict[str, JsonValue] = {}
            for key, item in value.items():
                name = self._text(key)
                made[name] = self.of(item)
            return made
        if isinstance(value, list):
            return [self.of(item) for item in value]
        if isinstance(value, str):
            return self._text(value)
        change = self._changes.get(self._leaf)
        self._leaf += 1
        return int(change) if isinstance(change, str) else value

    def _text(self, text: str) -> str:
        change = self._changes.get(self._leaf)
        self._leaf += 1
        return applied(text, change) if isinstance(change, tuple) else text
