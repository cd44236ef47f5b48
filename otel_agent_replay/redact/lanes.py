"""Streams: a secret may be split over the events that carry a text piece by piece.

The pieces of one text make a lane; it is redacted whole and given back to its
pieces: the pseudonym goes where the secret starts, the rest of it vanishes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from otel_agent_replay.model.payload import JsonValue, parse_json
from otel_agent_replay.redact.documents import Documents
from otel_agent_replay.redact.edits import Edits, distributed
from otel_agent_replay.redact.logprobs import Changes, TokenRuns, resolve
from otel_agent_replay.redact.tokens import has_twin_keys, parse_twins, token_edits
from otel_agent_replay.redact.walk import Gather, Place

__all__ = ["stream_edits"]

_LANE_KEYS: Final = frozenset(
    {"content", "text", "arguments", "partial_json", "thinking", "reasoning_content"}
    | {"reasoning", "delta", "refusal", "input", "transcript", "completion"}
    | {"response", "generation", "outputText", "output_text", "textDelta"}
    | {"inputTextDelta", "reasoningText", "arguments_delta"},
)
_AT_ROOT: Final = ("type", "id", "item_id")
_STARTS: Final = ("content_block", "item")


@dataclass(slots=True)
class _Piece:
    event: int
    leaf: int
    text: str


@dataclass(slots=True)
class _Lane:
    key: str | None
    place: Place
    pieces: list[_Piece] = field(default_factory=list)


class _Stream:
    """The lanes and changes of a stream while its events are read."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._lanes: dict[tuple[object, ...], _Lane] = {}
        self._tools: dict[tuple[object, ...], str] = {}
        self._runs: TokenRuns = {}
        self.changes: list[Changes] = []

    def read(self, name: str, value: JsonValue) -> int:
        """Take an event's value; return how many keys it has."""
        event = len(self.changes)
        place = Place(lane=(name, *_marks(value)))
        if isinstance(value, dict):
            self._note_tool(value)
        tool = self._tools.get(_position(value))
        if tool is not None:
            place = place._replace(tool=tool)
        walk = self._documents.walk(value, place, self._gather(event))
        self.changes.append(walk.changes)
        for lane, tokens in walk.runs.items():
            self._runs.setdefault(lane, []).extend(tokens)
        return walk.keys

    def read_text(self, name: str, text: str) -> None:
        """Take an event that is plain text."""
        self._add(_Piece(len(self.changes), -1, text), None, Place(lane=(name,)))
        self.changes.append({})

    def _gather(self, event: int) -> Gather:
        def gather(leaf: int, text: str, key: str | None, place: Place) -> bool:
            if key is not None and key not in _LANE_KEYS:
                return False
            self._add(_Piece(event, leaf, text), key, place)
            return True

        return gather

    def _add(self, piece: _Piece, key: str | None, place: Place) -> None:
        lane = self._lanes.setdefault(place.lane, _Lane(key, place))
        if lane.place.tool is None and place.tool is not None:
            lane.place = place
        lane.pieces.append(piece)

    def _note_tool(self, value: dict[str, JsonValue]) -> None:
        """Remember which tool the argument pieces to come belong to."""
        for name in _STARTS:
            started = value.get(name)
            if isinstance(started, dict) and isinstance(started.get("name"), str):
                self._tools[_position(value)] = str(started["name"])

    def resolve(self) -> None:
        """Redact the lanes and add what changes in their pieces."""
        resolve(self._runs, self._documents.text_edits)
        for lane in self._lanes.values():
            joined = "".join(piece.text for piece in lane.pieces)
            place = lane.place
            if place.tool is not None:
                place = Place(tool=place.tool)
            edits = self._documents.string_edits(joined, lane.key, place)
            if not edits:
                continue
            lengths = [len(piece.text) for piece in lane.pieces]
            shares = distributed(edits, lengths)
            for piece, share in zip(lane.pieces, shares, strict=True):
                if share:
                    self.changes[piece.event][piece.leaf] = share


def stream_edits(
    documents: Documents,
    events: Sequence[tuple[str, str]],
) -> list[Edits]:
    """Return the edits of each event of a stream, given as (name, text).

    An event that changes nothing has no edits.
    """
    stream = _Stream(documents)
    for name, text in events:
        value = _parsed(text)
        if value is None:
            stream.read_text(name, text)
            continue
        keys = stream.read(name, value)
        if has_twin_keys(text, value, keys):
            stream.changes.pop()
            stream.read(f"{name} {len(stream.changes)}", parse_twins(text))
    stream.resolve()
    return [
        _edits(text, changes)
        for (_, text), changes in zip(events, stream.changes, strict=True)
    ]


def _edits(text: str, changes: Changes) -> Edits:
    whole = changes.get(-1)
    if isinstance(whole, tuple):
        return whole
    return token_edits(text, changes) if changes else ()


def _parsed(text: str) -> JsonValue:
    """Return an event's JSON value, or None where it is to be read as text."""
    if text.lstrip()[:1] not in {"{", "[", '"'}:
        return None
    try:
        return parse_json(text)
    except ValueError:
        return None


def _marks(value: JsonValue) -> list[JsonValue]:
    return [value.get(name) for name in _AT_ROOT] if isinstance(value, dict) else []


def _position(value: JsonValue) -> tuple[object, ...]:
    if not isinstance(value, dict):
        return ()
    return value.get("index"), value.get("output_index")
