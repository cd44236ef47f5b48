"""Request bodies that grow from step to step: only what is new is redacted.

A model call repeats the whole conversation, as the elements of one list. Such a body
is cut around these elements, and each part is redacted on its own, at its own place.
A part's redaction depends on nothing outside it: what could make it do so (names
beside values, tokens, command lines, lines of JSON, other charsets) is not cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from otel_agent_replay.model.payload import JsonObject, JsonValue, parse_json
from otel_agent_replay.model.pieces import (
    GrowingText,
    Piece,
    folded,
    piece_of,
)
from otel_agent_replay.model.shared import Conversation, SharedObject
from otel_agent_replay.model.split import joined, split
from otel_agent_replay.redact.cutting import (
    LISTS,
    Sent,
    UncutError,
    elements,
    list_in,
    members,
)
from otel_agent_replay.redact.documents import Documents
from otel_agent_replay.redact.edits import applied
from otel_agent_replay.redact.logprobs import TOKEN
from otel_agent_replay.redact.memo import Memo
from otel_agent_replay.redact.walk import ROOT, Place

__all__ = ["GrowingBodies", "GrowingBody"]

_NAMING: Final = frozenset({"name", "key", "$type"})
"""Members that say what the value beside them is."""
_LEAST: Final = 512
_MOST: Final = 4 << 20
_MEMO: Final = 2 << 20
_HEADS: Final = 8
_LONGEST_HEAD: Final = 64 << 10


class _Element(NamedTuple):
    """An element, redacted; `grown` is how many bytes that added."""

    piece: Piece
    value: SharedObject
    grown: int


class _Member(NamedTuple):
    """A member of the body, redacted and cut."""

    cut: tuple[str, ...]
    value: JsonObject
    grown: int


class _Around(NamedTuple):
    """What stands around the elements; `name` is that of their list."""

    raw_head: bytes
    raw_tail: bytes
    name: str
    head: Piece
    tail: Piece
    value: SharedObject
    grown: int


# Not frozen: that would make it four times as slow, and it comes with every step.
@dataclass(slots=True, kw_only=True, eq=False)
class GrowingBody:
    """A request body, redacted, in pieces.

    Attributes:
        text: The redacted text.
        value: Its JSON value; the elements are shared with other bodies.
        size: Its length in bytes.
        raw: The body that was sent.
        around: What stands around its elements.
        ends: Where each element ends in what was sent.
        values: The elements.
        grown: By how many bytes they are longer now, up to each.
    """

    text: GrowingText
    value: Conversation
    size: int
    raw: bytes
    around: _Around
    ends: Sequence[int]
    values: Sequence[JsonValue]
    grown: Sequence[int]

    def goes_on_from(self, before: GrowingBody) -> bool:
        """Whether it repeats most of a body; two that only begin alike do not."""
        return 2 * self.text.kept >= len(before.ends)


class GrowingBodies:
    """Redacts bodies that go on from earlier ones. Pure but for a bounded memo."""

    def __init__(self, documents: Documents | None) -> None:
        """Take what redacts; None if nothing is redacted."""
        self._documents = documents
        self._elements: Memo[_Element] = Memo(_MEMO)
        self._members: Memo[_Member] = Memo(_MEMO)
        self._arounds: Memo[_Around] = Memo(_MEMO)
        self._heads: tuple[bytes, ...] = ()

    def redacted(
        self, raw: bytes, before: Sequence[GrowingBody]
    ) -> tuple[GrowingBody, GrowingBody | None] | None:
        """Return a body redacted, and which of some earlier ones it goes on from.

        None if it is not one that can be cut.

        Raises:
            RedactionError: A rule failed.
        """
        if not _LEAST <= len(raw) <= _MOST or b"\n" in raw or b"\r" in raw:
            return None
        best, kept = _nearest(raw, before)
        try:
            if best is not None:
                try:
                    return self._next(raw, best, kept), best
                except UncutError:
                    pass
            return self._first(raw), None
        except (UncutError, UnicodeDecodeError, RecursionError):
            # What is deeply nested, no text, or no JSON is left to those who say so.
            return None

    # --- the next body -------------------------------------------------------------

    def _next(self, raw: bytes, before: GrowingBody, kept: int) -> GrowingBody:
        around, start = before.around, before.ends[kept - 1]
        stop = len(raw) - len(around.raw_tail)
        if start <= stop and raw.endswith(around.raw_tail):
            found = [*elements(raw[start:stop].decode(), whole=True)]
        else:
            found = [*elements(raw[start:].decode(), whole=False)]
            stop = start + sum(len(each.text.encode()) for each in found)
            around = self._around(around.raw_head, raw[stop:])
        return self._made(raw, around, found, before, kept)

    def _first(self, raw: bytes) -> GrowingBody:
        raw_head = self._known_head(raw)
        if not raw_head:
            text = raw.decode()
            raw_head = text[: list_in(text)].encode()
        text = raw[len(raw_head) :].decode()
        found = [*elements(text, whole=False, first=True)]
        stop = len(raw_head) + sum(len(each.text.encode()) for each in found)
        around = self._around(raw_head, raw[stop:])
        return self._made(raw, around, found, None, 0)

    def _made(
        self,
        raw: bytes,
        around: _Around,
        found: Sequence[Sent],
        before: GrowingBody | None,
        kept: int,
    ) -> GrowingBody:
        name = around.name
        ends = list(before.ends[:kept]) if before else []
        values = list(before.values[:kept]) if before else []
        grown = list(before.grown[:kept]) if before else []
        pieces: list[Piece] = []
        end = ends[-1] if ends else len(around.raw_head)
        more = grown[-1] if grown else 0
        for number, each in enumerate(found, kept):
            element = self._element(name, number, each)
            raw_text = each.text
            end += len(raw_text) if raw_text.isascii() else len(raw_text.encode())
            more += element.grown
            ends.append(end)
            values.append(element.value)
            grown.append(more)
            pieces.append(element.piece)
        text = before.text if before else None
        return GrowingBody(
            text=GrowingText.after(text, kept, around.head, pieces, around.tail),
            value=Conversation(around.value, name, [*values]),
            size=len(raw) + around.grown + more,
            raw=raw,
            around=around,
            ends=ends,
            values=values,
            grown=grown,
        )

    def _known_head(self, raw: bytes) -> bytes:
        """Return what an earlier body had before its elements, where this one has too.

        What begins alike has its list at the same place.
        """
        return next((each for each in self._heads if raw.startswith(each)), b"")

    # --- parts ----------------------------------------------------------------------

    def _element(self, name: str, number: int, raw: Sent) -> _Element:
        memo = f"{name}\0{number}\0{raw.text}"
        known = self._elements.get(memo)
        if known is not None:
            return known
        old = raw.text[raw.at :]
        text, grown = self._text(old, raw.value, Place((name, number)))
        value = raw.value if text is old else parse_json(text)
        if not isinstance(value, dict) or TOKEN in value:
            raise UncutError
        whole = raw.text if text is old else raw.text[: raw.at] + text
        made = _Element(piece_of(whole), SharedObject(value), grown)
        self._elements.put(memo, made)
        return made

    def _around(self, raw_head: bytes, raw_tail: bytes) -> _Around:
        """Return what stands around the list, redacted."""
        memo = f"{raw_head.decode()}\0{raw_tail.decode()}"
        known = self._arounds.get(memo)
        if known is None:
            known = self._made_around(raw_head, raw_tail)
            self._arounds.put(memo, known)
            if raw_head not in self._heads and len(raw_head) <= _LONGEST_HEAD:
                self._heads = (raw_head, *self._heads[: _HEADS - 1])
        return known

    def _made_around(self, raw_head: bytes, raw_tail: bytes) -> _Around:
        """Redact the members around the list, each on its own."""
        head, tail = raw_head.decode(), raw_tail.decode()
        text, begin = f"{head}{tail}", len(head)
        value: JsonObject = {}
        cut: list[str] = []
        before: list[str] = []
        name, grown, done = "", 0, 0
        for each in members(text):
            if each.value == begin - 1:
                member = self._member(f"{text[each.start : begin]}]")
                cut += (text[done : each.start], "".join(member.cut)[:-1])
                before, cut = cut, [text[begin : each.end]]
                name = next(iter(member.value))
                if name not in LISTS:
                    raise UncutError
            else:
                member = self._member(text[each.start : each.end])
                cut += (text[done : each.start], *member.cut)
            if (value.keys() | _NAMING) & member.value.keys():
                raise UncutError
            value |= member.value
            grown += member.grown
            done = each.end
        cut.append(text[done:])
        return _Around(
            raw_head=raw_head,
            raw_tail=raw_tail,
            name=name,
            head=folded([piece_of(each) for each in joined(before)]),
            tail=folded([piece_of(each) for each in joined(cut)]),
            value=SharedObject(value),
            grown=grown,
        )

    def _member(self, raw: str) -> _Member:
        known = self._members.get(raw)
        if known is not None:
            return known
        sent = f"{{{raw}}}"
        text, grown = self._text(sent, parse_json(sent), ROOT)
        value = parse_json(text)
        if not isinstance(value, dict) or len(value) != 1:
            raise UncutError
        cut = split(text)
        cut[0] = cut[0][1:]
        cut[-1] = cut[-1][:-1]
        shared = {key: _shared(item) for key, item in value.items()}
        made = _Member(tuple(cut), shared, grown)
        self._members.put(raw, made)
        return made

    def _text(self, text: str, value: JsonValue, place: Place) -> tuple[str, int]:
        """Return a JSON text redacted, and by how many bytes it is longer."""
        documents = self._documents
        edits = documents.parsed_edits(text, value, place) if documents else ()
        if not edits:
            return text, 0
        new = applied(text, edits).encode("utf-8", "replace")
        return new.decode(), len(new) - len(text.encode())


def _shared(value: JsonValue) -> JsonValue:
    """Return a list's objects as shared ones: tools, system instructions."""
    if not isinstance(value, list):
        return value
    return [SharedObject(each) if isinstance(each, dict) else each for each in value]


def _nearest(
    raw: bytes, before: Sequence[GrowingBody]
) -> tuple[GrowingBody | None, int]:
    """Return the body that shares most elements from the first one, and how many."""
    best, most = None, 0
    for each in before:
        kept = _kept(raw, each)
        if kept > most:
            best, most = each, kept
    return best, most


def _kept(raw: bytes, before: GrowingBody) -> int:
    ends = before.ends
    least, most = 0, len(ends)
    middle = most
    while least < most:
        if raw.startswith(before.raw[: ends[middle - 1]]):
            least = middle
        else:
            most = middle - 1
        middle = (least + most + 1) // 2
    return least
