"""Writes a batch of packed spans into a SQLite store.

The compressor too gives up the interpreter's lock at every call: so it is called
once a scope and segment, not once a span.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from otel_agent_replay.model.content import PackedBatch, PackedSpan
from otel_agent_replay.model.recipe import RECIPE
from otel_agent_replay.model.span import SpanRecord, storable
from otel_agent_replay.store.rows import Row, from_row, to_row
from otel_agent_replay.store.sqlite_numbers import KEY, Named
from otel_agent_replay.store.sqlite_segments import (
    SEGMENT_BYTES,
    Lines,
    compress,
    lines_of,
)
from otel_agent_replay.store.sqlite_statements import (
    Values,
    insert,
    select_in,
    select_pairs,
)

__all__ = ["add_batch"]

_SPAN_ID: Final = 16
_TOKENS: Final = 10_000
"""How many of the latest tokens are remembered."""
_SEGMENT: Final = (
    '"Scope", "Spans", "Contents", "ContentBytes", "RecordedBytes", "RawBytes", "Data"'
)


@dataclass(slots=True, kw_only=True)
class _Added:
    """What a batch adds to one scope."""

    rows: list[Row] = field(default_factory=list)
    first: int = 0
    pieces: list[tuple[str, bool]] = field(default_factory=list)
    """What pieces, and whether each lists others; numbered from `first` on."""


def add_batch(db: sqlite3.Connection, batch: PackedBatch) -> list[SpanRecord]:
    """Store what is new of a batch; return its spans that were not stored before."""
    if not batch.spans or not _first_time(db, batch.token):
        return []
    packed = {_key(each.span): each for each in reversed(batch.spans)}
    scopes = {each.scope for each in batch.spans}
    ids = _named(db, scopes | {trace_id for trace_id, _ in packed})
    new = _new_spans(db, packed, ids)
    added = {scope: _Added() for scope in scopes}
    for each in new:
        added[each.scope].rows.append(to_row(each.span))
    spans = [from_row(row) for each in added.values() for row in each.rows]
    by_id = {ids[scope]: each for scope, each in added.items()}
    _number(db, [(ids[each.scope], each) for each in batch.spans], by_id)
    _write_segments(db, by_id)
    return spans


def _first_time(db: sqlite3.Connection, token: str) -> bool:
    """Tell whether a batch was never stored; remember that it is."""
    if not token:
        return True
    made = db.execute(
        'INSERT OR IGNORE INTO batches ("Token") VALUES (?) RETURNING "Id"', (token,)
    ).fetchall()
    if made:
        db.execute('DELETE FROM batches WHERE "Id" <= ?', (made[0][0] - _TOKENS,))
    return bool(made)


def _key(span: SpanRecord) -> tuple[str, str]:
    return (storable(span.trace_id), storable(span.span_id))


def _named(db: sqlite3.Connection, names: Collection[str]) -> dict[str, int]:
    """Return the numbers that stand for names, made where there is none."""
    insert(db, 'INSERT OR IGNORE INTO names ("Name")', [(name,) for name in names])
    return dict(
        select_in(db, 'SELECT "Name", "Id" FROM names WHERE "Name" IN ??', names)
    )


def _new_spans(
    db: sqlite3.Connection,
    packed: Mapping[tuple[str, str], PackedSpan],
    ids: Mapping[str, int],
) -> list[PackedSpan]:
    """Note the spans as stored; return those that were not, in their order."""
    keys = {
        (ids[trace_id], _span_key(span_id)): each
        for (trace_id, span_id), each in packed.items()
    }
    rows = [(*key, ids[each.scope]) for key, each in keys.items()]
    into, then = "INSERT OR IGNORE INTO span_keys", 'RETURNING "Trace", "Span"'
    stored = {*insert(db, into, rows, then)}
    return [each for key, each in reversed(keys.items()) if key in stored]


def _span_key(span_id: str) -> bytes | str:
    """Return the bytes of a span id; of no valid one its text, which equals none."""
    if len(span_id) != _SPAN_ID or span_id != span_id.lower():
        return span_id
    try:
        return bytes.fromhex(span_id)
    except ValueError:
        return span_id


def _number(
    db: sqlite3.Connection,
    spans: Iterable[tuple[int, PackedSpan]],
    added: Mapping[int, _Added],
) -> None:
    """Number the pieces that were not stored, and name by number what has one.

    Those of a span that is stored already count too: another, whose packer did not
    bring them along again, may name them.
    """
    brought = {
        (scope, key[:KEY]): (text, key in each.recipes)
        for scope, each in spans
        for key, text in each.contents.items()
    }
    recipes: defaultdict[int, list[str]] = defaultdict(list)
    for (scope, _), (text, is_recipe) in brought.items():
        if is_recipe:
            recipes[scope].append(text)
    named = {scope: Named(its.rows, recipes[scope]) for scope, its in added.items()}
    wanted = {(scope, key) for scope in named for key in named[scope].keys.values()}
    numbers = _numbers(db, wanted | brought.keys())
    _add_numbers(db, brought, numbers, added)
    for scope, its in added.items():
        names = _names(scope, named[scope].keys, numbers)
        its.rows = [named[scope].row(row, names) for row in its.rows]
        its.pieces = [
            (named[scope].recipe(text, names) if is_recipe else text, is_recipe)
            for text, is_recipe in its.pieces
        ]


def _numbers(
    db: sqlite3.Connection, keys: Collection[tuple[int, bytes]]
) -> dict[tuple[int, bytes], int | None]:
    """Return the numbers of those pieces that are stored."""
    rows = select_pairs(
        db,
        """SELECT "Scope", "Hash", "Number" FROM content_keys
        WHERE ("Scope", "Hash") IN ??""",
        keys,
    )
    return {(scope, key): number for scope, key, number in rows}


def _add_numbers(
    db: sqlite3.Connection,
    brought: Mapping[tuple[int, bytes], tuple[str, bool]],
    numbers: dict[tuple[int, bytes], int | None],
    added: Mapping[int, _Added],
) -> None:
    """Number the pieces that are not stored yet, and note them as stored."""
    rows = select_in(
        db,
        """SELECT "Scope", sum("Contents") FROM segments WHERE "Scope" IN ??
        GROUP BY "Scope\"""",
        added,
    )
    for scope, count in rows:
        added[scope].first = count
    new = [(*each, piece) for each, piece in brought.items() if each not in numbers]
    for scope, key, (text, is_recipe) in new:
        its = added[scope]
        number = its.first + len(its.pieces)
        its.pieces.append((text, is_recipe))
        numbers[scope, key] = ~number if is_recipe else number
    values = [(scope, key, numbers[scope, key]) for scope, key, _ in new]
    insert(db, 'INSERT INTO content_keys ("Scope", "Hash", "Number")', values)


def _names(
    scope: int,
    keys: Mapping[str, bytes],
    numbers: Mapping[tuple[int, bytes], int | None],
) -> dict[str, str]:
    """Return the items with numbers by those with hashes."""
    found = {}
    for item, key in keys.items():
        number = numbers.get((scope, key))
        # A piece that is both a text and a recipe has one number: as what came first.
        if number is not None and (number < 0) == item.startswith(RECIPE):
            found[item] = f"{item[0]}{~number if number < 0 else number}"
    return found


def _write_segments(db: sqlite3.Connection, added: Mapping[int, _Added]) -> None:
    """Write what is new; a scope's last segment is filled up before one is begun."""
    last = _last_segments(db, added)
    old: list[Values] = []
    new: list[Values] = []
    for scope, its in added.items():
        before = last.get(scope)
        for lines in lines_of(its.rows, its.pieces, its.first):
            filled = before and _filled(before, lines)
            before = None
            if filled:
                old.append((scope, *filled))
            else:
                new.append((scope, *_sums(lines), compress(lines)))
    insert(db, f'INSERT OR REPLACE INTO segments ({_SEGMENT}, "Id")', old)
    insert(db, f"INSERT INTO segments ({_SEGMENT})", new)


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
