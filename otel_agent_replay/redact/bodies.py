"""Bodies: which edits a body needs, by its media type or by its look."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from email.message import Message
from functools import lru_cache
from typing import Final, NamedTuple

from otel_agent_replay.redact.documents import Documents, looks_json
from otel_agent_replay.redact.edits import (
    ByteEdit,
    Edit,
    Edits,
    byte_edits,
    moved,
    spliced,
)
from otel_agent_replay.redact.failure import RedactionError
from otel_agent_replay.redact.frames import EVENT_STREAM, frame_edits
from otel_agent_replay.redact.lanes import stream_edits
from otel_agent_replay.redact.urls import parameters
from otel_agent_replay.redact.walk import ROOT

__all__ = ["body_edits", "is_plain_json", "settled_body"]

_PICTURES_AND_SOUND: Final = ("image/", "audio/", "video/", "font/")
_NOT_SEARCHED_BUT_TEXT: Final = ("image/svg+xml",)
_LINES: Final = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/stream+json"}
    | {"application/x-json-stream", "application/json-seq"},
)
_PASSES: Final = 8
_CODECS: Final = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "iso-8859-1": "latin-1",
    "latin-1": "latin-1",
    "windows-1252": "cp1252",
}


class _MediaType(NamedTuple):
    name: str
    charset: str
    boundary: str


@lru_cache(maxsize=256)
def _media_type(text: str | None) -> _MediaType:
    message = Message()
    message["content-type"] = text or ""
    charset = message.get_param("charset")
    boundary = message.get_param("boundary")
    return _MediaType(
        (text or "").partition(";")[0].strip().lower(),
        charset.lower() if isinstance(charset, str) else "utf-8",
        boundary if isinstance(boundary, str) else "",
    )


def is_plain_json(content_type: str | None) -> bool:
    """Whether a body of this type is one JSON value in UTF-8, if it is any."""
    media = _media_type(content_type)
    known = media.name in {"", "application/json"}
    return known and _CODECS.get(media.charset) == "utf-8"


def settled_body(
    documents: Documents,
    content: bytes,
    content_type: str | None,
    stops: Sequence[int] = (),
) -> tuple[bytes, list[int]]:
    """Return a body redacted, and where ascending offsets in it are then.

    Raises:
        RedactionError: See `body_edits`; or its rules do not come to rest.
    """
    places = list(stops)
    for _ in range(_PASSES):
        edits = body_edits(documents, content, content_type)
        if not edits:
            return content, places
        content, places = spliced(content, edits), moved(places, edits)
    raise RedactionError("A body", "its rules do not come to rest")


def body_edits(
    documents: Documents,
    content: bytes,
    content_type: str | None,
) -> list[ByteEdit]:
    """Return the edits of a body.

    Pictures and sound are left as they are.

    Raises:
        RedactionError: It is no text, or compressed, or in an unknown charset.
    """
    media = _media_type(content_type)
    if not content or _is_picture_or_sound(media.name):
        return []
    if media.name == EVENT_STREAM or (not media.name and not _is_text(content)):
        return frame_edits(documents, content)
    if media.name.startswith("multipart/") and media.boundary:
        return _multipart_edits(documents, content, media.boundary)
    codec = _CODECS.get(media.charset)
    if codec is None:
        raise RedactionError("A body", f"its charset {media.charset!r} is not known")
    try:
        text = content.decode(codec)
    except UnicodeDecodeError:
        raise RedactionError("A body", "it is binary or compressed") from None
    return byte_edits(text, _text_edits(documents, text, media.name), codec)


def _is_picture_or_sound(name: str) -> bool:
    return name.startswith(_PICTURES_AND_SOUND) and name not in _NOT_SEARCHED_BUT_TEXT


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text_edits(documents: Documents, text: str, media: str) -> Edits:
    if media == "application/x-www-form-urlencoded":
        return documents.found_edits(text, parameters)
    if media == "text/event-stream" or (not media and _is_event_stream(text)):
        return _placed(documents, list(_server_sent_events(text)))
    if media in _LINES or _is_json_lines(text, media):
        return _placed(documents, list(_lines(text)))
    if text.lstrip()[:1] == "[" and '"candidates"' in text:
        return _placed(documents, list(_elements(text)))
    return documents.fresh_edits(text)


def _is_event_stream(text: str) -> bool:
    return text.lstrip().startswith(("data:", "event:", "id:"))


def _is_json_lines(text: str, media: str) -> bool:
    """Whether several JSON objects stand one a line."""
    if (media and "json" not in media) or "\n" not in text:
        return False
    first, newline, rest = text.strip().partition("\n")
    first, rest = first.rstrip(), rest.lstrip()
    return bool(newline) and looks_json(first) and rest.startswith(first[:1])


# --- events --------------------------------------------------------------------


class _Event(NamedTuple):
    """A piece of a stream.

    `lines` says where each line of `text` begins, in it and in the body.
    """

    name: str
    text: str
    lines: tuple[tuple[int, int], ...]

    def placed(self, edits: Edits) -> Iterator[Edit]:
        """Yield the edits of the text as edits of the body."""
        for start, end, text in edits:
            yield Edit(self._at(start), self._at(end - 1) + 1, text)

    def _at(self, position: int) -> int:
        inner, outer = next(
            line for line in reversed(self.lines) if line[0] <= position
        )
        return outer + position - inner


def _placed(documents: Documents, events: list[_Event]) -> Edits:
    """Return the edits of a body from those of its events."""
    shares = stream_edits(documents, [(event.name, event.text) for event in events])
    found = (
        edit
        for event, share in zip(events, shares, strict=True)
        for edit in event.placed(share)
    )
    return tuple(sorted(found))


_LINE: Final = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")


def _server_sent_events(text: str) -> Iterator[_Event]:
    """Yield the events of a stream; other lines than `data:` are texts alone."""
    name, pieces = "", list[tuple[int, str]]()
    for line in _LINE.finditer(text):
        content, start = line.group(1), line.start()
        field, _, value = content.partition(":")
        at = start + len(content) - len(value.removeprefix(" "))
        if field == "data":
            pieces.append((at, value.removeprefix(" ")))
        elif content:
            if field == "event":
                name = value.strip()
            yield _Event(f"line {start}", content, ((0, start),))
        elif pieces:
            yield _joined(name, pieces)
            name, pieces = "", []
    if pieces:
        yield _joined(name, pieces)


def _joined(name: str, pieces: list[tuple[int, str]]) -> _Event:
    lines: list[tuple[int, int]] = []
    length = 0
    for at, text in pieces:
        lines.append((length, at))
        length += len(text) + 1
    return _Event(name, "\n".join(text for _, text in pieces), tuple(lines))


def _lines(text: str) -> Iterator[_Event]:
    for line in _LINE.finditer(text):
        if line.group(1).strip():
            yield _Event("", line.group(1), ((0, line.start()),))


def _elements(text: str) -> Iterator[_Event]:
    """Yield the elements of a streamed JSON list; what is cut off is a text."""
    decoder = json.JSONDecoder()
    at = text.index("[") + 1
    while True:
        while at < len(text) and (text[at].isspace() or text[at] == ","):
            at += 1
        try:
            _, end = decoder.raw_decode(text, at)
        except ValueError:
            break
        yield _Event("", text[at:end], ((0, at),))
        at = end
    if text[at:].strip(" \r\n\t]"):
        yield _Event("rest", text[at:], ((0, at),))


# --- multipart -----------------------------------------------------------------


def _multipart_edits(
    documents: Documents,
    content: bytes,
    boundary: str,
) -> list[ByteEdit]:
    made: list[ByteEdit] = []
    mark = b"--" + boundary.encode("latin-1", "replace")
    at = content.find(mark)
    while at >= 0:
        start = at + len(mark)
        at = content.find(b"\n" + mark, start)
        end = at if at >= 0 else len(content)
        if content[end - 1 : end] == b"\r":
            end -= 1
        made += _part_edits(documents, content[start:end], start)
        at = at + 1 if at >= 0 else -1
    return made


def _part_edits(documents: Documents, part: bytes, offset: int) -> list[ByteEdit]:
    head, gap, body = part.partition(b"\r\n\r\n")
    if not gap:
        head, gap, body = part.partition(b"\n\n")
    if not gap:
        return []
    heading = head.decode("latin-1")
    made = byte_edits(heading, documents.text_edits(heading), "latin-1")
    fields = _fields(heading)
    edits = _field_edits(documents, body, fields)
    start = len(head) + len(gap)
    made += [ByteEdit(a + start, b + start, new) for a, b, new in edits]
    return [ByteEdit(a + offset, b + offset, new) for a, b, new in made]


def _field_edits(documents: Documents, body: bytes, fields: Message) -> list[ByteEdit]:
    kind = fields.get("content-type")
    name = fields.get_param("name", header="content-disposition")
    if kind is not None and not kind.startswith("text/plain"):
        return body_edits(documents, body, kind)
    if not _is_text(body):
        raise RedactionError("A form field", "it is binary and of no known type")
    text = body.decode()
    key = name if isinstance(name, str) else None
    return byte_edits(text, documents.string_edits(text, key, ROOT), "utf-8")


def _fields(heading: str) -> Message:
    message = Message()
    for line in heading.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            message[name.strip()] = value.strip()
    return message
