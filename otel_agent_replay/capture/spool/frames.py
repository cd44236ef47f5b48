"""Frames: checksummed, length-bounded records of an append-only file. Pure.

A file begins with `MAGIC`, whose last byte is the version. A frame is its header
(length of the content, CRC-32 of all that follows it, number, kind; little-endian)
and the content. Where a process was killed in the middle of a write, the last frame
is torn: it, and nothing before it, is lost.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final, Literal

__all__ = [
    "LONGEST",
    "MAGIC",
    "Content",
    "Frame",
    "Kind",
    "framed",
    "header_size",
    "is_of_other_version",
    "read_frames",
]

_NAME: Final = b"agent-replay spool "
MAGIC: Final = _NAME + b"\x01"
LONGEST: Final = 1 << 30
"""Bytes of one frame; a length above it is damage."""

Kind = Literal["spans", "open", "sent", "held", "settled"]
_KINDS: Final[tuple[Kind, ...]] = ("spans", "open", "sent", "held", "settled")
_HEADER: Final = struct.Struct("<IIQB")
_CHECKED_FROM: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A record and where its content stands in its file."""

    kind: Kind
    number: int
    start: int
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The good frames of a file, and how many bytes behind them are none."""

    frames: tuple[Frame, ...]
    torn: int


def framed(kind: Kind, number: int, content: bytes) -> bytes:
    """Return a frame."""
    code = _KINDS.index(kind)
    header = _HEADER.pack(len(content), 0, number, code)
    checksum = zlib.crc32(content, zlib.crc32(header[_CHECKED_FROM:]))
    return _HEADER.pack(len(content), checksum, number, code) + content


def header_size() -> int:
    """Return how many bytes stand before a frame's content."""
    return _HEADER.size


def is_of_other_version(file: bytes) -> bool:
    """Return whether another version of this package wrote a file."""
    return file.startswith(_NAME) and not file.startswith(MAGIC) and file != _NAME


def read_frames(file: bytes) -> Content:
    """Return the frames of a file, up to the first damage."""
    if not file.startswith(MAGIC):
        return Content(frames=(), torn=len(file))
    frames: list[Frame] = []
    at = len(MAGIC)
    while at < len(file):
        frame = _frame_at(file, at)
        if frame is None:
            break
        frames.append(frame)
        at = frame.start + len(frame.content)
    return Content(frames=tuple(frames), torn=len(file) - at)


def _frame_at(file: bytes, at: int) -> Frame | None:
    start = at + _HEADER.size
    if start > len(file):
        return None
    length, checksum, number, code = _HEADER.unpack_from(file, at)
    end = start + length
    if length > LONGEST or end > len(file) or code >= len(_KINDS):
        return None
    content = file[start:end]
    seen = zlib.crc32(content, zlib.crc32(file[at + _CHECKED_FROM : start]))
    if seen != checksum:
        return None
    return Frame(kind=_KINDS[code], number=number, start=start, content=content)
