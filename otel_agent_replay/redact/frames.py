"""Binary event streams of AWS: frames with checksums around JSON."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from otel_agent_replay.model.payload import JsonValue, dump_json, parse_json
from otel_agent_replay.redact.documents import Documents
from otel_agent_replay.redact.edits import ByteEdit, applied
from otel_agent_replay.redact.failure import RedactionError
from otel_agent_replay.redact.lanes import stream_edits

__all__ = ["EVENT_STREAM", "frame_edits"]

EVENT_STREAM: Final = "application/vnd.amazon.eventstream"
_PRELUDE: Final = 12
_CHECKSUM: Final = 4


class _Frame(NamedTuple):
    """One frame; `text` is its JSON, unwrapped from the Base64 it may stand in."""

    start: int
    end: int
    headers: bytes
    payload: str
    text: str

    def with_text(self, text: str) -> bytes:
        """Return the frame with another text, its lengths and checksums right."""
        payload = text
        if self.text is not self.payload:
            wrapped = parse_json(self.payload)
            assert isinstance(wrapped, dict)  # noqa: S101 - `_inside` has seen it
            inside = base64.b64encode(text.encode()).decode()
            payload = dump_json({**wrapped, "bytes": inside})
        return _encoded(self.headers, payload.encode())


def frame_edits(documents: Documents, content: bytes) -> list[ByteEdit]:
    """Return the edits of a binary event stream, whole frames each.

    Raises:
        RedactionError: The bytes are no such stream.
    """
    frames = list(_frames(content))
    shares = stream_edits(documents, [(_kind(each), each.text) for each in frames])
    return [
        ByteEdit(frame.start, frame.end, frame.with_text(applied(frame.text, share)))
        for frame, share in zip(frames, shares, strict=True)
        if share
    ]


def _kind(frame: _Frame) -> str:
    return frame.headers.decode("latin-1")


def _frames(content: bytes) -> Iterator[_Frame]:
    at = 0
    while at < len(content):
        frame = _frame(content, at)
        if frame is None:
            raise RedactionError("A body", "it is binary or compressed")
        yield frame
        at = frame.end


def _frame(content: bytes, at: int) -> _Frame | None:
    prelude = content[at : at + _PRELUDE]
    if len(prelude) < _PRELUDE:
        return None
    total, headers, checksum = struct.unpack(">III", prelude)
    end = at + total
    if checksum != zlib.crc32(prelude[:8]) or end > len(content):
        return None
    body = content[at + _PRELUDE : end - _CHECKSUM]
    try:
        payload = body[headers:].decode()
    except UnicodeDecodeError:
        return None
    return _Frame(at, end, body[:headers], payload, _inside(payload))


def _inside(payload: str) -> str:
    """Return the text that a payload wraps as `{"bytes": Base64}`, or itself."""
    try:
        value: JsonValue = parse_json(payload)
        inside = value.get("bytes") if isinstance(value, dict) else None
        if isinstance(inside, str):
            return base64.b64decode(inside, validate=True).decode()
    except (ValueError, binascii.Error):
        return payload
    return payload


def _encoded(headers: bytes, payload: bytes) -> bytes:
    total = _PRELUDE + len(headers) + len(payload) + _CHECKSUM
    lengths = struct.pack(">II", total, len(headers))
    prelude = lengths + struct.pack(">I", zlib.crc32(lengths))
    message = prelude + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))
