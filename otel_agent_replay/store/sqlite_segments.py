"""The segments of a SQLite store: many spans and payload pieces in one zstd frame.

A segment belongs to one scope. Its lines are JSON; the first character says what a
line holds: `[` a span's row, `"` a payload piece, `@` a piece that lists others, a
digit the number of the next piece.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import starmap
from typing import Any, Final, cast

import orjson

from otel_agent_replay import semconv
from otel_agent_replay.model.content import inline_texts, literals
from otel_agent_replay.model.payload import dump_json
from otel_agent_replay.model.recipe import CONTENT, RECIPE
from otel_agent_replay.store.rows import Row

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = [
    "MERGED_BYTES",
    "SEGMENT_BYTES",
    "Lines",
    "compress",
    "has_text",
    "lines_of",
    "merged",
    "read",
    "read_pieces",
]

SEGMENT_BYTES: Final = 256 << 10
"""What a segment holds before compression; the last of a scope is filled up."""

MERGED_BYTES: Final = 1 << 20
"""What full segments of a scope are merged at."""

_ROW: Final = b"["
_PIECE: Final = b'"'
_RECIPE: Final = b"@"
_SIGNS: Final = frozenset({_PIECE, _RECIPE})
_OPTIONS: Final[dict[int, int]] = {
    zstd.CompressionParameter.compression_level: 5,
    zstd.CompressionParameter.checksum_flag: 1,
}
_MERGED_OPTIONS: Final = {
    **_OPTIONS,
    # Nobody adds to it any more.
    zstd.CompressionParameter.compression_level: 9,
}
_ATTRIBUTES: Final = Row._fields.index("attributes")
_EVENTS: Final = Row._fields.index("event_attributes")


@dataclass(slots=True, kw_only=True)
class Lines:
    """What is added to a segment, and its sums."""

    lines: list[bytes] = field(default_factory=list)
    spans: int = 0
    contents: int = 0
    content_bytes: int = 0
    recorded_bytes: int = 0
    raw_bytes: int = 0

    def add(self, line: bytes) -> None:
        """Add a line."""
        self.lines.append(line)
        self.raw_bytes += len(line) + 1


def lines_of(
    rows: Iterable[Row], pieces: Iterable[tuple[str, bool]], first: int
) -> Iterator[Lines]:
    """Yield spans and payload pieces, in groups that make a segment each.

    Args:
        rows: The spans.
        pieces: The pieces, and whether each lists others.
        first: The number of the first piece.

    Raises:
        OverflowError: A time does not fit.
    """
    group = Lines()
    for number, (text, is_recipe) in enumerate(pieces, first):
        if not group.lines:
            group.add(b"%d" % number)
        line = orjson.dumps(text)
        group.contents += 1
        group.content_bytes += len(line) - 2
        group.add(_RECIPE + line if is_recipe else line)
        if group.raw_bytes >= SEGMENT_BYTES:
            yield group
            group = Lines()
    for row in rows:
        line = _row_line(row)
        group.spans += 1
        group.recorded_bytes += _recorded(row, line)
        group.add(line)
        if group.raw_bytes >= SEGMENT_BYTES:
            yield group
            group = Lines()
    if group.lines:
        yield group


def compress(lines: Lines, before: bytes = b"") -> bytes:
    """Return the data of a segment; `before` is the data that it had.

    Raises:
        ValueError: What it had is damaged.
    """
    raw = b"\n".join(lines.lines)
    if before:
        raw = _decompressed(before) + b"\n" + raw
    return zstd.compress(raw, options=_OPTIONS)


def merged(segments: Iterable[bytes]) -> bytes:
    """Return the data of one segment that has all that these have.

    Raises:
        ValueError: One is damaged.
    """
    raw = b"\n".join(map(_decompressed, segments))
    return zstd.compress(raw, options=_MERGED_OPTIONS)


def read(data: bytes) -> tuple[list[Row], list[str], list[str]]:
    """Return the spans of a segment, the items of its pieces, and these.

    A piece without a number has an item that is its
    sign alone.

    Raises:
        ValueError: It is damaged.
    """
    rows, items, pieces = _sorted(data)
    return [*starmap(Row, _parsed(rows))], items, _parsed(pieces)


def read_pieces(data: bytes) -> tuple[list[str], list[str]]:
    """Return the items of a segment's pieces, and these, as `read` does.

    Raises:
        ValueError: It is damaged.
    """
    _, items, pieces = _sorted(data)
    return items, _parsed(pieces)


def _sorted(data: bytes) -> tuple[list[bytes], list[str], list[bytes]]:
    """Return the lines of rows, the items of pieces, and their lines."""
    rows: list[bytes] = []
    items: list[str] = []
    pieces: list[bytes] = []
    before: int | None = None
    for line in _decompressed(data).split(b"\n"):
        sign = line[:1]
        if sign == _ROW:
            rows.append(line)
            continue
        if sign not in _SIGNS:
            before = int(line) - len(items)
            continue
        number = "" if before is None else before + len(items)
        if sign == _PIECE:
            items.append(f"{CONTENT}{number}")
            pieces.append(line)
        else:
            items.append(f"{RECIPE}{number}")
            pieces.append(line[1:])
    return rows, items, pieces


def has_text(data: bytes, wanted: str) -> bool:
    """Tell whether a value in a segment has this text; case does not count.

    In a damaged one there is none.
    """
    folded = wanted.casefold()
    inside = dump_json(wanted)[1:-1].casefold()
    try:
        raw = _decompressed(data)
    except ValueError:
        return False
    # Text that JSON escapes nothing of stands in the lines as it is.
    if folded.isascii() and inside == folded and folded not in raw.decode().casefold():
        return False
    return any(
        folded in text.casefold() or inside in text.casefold()
        for line in raw.split(b"\n")
        for text in _texts(line)
    )


def _texts(line: bytes) -> Iterator[str]:
    if line.startswith(_PIECE):
        yield orjson.loads(line)
    elif line.startswith(_RECIPE):
        yield from literals(orjson.loads(line[1:]))
    elif line.startswith(_ROW):
        values = orjson.loads(line)
        for attributes in (values[_ATTRIBUTES], *values[_EVENTS]):
            yield from inline_texts(attributes)


def _decompressed(data: bytes) -> bytes:
    try:
        return zstd.decompress(data)
    except zstd.ZstdError as error:
        raise ValueError(str(error)) from error


def _parsed(lines: list[bytes]) -> list[Any]:
    # One call: a parser's own cost is paid once, not once a line.
    return cast("list[Any]", orjson.loads(b"[" + b",".join(lines) + b"]"))


def _row_line(row: Row) -> bytes:
    try:
        return orjson.dumps(tuple(row))
    except TypeError as error:
        raise OverflowError(f"a time of span {row.span_id}: {error}") from error


def _recorded(row: Row, line: bytes) -> int:
    """Return the size of a span with its payloads inline, as far as its row says."""
    said = row.attributes.get(semconv.SPAN_BYTES, "")
    return int(said) if said.isascii() and said.isdigit() else len(line)
