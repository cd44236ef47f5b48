"""A `Recording` as one self-contained JSON text, and back; runs as plain JSON.

The file is made to be read in a diff: a content or a span a line, keys sorted. A
big text stands in it once, also where it is a part of others: a value is a text, or
a list of texts and of `{"content": hash}`, which joined give the text. A content is
a text, or such a list again, of texts only; so a long conversation that comes again
with every step is a short list each time.

A file may come from anyone. Reading one builds plain data and nothing else; whatever
is wrong with it is a `RecordingError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from otel_agent_replay.errors import RecordingError
from otel_agent_replay.model.payload import (
    JsonObject,
    JsonValue,
    canonical_json,
    content_hash,
    dump_json,
    parse_json,
)
from otel_agent_replay.model.run import Recording
from otel_agent_replay.model.span import (
    Attributes,
    EventRecord,
    LinkRecord,
    SpanRecord,
    StatusCode,
)
from otel_agent_replay.model.split import SMALL, split
from otel_agent_replay.replay.views import (
    checkpoint_json,
    report_json,
    run_json,
    step_json,
    summary_json,
)

__all__ = [
    "FORMAT",
    "VERSION",
    "checkpoint_json",
    "content_key",
    "dump_recording",
    "load_recording",
    "recording_of",
    "recording_parts",
    "report_json",
    "run_json",
    "step_json",
    "summary_json",
]

FORMAT: Final = "agent-replay/recording"
VERSION: Final = 1

_LIMIT: Final = 512 << 20
_MAX_EXPANDED: Final = 1 << 30
_MAX_TIME: Final = 1 << 63
_INLINE: Final = 256
_HASH_DIGITS: Final = 24
_LEAST_FOLDED: Final = 4
_FOLD_ENDS: Final = ("0", "1")  # what a hash begins with to end a list: one in 8
_STATUS: Final[dict[JsonValue, StatusCode]] = {
    "Unset": "Unset",
    "Ok": "Ok",
    "Error": "Error",
}


class _DamagedError(ValueError):
    """Something in the file is not as it must be; the message says what."""


# --- writing -------------------------------------------------------------------


def recording_parts(recording: Recording) -> tuple[JsonObject, list[JsonValue]]:
    """Return the contents of a recording by their keys, and its spans in order."""
    contents: JsonObject = {}
    spans = [_span_json(span, contents) for span in recording.spans]
    return {key: contents[key] for key in sorted(contents)}, [*spans]


def content_key(content: JsonValue) -> str:
    """Return the key that a content stands under."""
    return content_hash(dump_json(content).encode())[:_HASH_DIGITS]


def dump_recording(recording: Recording) -> str:
    """Return the file text of a recording; equal recordings give equal texts."""
    texts, spans = recording_parts(recording)
    head: list[tuple[str, JsonValue]] = [
        ("format", FORMAT),
        ("version", VERSION),
        ("run_id", recording.run_id),
        ("digest", _digest(recording.run_id, texts, spans)),
    ]
    lines = [f' "{key}": {_line(value)},\n' for key, value in head]
    listed = [f"  {_line(key)}: {_line(text)}" for key, text in texts.items()]
    return "".join(
        [
            "{\n",
            *lines,
            ' "contents": {\n' + ",\n".join(listed) + "\n },\n",
            ' "spans": [\n' + ",\n".join(f"  {_line(each)}" for each in spans),
            "\n ]\n}\n",
        ]
    )


def _line(value: JsonValue) -> str:
    return dump_json(value)


def _digest(run_id: str, contents: JsonValue, spans: list[JsonValue]) -> str:
    return content_hash(canonical_json([run_id, contents, spans]))


def _span_json(span: SpanRecord, contents: JsonObject) -> JsonObject:
    """Return a span's fields by name, sorted; those at their default are left out."""
    found: JsonObject = {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_span_id": span.parent_span_id,
        "trace_state": span.trace_state,
        "name": span.name,
        "kind": span.kind,
        "resource": _attributes_json(span.resource, contents),
        "scope_name": span.scope_name,
        "scope_version": span.scope_version,
        "attributes": _attributes_json(span.attributes, contents),
        "start_ns": span.start_ns,
        "end_ns": span.end_ns,
        "status_code": span.status_code,
        "status_message": span.status_message,
        "events": [
            {
                "attributes": _attributes_json(each.attributes, contents),
                "name": each.name,
                "time_ns": each.time_ns,
            }
            for each in span.events
        ],
        "links": [
            {
                "attributes": _attributes_json(each.attributes, contents),
                "span_id": each.span_id,
                "trace_id": each.trace_id,
                "trace_state": each.trace_state,
            }
            for each in span.links
        ],
    }
    return {key: found[key] for key in sorted(found) if found[key] not in ("", [], {})}


def _attributes_json(attributes: Attributes, contents: JsonObject) -> JsonObject:
    return {key: _value_json(attributes[key], contents) for key in sorted(attributes)}


def _value_json(text: str, contents: JsonObject) -> JsonValue:
    if len(text) < _INLINE:
        return text
    pieces: list[JsonValue] = []
    for piece in split(text):
        last = pieces[-1] if pieces else None
        if len(piece) >= SMALL:
            pieces.append(_stored(piece, contents))
        elif isinstance(last, str):
            pieces[-1] = last + piece
        else:
            pieces.append(piece)
    return _folded(pieces, contents)


def _stored(content: JsonValue, contents: JsonObject) -> JsonValue:
    key = content_key(content)
    contents[key] = content
    return {"content": key}


def _folded(pieces: list[JsonValue], contents: JsonObject) -> list[JsonValue]:
    """Put neighbours into lists of their own, cut by what stands in them.

    So a list that grows at its end keeps what was folded before.
    """
    result: list[JsonValue] = []
    group: list[JsonValue] = []
    for piece in pieces:
        group.append(piece)
        if isinstance(piece, dict) and str(piece["content"]).startswith(_FOLD_ENDS):
            fold = len(group) >= _LEAST_FOLDED
            result.extend([_stored(group, contents)] if fold else group)
            group = []
    return [*result, *group]


# --- reading -------------------------------------------------------------------


def load_recording(text: str, source: str, *, limit: int = _LIMIT) -> Recording:
    """Return the recording of a file text.

    Args:
        text: The file.
        source: What to call it in an error, such as its path.
        limit: Characters that a file may have.

    Raises:
        RecordingError: It is no recording, damaged, too large, or of a version
            that this package does not know.
    """
    try:
        return _recording(text, limit)
    except _DamagedError as error:
        raise RecordingError(source, str(error)) from None


def _recording(text: str, limit: int) -> Recording:
    if len(text) > limit:
        raise _DamagedError(f"it has {len(text)} characters, more than {limit}")
    try:
        wire = parse_json(text)
    except (ValueError, RecursionError):
        raise _DamagedError("it is not whole JSON; it may be cut off") from None
    if not isinstance(wire, dict) or wire.get("format") != FORMAT:
        raise _DamagedError(f'its "format" is not "{FORMAT}"')
    _check_version(wire.get("version"))
    run_id = _text(wire, "run_id")
    contents = wire.get("contents")
    if not isinstance(contents, dict):
        raise _DamagedError('"contents" is no object')
    spans = _list(wire, "spans")
    if wire.get("digest") != _safe_digest(run_id, contents, spans):
        raise _DamagedError("its digest does not fit; it was changed or damaged")
    return _built(run_id, contents, spans)


def recording_of(
    run_id: str, contents: JsonObject, spans: list[JsonValue], source: str
) -> Recording:
    """Return the recording that `recording_parts` gave the parts of.

    Raises:
        RecordingError: A part is missing or is none.
    """
    try:
        return _built(run_id, contents, spans)
    except _DamagedError as error:
        raise RecordingError(source, str(error)) from None


def _built(run_id: str, contents: JsonObject, spans: list[JsonValue]) -> Recording:
    reader = _Reader(contents)
    found = tuple(reader.span(_dict(each, "a span")) for each in spans)
    return Recording(run_id=run_id, spans=found)


def _check_version(version: JsonValue) -> None:
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise _DamagedError('its "version" is no version')
    if version > VERSION:
        raise _DamagedError(
            f"it has version {version}, this package knows up to {VERSION}; upgrade "
            "otel-agent-replay"
        )


def _safe_digest(run_id: str, contents: JsonValue, spans: list[JsonValue]) -> str:
    try:
        return _digest(run_id, contents, spans)
    except (ValueError, RecursionError, OverflowError):
        raise _DamagedError("it is nested too deep or has no valid text") from None


class _Reader:
    """Builds spans out of JSON that anyone may have written."""

    def __init__(self, contents: Mapping[str, JsonValue]) -> None:
        self._contents = contents
        self._lists: dict[str, str] = {}
        self._size = 0

    def span(self, wire: JsonObject) -> SpanRecord:
        return SpanRecord(
            trace_id=_text(wire, "trace_id"),
            span_id=_text(wire, "span_id"),
            parent_span_id=_text_or_empty(wire, "parent_span_id"),
            trace_state=_text_or_empty(wire, "trace_state"),
            name=_text_or_empty(wire, "name"),
            kind=_text_or_empty(wire, "kind"),
            resource=self._attributes(wire, "resource"),
            scope_name=_text_or_empty(wire, "scope_name"),
            scope_version=_text_or_empty(wire, "scope_version"),
            attributes=self._attributes(wire, "attributes"),
            start_ns=_time(wire, "start_ns"),
            end_ns=_time(wire, "end_ns"),
            status_code=_status(wire.get("status_code")),
            status_message=_text_or_empty(wire, "status_message"),
            events=tuple(self._event(each) for each in _list(wire, "events")),
            links=tuple(self._link(each) for each in _list(wire, "links")),
        )

    def _event(self, value: JsonValue) -> EventRecord:
        wire = _dict(value, "an event")
        return EventRecord(
            name=_text_or_empty(wire, "name"),
            time_ns=_time(wire, "time_ns"),
            attributes=self._attributes(wire, "attributes"),
        )

    def _link(self, value: JsonValue) -> LinkRecord:
        wire = _dict(value, "a link")
        return LinkRecord(
            trace_id=_text_or_empty(wire, "trace_id"),
            span_id=_text_or_empty(wire, "span_id"),
            trace_state=_text_or_empty(wire, "trace_state"),
            attributes=self._attributes(wire, "attributes"),
        )

    def _attributes(self, wire: JsonObject, name: str) -> dict[str, str]:
        values = _dict(wire.get(name, {}), f'"{name}"')
        return {key: self._joined(value) for key, value in values.items()}

    def _joined(self, value: JsonValue, *, nested: bool = True) -> str:
        pieces = value if isinstance(value, list) else [value]
        return "".join(self._counted(self._piece(each, nested)) for each in pieces)

    def _counted(self, text: str) -> str:
        self._size += len(text) + 1
        if self._size > _MAX_EXPANDED:
            raise _DamagedError("its payloads are too large")
        return text

    def _piece(self, piece: JsonValue, nested: bool) -> str:  # noqa: FBT001 - private
        if isinstance(piece, str):
            return piece
        match piece:
            case {"content": str(key)}:
                return self._content(key, nested)
            case _:
                raise _DamagedError("an attribute is neither text nor pieces of text")

    def _content(self, key: str, nested: bool) -> str:  # noqa: FBT001 - private
        content = self._contents.get(key)
        if isinstance(content, str):
            return content
        if key in self._lists:
            return self._lists[key]
        if not nested or not isinstance(content, list):
            raise _DamagedError(f"the content {key[:_HASH_DIGITS]!r} is missing")
        self._lists[key] = self._joined(content, nested=False)
        return self._lists[key]


def _dict(value: JsonValue, what: str) -> JsonObject:
    if not isinstance(value, dict):
        raise _DamagedError(f"{what} is no object")
    return value


def _list(wire: JsonObject, name: str) -> list[JsonValue]:
    value = wire.get(name, [])
    if not isinstance(value, list):
        raise _DamagedError(f'"{name}" is no list')
    return value


def _text(wire: JsonObject, name: str) -> str:
    value = wire.get(name)
    if not isinstance(value, str) or not value:
        raise _DamagedError(f'"{name}" is no text')
    return value


def _text_or_empty(wire: JsonObject, name: str) -> str:
    return _text(wire, name) if wire.get(name, "") != "" else ""


def _time(wire: JsonObject, name: str) -> int:
    value = wire.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _DamagedError(f'"{name}" is no time')
    if not 0 <= value < _MAX_TIME:
        raise _DamagedError(f'"{name}" is out of range')
    return value


def _status(value: JsonValue) -> StatusCode:
    if not isinstance(value, str) or value not in _STATUS:
        raise _DamagedError('"status_code" is none')
    return _STATUS[value]
