"""Writes segments: the last one of a scope is filled up, full ones are merged.

The compressor too gives up the interpreter's lock at every call: so it is called
once a scope and segment, not once a span.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from otel_agent_replay.store.sqlite_segments import (
    MERGED_BYTES,
    SEGMENT_BYTES,
    Lines,
    compress,
    merged,
)
from otel_agent_replay.store.sqlite_statements import (
    Values,
    delete_in,
    insert,
    select_in,
)

__all__ = ["write_segments"]

_SUMS: Final = '"Spans", "Contents", "ContentBytes", "RecordedBytes", "RawBytes"'
_SEGMENT: Final = f'"Scope", {_SUMS}, "Data"'
_RAW: Final = 4
"""Where RawBytes stands among the sums."""
_REPLACE: Final = f'INSERT OR REPLACE INTO segments ({_SEGMENT}, "Id")'


def write_segments(
    db: sqlite3.Connection, added: Mapping[int, Iterable[Lines]]
) -> None:
    """Write what is new in each scope, in this transaction."""
    last = _last_segments(db, added)
    old: list[Values] = []
    new: list[Values] = []
    full: set[int] = set()
    for scope, groups in added.items():
        before = last.get(scope)
        for lines in groups:
            filled = before and _filled(before, lines)
            before = None
            segment = filled or (*_sums(lines), compress(lines))
            if segment[_RAW] >= SEGMENT_BYTES:
                full.add(scope)
            (old if filled else new).append((scope, *segment))
    insert(db, _REPLACE, old)
    insert(db, f"INSERT INTO segments ({_SEGMENT})", new)
    _merge(db, full)


def _filled(segment: Values, lines: Lines) -> Values | None:
    """Return the columns of a segment with these lines too, None if it is damaged."""
    segment_id, *sums, before = segment
    try:
        data = compress(lines, before)
    except ValueError:
        return None
    whole = (one + other for one, other in zip(sums, _sums(lines), strict=True))
    return (*whole, data, segment_id)


def _sums(lines: Lines) -> tuple[int, ...]:
    return (
        lines.spans,
        lines.contents,
        lines.content_bytes,
        lines.recorded_bytes,
        lines.raw_bytes,
    )


def _last_segments(
    db: sqlite3.Connection, scopes: Collection[int]
) -> dict[int, Values]:
    """Return the last segment of each scope, where there is room in it."""
    rows = select_in(
        db,
        f"""SELECT "Id", {_SEGMENT} FROM segments AS one
        WHERE "RawBytes" < {SEGMENT_BYTES} AND "Id" = (
            SELECT max("Id") FROM segments WHERE "Scope" = one."Scope")
        AND "Scope" IN ??""",  # noqa: S608
        scopes,
    )
    return {row[1]: (row[0], *row[2:]) for row in rows}


def _merge(db: sqlite3.Connection, scopes: Collection[int]) -> None:
    """Merge full segments of these scopes, where there are enough of them."""
    for scope, ids in _full_segments(db, scopes):
        rows = select_in(
            db,
            f'SELECT {_SUMS}, "Data" FROM segments WHERE "Id" IN ?? ORDER BY "Id"',  # noqa: S608
            ids,
        )
        *sums, parts = zip(*rows, strict=True)
        try:
            data = merged(parts)
        except ValueError:
            continue
        # Deleted first, so that their pages are there for it.
        delete_in(db, 'DELETE FROM segments WHERE "Id" IN ??', ids)
        # The first one's place: pieces are numbered in the order of segments.
        insert(db, _REPLACE, [(scope, *map(sum, sums), data, ids[0])])


def _full_segments(
    db: sqlite3.Connection, scopes: Collection[int]
) -> Iterator[tuple[int, list[int]]]:
    """Yield the neighbours that make a merged segment, with their scope."""
    rows = select_in(
        db,
        """SELECT "Scope", "Id", "RawBytes" FROM segments WHERE "Scope" IN ??
        ORDER BY "Id\"""",
        scopes,
    )
    found: dict[int, list[tuple[int, int]]] = {scope: [] for scope in scopes}
    for scope, segment, size in rows:
        if size >= MERGED_BYTES:
            found[scope] = []
        elif size >= SEGMENT_BYTES:
            found[scope].append((segment, size))
    for scope, segments in found.items():
        if sum(size for _, size in segments) >= MERGED_BYTES:
            yield scope, [segment for segment, _ in segments]
