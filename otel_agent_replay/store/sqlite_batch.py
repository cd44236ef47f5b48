"""Writes a batch of packed spans into a SQLite store."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from otel_agent_replay.model.content import PackedBatch, PackedSpan
from otel_agent_replay.model.recipe import RECIPE
from otel_agent_replay.model.span import SpanRecord, storable
from otel_agent_replay.store.rows import Row, from_row, to_row
from otel_agent_replay.store.sqlite_filling import write_segments
from otel_agent_replay.store.sqlite_known import Known, KnownPieces
from otel_agent_replay.store.sqlite_numbers import Named
from otel_agent_replay.store.sqlite_segments import lines_of
from otel_agent_replay.store.sqlite_statements import insert, select_in

__all__ = ["Stored", "add_batch"]

_SPAN_ID: Final = 16
_TOKENS: Final = 10_000
"""How many of the latest tokens are remembered."""


@dataclass(slots=True, kw_only=True)
class _Added:
    """What a batch adds to one scope."""

    rows: list[Row] = field(default_factory=list)
    pieces: list[tuple[str, bool]] = field(default_factory=list)
    """What pieces, and whether each lists others; numbered from `first` on."""
    first: int = 0


class Stored(NamedTuple):
    """The spans of a batch that were not stored before, and what pieces there are."""

    spans: Sequence[SpanRecord] = ()
    pieces: Mapping[int, Known] = {}


def add_batch(db: sqlite3.Connection, batch: PackedBatch, known: KnownPieces) -> Stored:
    """Store what is new of a batch."""
    if not batch.spans or not _first_time(db, batch.token):
        return Stored()
    packed = {_key(each.span): each for each in reversed(batch.spans)}
    scopes = {each.scope for each in batch.spans}
    ids = _named(db, scopes | {trace_id for trace_id, _ in packed})
    new = _new_spans(db, packed, ids)
    added = {scope: _Added() for scope in scopes}
    for each in new:
        added[each.scope].rows.append(to_row(each.span))
    spans = [from_row(row) for each in added.values() for row in each.rows]
    by_id = {ids[scope]: each for scope, each in added.items()}
    pieces = known.take(db, by_id)
    _number([(ids[each.scope], each) for each in batch.spans], by_id, pieces)
    write_segments(
        db,
        {
            scope: lines_of(its.rows, its.pieces, its.first)
            for scope, its in by_id.items()
        },
    )
    return Stored(spans, pieces)


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
    spans: Iterable[tuple[int, PackedSpan]],
    added: Mapping[int, _Added],
    known: Mapping[int, Known],
) -> None:
    """Number the pieces that were not stored, and name by number what has one.

    Those of a span that is stored already count too: another, whose packer did not
    bring them along again, may name them.
    """
    brought: dict[int, dict[bytes, tuple[str, bool]]] = {scope: {} for scope in added}
    for scope, each in spans:
        brought[scope].update(
            (key, (text, key in each.recipes)) for key, text in each.contents.items()
        )
    for scope, its in added.items():
        recipes = [text for text, is_recipe in brought[scope].values() if is_recipe]
        named = Named(its.rows, recipes)
        _add_numbers(brought[scope], its, known[scope])
        names = _names(named.keys, known[scope].numbers)
        its.rows = [named.row(row, names) for row in its.rows]
        its.pieces = [
            (named.recipe(text, names) if is_recipe else text, is_recipe)
            for text, is_recipe in its.pieces
        ]


def _add_numbers(
    brought: Mapping[bytes, tuple[str, bool]], its: _Added, known: Known
) -> None:
    """Number the pieces that are not stored yet."""
    its.first = known.count
    for key, (text, is_recipe) in brought.items():
        if key in known.numbers:
            continue
        known.numbers[key] = ~known.count if is_recipe else known.count
        known.count += 1
        its.pieces.append((text, is_recipe))


def _names(keys: Mapping[str, bytes], numbers: Mapping[bytes, int]) -> dict[str, str]:
    """Return the items with numbers by those with hashes."""
    found = {}
    for item, key in keys.items():
        number = numbers.get(key)
        # A piece that is both a text and a recipe has one number: as what came first.
        if number is not None and (number < 0) == item.startswith(RECIPE):
            found[item] = f"{item[0]}{~number if number < 0 else number}"
    return found
