"""JSON, text and JSON inside text: every string of a document is looked at."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeAlias

from otel_agent_replay.model.payload import JsonValue, parse_json
from otel_agent_replay.redact.edits import Edit, Edits, applied, difference
from otel_agent_replay.redact.failure import RedactionError
from otel_agent_replay.redact.memo import Memo
from otel_agent_replay.redact.names import classify
from otel_agent_replay.redact.policy import Policy
from otel_agent_replay.redact.pseudonym import Pseudonymizer
from otel_agent_replay.redact.rules import Find, KeyPath
from otel_agent_replay.redact.scan import Scanner
from otel_agent_replay.redact.tokens import has_twin_keys, parse_twins, token_edits

__all__ = ["ROOT", "Change", "Changes", "Documents", "Gather", "Place", "looks_json"]

Change: TypeAlias = Edits | str
"""Edits of a string, or the text that takes a number's place."""

Changes: TypeAlias = dict[int, Change]
"""Changes of a document by leaf: keys and scalars counted in document order."""


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

_PASSES: Final = 8
_ARGUMENTS: Final = frozenset({"arguments", "input", "args"})
_BYTES: Final = {"$type": "bytes"}
"""How `model.natives` marks what was bytes; their Base64 stands under `_BASE64`."""
_BASE64: Final = "base64"
_BLOB: Final = re.compile(r"(?:data:[\w.+/;=-]{0,128},)?[A-Za-z0-9+/_-]+={0,3}\s?")
_LEAST_BLOB: Final = 1024
_LEAST_NUMBER: Final = 1000
_CARD_NUMBERS: Final = 10**12


class Documents:
    """Gives the edits of texts and JSON documents under one policy and key.

    Pure but for a bounded memo; safe from any thread.
    """

    def __init__(
        self,
        policy: Policy,
        pseudonyms: Pseudonymizer,
        literals: frozenset[str],
    ) -> None:
        self._scanner = Scanner(policy, pseudonyms, literals, self.text)
        self._pseudonyms = pseudonyms
        self._names = policy.secret_names
        self._placed = tuple(
            rule
            for rule in policy.rules
            if rule.place is not None or rule.argument is not None
        )
        self._tools = any(rule.argument is not None for rule in self._placed)
        self._memo: Memo[Edits] = Memo()

    # --- texts -----------------------------------------------------------------

    def text(self, text: str) -> str:
        """Return a text redacted; doing so again changes nothing."""
        return applied(text, self.text_edits(text))

    def pseudonym(self, kind: str, value: str) -> str:
        """Return what stands for a value that cannot be searched."""
        return self._pseudonyms(kind, value)

    def fresh_edits(self, text: str) -> Edits:
        """Return the edits of a text that hardly comes again, such as a body."""
        return self._settled(text, self._one_pass)

    def found_edits(self, text: str, find: Find) -> Edits:
        """Return the edits of a text in which `find` looks before the rules."""
        return self._settled(text, lambda each: self._scanner.edits(each, find))

    def text_edits(self, text: str) -> Edits:
        """Return the edits of a text, which may be JSON."""
        known = self._memo.get(text)
        if known is None:
            known = self._settled(text, self._one_pass)
            self._memo.put(text, known)
        return known

    def _settled(self, text: str, one_pass: Callable[[str], Edits]) -> Edits:
        """Repeat until nothing more is found, for what a pass lays bare."""
        edits = one_pass(text)
        if not edits:
            return ()
        new = applied(text, edits)
        for count in range(_PASSES):
            more = one_pass(new)
            if not more:
                return difference(text, new) if count else edits
            new = applied(new, more)
        raise RedactionError("A text", "its rules do not come to rest")

    def _one_pass(self, text: str) -> Edits:
        if looks_json(text):
            try:
                value = parse_json(text)
            except (ValueError, RecursionError):
                value = None
            if isinstance(value, (dict, list)):
                return self._document(text, value, ROOT)
        if len(text) >= _LEAST_BLOB and _BLOB.fullmatch(text):
            # An image or an encrypted part; no rule's secret looks like one.
            return ()
        return self._scanner.edits(text)

    # --- documents -------------------------------------------------------------

    def json_edits(self, text: str, place: Place = ROOT) -> Edits:
        """Return the edits of a JSON text.

        Raises:
            ValueError: The text is not JSON.
        """
        return self._settled(
            text,
            lambda each: self._document(each, parse_json(each), place),
        )

    def _document(self, text: str, value: JsonValue, place: Place) -> Edits:
        walk = self.walk(value, place)
        if has_twin_keys(text, walk.keys):
            # A dict keeps the last of equal keys; the first ones have values too.
            walk = self.walk(parse_twins(text), place)
        return token_edits(text, walk.changes) if walk.changes else ()

    def value(self, value: JsonValue, place: Place = ROOT) -> JsonValue:
        """Return a JSON value redacted; the same object where nothing changes."""
        for _ in range(_PASSES):
            walk = self.walk(value, place)
            if not walk.changes:
                return value
            value = _Rebuild(walk.changes).of(value)
        raise RedactionError("A value", "its rules do not come to rest")

    def walk(
        self,
        value: JsonValue,
        place: Place = ROOT,
        gather: Gather | None = None,
    ) -> Walk:
        """Return the changes of a document's leaves."""
        walk = Walk(self, gather)
        walk.visit(value, None, place)
        return walk

    # --- leaves ----------------------------------------------------------------

    def string_edits(self, text: str, key: str | None, place: Place) -> Edits:
        """Return the edits of a string that stands under a key at a place."""
        kind = self._placed_kind(place)
        if kind is None and key is not None and self._names:
            meaning = classify(key)
            kind = meaning.kind if meaning and meaning.covers(text) else None
        if kind is not None and text:
            return self.whole_edits(text, kind)
        if self._tools and place.tool and not place.path and looks_json(text):
            try:
                return self.json_edits(text, place)
            except ValueError:
                return self.text_edits(text)
        return self.text_edits(text)

    def whole_edits(self, text: str, kind: str) -> Edits:
        """Return the edits of a text that is secret as a whole."""
        new = self._scanner.whole(text, kind)
        return () if new == text else (Edit(0, len(text), new),)

    def number(self, value: float, key: str | None, place: Place) -> str | None:
        """Return the digits for a number, or None to keep it."""
        kind = self._placed_kind(place)
        text = str(value)
        if kind is None and isinstance(value, int) and value >= _LEAST_NUMBER:
            meaning = classify(key) if key is not None and self._names else None
            if meaning is not None and meaning.covers(text):
                kind = meaning.kind
            elif value >= _CARD_NUMBERS:
                found = self._scanner.edits(text)
                return found[0].text if found and found[0].text.isdigit() else None
        if kind is None or self._scanner.kept(text):
            return None
        return self._pseudonyms.number(kind, text)

    def base64_edits(self, text: str) -> Edits:
        """Return the edits of Base64 whose bytes are a text; others stay."""
        try:
            inside = base64.b64decode(text, validate=True).decode()
        except (ValueError, binascii.Error):
            return ()
        new = self.text(inside)
        if new == inside:
            return ()
        return (Edit(0, len(text), base64.b64encode(new.encode()).decode()),)

    def _placed_kind(self, place: Place) -> str | None:
        for rule in self._placed:
            if rule.at(place.path) or rule.takes(place.tool, place.path):
                return rule.kind
        return None


class Walk:
    """One way through a document, leaf by leaf, in document order.

    Attributes:
        changes: What changes, by leaf.
        keys: How many keys there are.
    """

    def __init__(self, documents: Documents, gather: Gather | None) -> None:
        self._documents = documents
        self._gather = gather
        self._leaf = 0
        self.changes: Changes = {}
        self.keys = 0

    def visit(self, value: JsonValue, key: str | None, place: Place) -> None:
        """Look at a value, `key` being the name it stands under."""
        if isinstance(value, str):
            self._string(value, key, place)
        elif isinstance(value, dict):
            self._object(value, place)
        elif isinstance(value, list):
            self._list(value, key, place)
        else:
            if value is not None and not isinstance(value, bool):
                text = self._documents.number(value, key, place)
                if text is not None:
                    self.changes[self._leaf] = text
            self._leaf += 1

    def _string(self, value: str, key: str | None, place: Place) -> None:
        gather = self._gather
        if gather is None or not gather(self._leaf, value, key, place):
            edits = self._documents.string_edits(value, key, place)
            if edits:
                self.changes[self._leaf] = edits
        self._leaf += 1

    def _object(self, value: Mapping[str, JsonValue], place: Place) -> None:
        names = value.get("name", value.get("key"))
        called = names if isinstance(names, str) else None
        lane = place.lane
        if self._gather is not None:
            lane = (*lane, *_identity(value))
        self.keys += len(value)
        for key, item in value.items():
            edits = self._documents.text_edits(key)
            if edits:
                self.changes[self._leaf] = edits
            self._leaf += 1
            name = key
            if (
                key == _BASE64
                and isinstance(item, str)
                and _BYTES.items() <= value.items()
            ):
                self._bytes(item)
                continue
            if called is not None and key in _ARGUMENTS:
                at = Place((), called, (*lane, key))
            else:
                at = Place((*place.path, key), place.tool, (*lane, key))
                # `{"name": "password", "value": …}` names its value.
                name = called if called is not None and key == "value" else key
            self.visit(item, name, at)

    def _bytes(self, text: str) -> None:
        edits = self._documents.base64_edits(text)
        if edits:
            self.changes[self._leaf] = edits
        self._leaf += 1

    def _list(self, value: list[JsonValue], key: str | None, place: Place) -> None:
        flag: str | None = None
        for number, item in enumerate(value):
            lane = place.lane
            if not (isinstance(item, dict) and "index" in item):
                lane = (*lane, number)
            at = Place((*place.path, number), place.tool, lane)
            self.visit(item, flag or key, at)
            # `["--password", "…"]` is a command line.
            flag = item if isinstance(item, str) and item.startswith("--") else None


_IDENTITY: Final = ("index", "output_index", "content_index", "summary_index")


def _identity(value: Mapping[str, JsonValue]) -> list[object]:
    """Return what tells a streamed part from its neighbours."""
    return [value.get(name) for name in _IDENTITY if name in value]


class _Rebuild:
    """Makes the changed value; leaves are counted as `Walk` counts them."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._leaf = 0

    def of(self, value: JsonValue) -> JsonValue:
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
