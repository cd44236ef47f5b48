"""JSON, text and JSON inside text: every string of a document is looked at."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from otel_agent_replay.model.payload import JsonValue, dump_json, parse_json
from otel_agent_replay.redact.edits import Edit, Edits, applied, difference
from otel_agent_replay.redact.failure import RedactionError
from otel_agent_replay.redact.forms import pseudonyms_in
from otel_agent_replay.redact.gates import ESCAPED
from otel_agent_replay.redact.glance import (
    LEAST_CARD,
    LEAST_NUMBER,
    OPENING,
    Glance,
    document_in,
    has_escapes,
    is_quiet,
    looks_json,
    loud_ones,
)
from otel_agent_replay.redact.logprobs import resolve
from otel_agent_replay.redact.memo import Memo
from otel_agent_replay.redact.names import classify
from otel_agent_replay.redact.policy import Policy
from otel_agent_replay.redact.pseudonym import Pseudonymizer
from otel_agent_replay.redact.rules import Find
from otel_agent_replay.redact.scan import CLEAR, Look, Scanner
from otel_agent_replay.redact.tokens import (
    Written,
    has_twin_keys,
    parse_twins,
    strings_at,
    text_edits_in,
    token_edits,
)
from otel_agent_replay.redact.walk import ROOT, Gather, Place, Rebuild, Walk

__all__ = ["Documents", "looks_json"]

_PASSES: Final = 8
_BLOB: Final = re.compile(r"(?:data:[\w.+/;=-]{0,128},)?[A-Za-z0-9+/_-]+={0,3}\s?")
_LEAST_BLOB: Final = 1024
_LEAST_REMEMBERED: Final = 64
"""Looking again at a shorter text costs less than remembering it."""


class _Pass(NamedTuple):
    """The edits of one pass; `at_rest` if another one finds nothing more."""

    edits: Edits
    at_rest: bool = False


_NOTHING: Final = _Pass(())


class _Suspects(NamedTuple):
    """Strings of a document that may hold something.

    Attributes:
        names: Its texts that have a say in others.
        written: Strings, where they stand.
        others: Texts that are to be looked for.
    """

    names: set[str]
    written: list[Written]
    others: set[str]


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
        self._looking = self._scanner.by_gates and not self._placed
        """Whether one look at a document tells where in it something may be."""
        self._memo: Memo[Edits] = Memo()
        # Who redacts a body asks again whether what came of it is at rest.
        self._rested = ""

    # --- texts -----------------------------------------------------------------

    def text(self, text: str) -> str:
        """Return a text redacted; doing so again changes nothing."""
        # Calls with little text are many; this is all that most of them need.
        small = self._looking and len(text) < _LEAST_REMEMBERED
        look = self._scanner.look(text) if small else None
        if look is CLEAR and (text[:1] not in OPENING or is_quiet(text)):
            return text
        return applied(text, self.text_edits(text, look))

    def all_clear(self, texts: Sequence[str]) -> bool:
        """Whether short texts are left as they are, told from one look at all."""
        if not self._looking or not all(
            len(text) < _LEAST_REMEMBERED and text[:1] not in OPENING for text in texts
        ):
            return False
        # No rule's gate reaches over the sign between them.
        return self._scanner.is_clear("\0".join(texts))

    def pseudonym(self, kind: str, value: str) -> str:
        """Return what stands for a value that cannot be searched."""
        return self._pseudonyms(kind, value)

    def fresh_edits(self, text: str) -> Edits:
        """Return the edits of a text that hardly comes again, such as a body."""
        if text == self._rested:
            return ()
        edits = self._settled(text, self._one_pass)
        self._rested = applied(text, edits)
        return edits

    def found_edits(self, text: str, find: Find) -> Edits:
        """Return the edits of a text in which `find` looks before the rules."""
        return self._settled(text, lambda each: _Pass(self._scanner.edits(each, find)))

    def text_edits(self, text: str, look: Look | None = None) -> Edits:
        """Return the edits of a text, which may be JSON.

        `look` is what a look at it has told, if there was one.
        """
        known = self._memo.get(text)
        if known is None:
            first = self._one_pass(text, look)
            known = first.edits and self._settled(text, self._one_pass, first)
            if known or len(text) >= _LEAST_REMEMBERED:
                self._memo.put(text, known)
        return known

    def _settled(
        self, text: str, one_pass: Callable[[str], _Pass], first: _Pass | None = None
    ) -> Edits:
        """Repeat until nothing more is found, for what a pass lays bare.

        `first` is what the first pass has given, if it was made.
        """
        edits, at_rest = first or one_pass(text)
        if not edits or at_rest:
            return edits
        new = applied(text, edits)
        if len(edits) == 1 and next(pseudonyms_in(new), None) == (0, len(new)):
            return edits
        for count in range(_PASSES):
            more, at_rest = one_pass(new)
            if not more:
                return difference(text, new) if count else edits
            new = applied(new, more)
            if at_rest:
                return difference(text, new)
        raise RedactionError("A text", "its rules do not come to rest")

    def _one_pass(self, text: str, look: Look | None = None) -> _Pass:
        if look is None and self._looking:
            look = self._scanner.look(text)
        if look is CLEAR and text[:1] not in OPENING:
            return _NOTHING
        may_be_json = looks_json(text)
        clear = look is not None and not look.places
        if clear and (not may_be_json or _is_quiet(text, look)):
            return _NOTHING
        value = document_in(text) if may_be_json else None
        if value is not None:
            return self._document(text, value, ROOT, look)
        if len(text) >= _LEAST_BLOB and _BLOB.fullmatch(text):
            # An image or an encrypted part; no rule's secret looks like one.
            return _Pass(())
        return _Pass(self._scanner.edits(text, look=look))

    # --- documents -------------------------------------------------------------

    def json_edits(self, text: str, place: Place = ROOT) -> Edits:
        """Return the edits of a JSON text.

        Raises:
            ValueError: The text is not JSON.
        """
        return self.parsed_edits(text, parse_json(text), place)

    def parsed_edits(self, text: str, value: JsonValue, place: Place) -> Edits:
        """Return the edits of a JSON text that has been parsed."""
        first = self._json_pass(text, value, place)
        if not first.edits:
            return ()
        return self._settled(
            text, lambda each: self._json_pass(each, parse_json(each), place), first
        )

    def _json_pass(self, text: str, value: JsonValue, place: Place) -> _Pass:
        look = self._scanner.look(text) if self._looking else None
        if look is not None and not look.places and _is_quiet(text, look):
            return _NOTHING
        return self._document(text, value, place, look)

    def _document(
        self, text: str, value: JsonValue, place: Place, look: Look | None = None
    ) -> _Pass:
        plain = self._plain_edits(text, value, look)
        if plain is not None:
            return _Pass(plain, at_rest=True)
        walk = self.walk(value, place)
        if has_twin_keys(text, value, walk.keys):
            # A dict keeps the last of equal keys; the first ones have values too.
            walk = self.walk(parse_twins(text), place)
        return _Pass(token_edits(text, walk.changes) if walk.changes else ())

    def _plain_edits(
        self, text: str, value: JsonValue, look: Look | None
    ) -> Edits | None:
        """Return all edits of a document in which each text is for itself.

        None where it is not so, or where a text that changes has a say in others.
        """
        found = self._suspects(value, text, look)
        if found is None:
            return None
        names, written, others = found
        changes = {each.text: self.text_edits(each.text) for each in written}
        changes |= {each: self.text_edits(each) for each in others}
        changed = {each: edits for each, edits in changes.items() if edits}
        if not changed:
            return ()
        if not names.isdisjoint(changed):
            return None
        if others:
            return text_edits_in(text, changed)
        return tuple(e for each in written for e in each.edits(changes[each.text]))

    def _suspects(
        self, value: JsonValue, text: str | None, look: Look | None = None
    ) -> _Suspects | None:
        """Return the strings of a document that may hold something.

        None where a value has to be looked at where it stands.
        """
        if not self._looking:
            return None
        glance = Glance(value, names=self._names)
        if self._depends(glance, value, text):
            return None
        written = dump_json(value) if text is None else text
        look = look or self._scanner.look(written)
        places, escaped = look.places, ESCAPED in look.rules
        others = self._inner_suspects(glance.inner, look)
        if escaped:
            written = dump_json(value)
            if has_escapes(written.replace("\\\\", "")):
                return None
            places = self._scanner.look(written).places
        strings = [*strings_at(written, places)] if places else []
        if written is text:
            return _Suspects(glance.names, strings, others)
        return _Suspects(glance.names, [], others | {each.text for each in strings})

    def _depends(self, glance: Glance, value: JsonValue, text: str | None) -> bool:
        """Whether a document has to be looked at leaf by leaf."""
        if not glance.plain or any(self.text_edits(each) for each in glance.large):
            return True
        return text is not None and has_twin_keys(text, value, glance.keys)

    def _inner_suspects(self, texts: Sequence[str], look: Look) -> set[str]:
        """Return the texts that are documents which have to be looked at alone."""
        found: set[str] = set()
        escaped = ESCAPED in look.rules
        # What is secret in a quiet one is seen from outside.
        loud = texts if look.marked else loud_ones(texts)
        todo = [(text, text) for text in loud]
        while todo:
            outer, text = todo.pop()
            value = None if outer in found else document_in(text)
            if value is None:
                continue
            glance = Glance(value, names=self._names)
            # What is written as something else is not to be seen from outside.
            hidden = escaped and has_escapes(text)
            if hidden or self._depends(glance, value, text):
                found.add(outer)
            loud = glance.inner if look.marked else loud_ones(glance.inner)
            todo += [(outer, each) for each in loud]
        return found

    def value(self, value: JsonValue, place: Place = ROOT) -> JsonValue:
        """Return a JSON value redacted; the same object where nothing changes."""
        for _ in range(_PASSES):
            if self._is_clear(value):
                return value
            walk = self.walk(value, place)
            if not walk.changes:
                return value
            value = Rebuild(walk.changes).of(value)
        raise RedactionError("A value", "its rules do not come to rest")

    def _is_clear(self, value: JsonValue) -> bool:
        found = self._suspects(value, None)
        return found is not None and not any(map(self.text_edits, found.others))

    def walk(
        self,
        value: JsonValue,
        place: Place = ROOT,
        gather: Gather | None = None,
    ) -> Walk:
        """Return the changes of a document's leaves."""
        walk = Walk(self, gather)
        walk.visit(value, None, place)
        if gather is None:
            resolve(walk.runs, self.text_edits)
        return walk

    # --- leaves ----------------------------------------------------------------

    def string_edits(self, text: str, key: str | None, place: Place) -> Edits:
        """Return the edits of a string that stands under a key at a place."""
        kind = self._secret_kind(text, key, place)
        if kind is not None:
            return self.whole_edits(text, kind)
        if self._tools and place.tool and not place.path and looks_json(text):
            with contextlib.suppress(ValueError):
                return self.json_edits(text, place)
        return self.text_edits(text)

    def _secret_kind(self, text: str, key: str | None, place: Place) -> str | None:
        """Return what a text is that is secret for where it stands, else None."""
        kind = self._placed_kind(place)
        if kind is None and key is not None and self._names:
            meaning = classify(key)
            kind = meaning.kind if meaning and meaning.covers(text) else None
        return kind if text else None

    def whole_edits(self, text: str, kind: str) -> Edits:
        """Return the edits of a text that is secret as a whole."""
        new = self._scanner.whole(text, kind)
        return () if new == text else (Edit(0, len(text), new),)

    def number(self, value: float, key: str | None, place: Place) -> str | None:
        """Return the digits for a number, or None to keep it."""
        kind = self._placed_kind(place)
        text = str(value)
        if kind is None and isinstance(value, int) and value >= LEAST_NUMBER:
            meaning = classify(key) if key is not None and self._names else None
            if meaning is not None and meaning.covers(text):
                kind = meaning.kind
            elif value >= LEAST_CARD:
                found = self._scanner.edits(text)
                return found[0].text if found and found[0].text.isdigit() else None
        if kind is None or self._scanner.kept(text):
            return None
        return self._pseudonyms.number(kind, text)

    def base64_edits(self, text: str, key: str | None, place: Place) -> Edits:
        """Return the edits of Base64 whose bytes are a text, or secret; others stay."""
        try:
            inside, is_text = base64.b64decode(text, validate=True).decode(), True
        except (ValueError, binascii.Error):
            inside, is_text = text, False
        kind = self._secret_kind(inside, key, place)
        new = inside if kind is None else self._scanner.whole(inside, kind)
        if kind is None and is_text:
            new = self.text(inside)
        made = base64.b64encode(new.encode()).decode()
        return () if new == inside else (Edit(0, len(text), made),)

    def _placed_kind(self, place: Place) -> str | None:
        for rule in self._placed:
            if rule.at(place.path) or rule.takes(place.tool, place.path):
                return rule.kind
        return None


def _is_quiet(text: str, look: Look | None) -> bool:
    return look is not None and not look.marked and is_quiet(text)
