"""What a SQLite store forgets, keeps for ever, and costs."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from otel_agent_replay.errors import RunNotFoundError
from otel_agent_replay.model.content import trace_scope
from otel_agent_replay.model.run import Retention, RunMark
from otel_agent_replay.store.base import StoreStats, TableStats
from otel_agent_replay.store.sqlite_known import forget
from otel_agent_replay.store.sqlite_runs import refresh
from otel_agent_replay.store.sqlite_statements import delete_in, select_in

__all__ = [
    "count_spans",
    "drop_strays",
    "erase",
    "files_of",
    "old_runs",
    "set_mark",
    "stats",
    "traces_of",
]

_DAY_NS: Final = 86_400_000_000_000
_MEASURED: Final = (
    "runs",
    "run_parts",
    "names",
    "batches",
    "intentions",
    "state_checkpoints",
    "state_values",
    "state_writes",
    "state_lists",
    "state_contents",
)
_SPAN_KEY: Final = 12
"""Bytes of a key, give or take the sizes of its numbers."""


def traces_of(db: sqlite3.Connection, run_id: str) -> list[str]:
    """Return the traces that hold the run.

    Raises:
        RunNotFoundError: No such run.
    """
    rows = db.execute(
        """SELECT "TraceId" FROM run_parts WHERE "RunId" = ? AND "RunId" != ''""",
        (run_id,),
    )
    own = [trace_id for (trace_id,) in rows]
    if own:
        return own
    if _exists(db, run_id):
        return [run_id]
    raise RunNotFoundError(run_id)


def erase(db: sqlite3.Connection, run_id: str) -> int:
    """Delete a run, and the strays of its traces that hold no other; count the spans.

    Raises:
        RunNotFoundError: No such run.
    """
    trace_ids = traces_of(db, run_id)
    forget(db)
    scopes = [run_id]
    db.execute(
        """DELETE FROM run_parts WHERE "RunId" = ? AND "RunId" != ''""", (run_id,)
    )
    others = select_in(
        db,
        """SELECT DISTINCT "TraceId" FROM run_parts
        WHERE "RunId" != '' AND "TraceId" IN ??""",
        trace_ids,
    )
    alone = {*trace_ids} - {trace_id for (trace_id,) in others}
    scopes += map(trace_scope, alone)
    count = _delete_scopes(db, scopes, trace_ids)
    delete_in(db, 'DELETE FROM run_parts WHERE "TraceId" IN ??', alone)
    db.execute('DELETE FROM marks WHERE "RunId" = ?', (run_id,))
    db.execute('DELETE FROM intentions WHERE "RunId" = ?', (run_id,))
    refresh(db, trace_ids, [run_id])
    return count


def _delete_scopes(
    db: sqlite3.Connection, scopes: Collection[str], trace_ids: Collection[str]
) -> int:
    names = [*{*scopes, *trace_ids}]
    rows = select_in(db, 'SELECT "Name", "Id" FROM names WHERE "Name" IN ??', names)
    ids: dict[str, int] = dict(rows)
    numbers = [ids[scope] for scope in scopes if scope in ids]
    count = sum(
        delete_in(
            db,
            f'DELETE FROM span_keys WHERE "Trace" = {ids[trace_id]} AND "Scope" IN ??',  # noqa: S608
            numbers,
        )
        for trace_id in trace_ids
        if trace_id in ids
    )
    delete_in(db, 'DELETE FROM segments WHERE "Scope" IN ??', numbers)
    delete_in(
        db,
        """DELETE FROM names
        WHERE NOT EXISTS (SELECT 1 FROM span_keys WHERE "Trace" = names."Id")
        AND NOT EXISTS (SELECT 1 FROM segments WHERE "Scope" = names."Id")
        AND "Id" IN ??""",
        [*ids.values()],
    )
    return count


def set_mark(db: sqlite3.Connection, run_id: str, mark: RunMark, *, on: bool) -> None:
    """Put a mark on a run, or take it off.

    Raises:
        RunNotFoundError: No such run.
    """
    if not _exists(db, run_id):
        raise RunNotFoundError(run_id)
    if on:
        db.execute("INSERT OR IGNORE INTO marks VALUES (?, ?)", (run_id, mark))
    else:
        db.execute('DELETE FROM marks WHERE "RunId" = ? AND "Mark" = ?', (run_id, mark))
    refresh(db, traces_of(db, run_id), [run_id])


def old_runs(
    db: sqlite3.Connection, keep: Retention, now_ns: int
) -> Iterator[tuple[str, str]]:
    """Yield the runs that are past their days, with their class; no golden ones."""
    for run_class, days in (
        ("success", keep.success),
        ("failed", keep.failed),
        ("flagged", keep.flagged),
        ("test", keep.test),
    ):
        rows = db.execute(
            """SELECT "RunId" FROM runs WHERE "Class" = ? AND "Start" < ?
            AND NOT EXISTS (
                SELECT 1 FROM marks
                WHERE marks."RunId" = runs."RunId" AND "Mark" = 'golden')""",
            (run_class, now_ns - days * _DAY_NS),
        )
        yield from ((run_id, run_class) for (run_id,) in rows)


def drop_strays(db: sqlite3.Connection, keep: Retention, now_ns: int) -> None:
    """Delete what was intended in runs of which no span ever came."""
    db.execute(
        """DELETE FROM intentions WHERE "Began" < ? AND NOT EXISTS (
            SELECT 1 FROM run_parts WHERE run_parts."RunId" = intentions."RunId")""",
        (now_ns - keep.failed * _DAY_NS,),
    )


def count_spans(db: sqlite3.Connection, run_ids: Collection[str]) -> int:
    """Return how many spans go if all these runs are erased."""
    parts = select_in(
        db,
        """SELECT "RunId", "TraceId" FROM run_parts
        WHERE "RunId" != '' AND "RunId" IN ??""",
        run_ids,
    )
    foreign = {*run_ids} - {run_id for run_id, _ in parts}
    trace_ids = {trace_id for _, trace_id in parts} | foreign
    there = select_in(
        db,
        """SELECT "TraceId", "RunId" FROM run_parts
        WHERE "RunId" != '' AND "TraceId" IN ??""",
        trace_ids,
    )
    stay = {trace_id for trace_id, run_id in there if run_id not in run_ids}
    scopes = [*run_ids, *map(trace_scope, trace_ids - stay)]
    rows = select_in(
        db,
        """SELECT "Spans" FROM names JOIN segments ON "Scope" = names."Id"
        WHERE "Name" IN ??""",
        scopes,
    )
    return sum(spans for (spans,) in rows)


def stats(db: sqlite3.Connection, url: str, path: Path) -> StoreStats:
    """Return what the store costs."""
    segments, spans, recorded, content_bytes, raw, stored = db.execute(
        """SELECT count(*), coalesce(sum("Spans"), 0),
        coalesce(sum("RecordedBytes"), 0), coalesce(sum("ContentBytes"), 0),
        coalesce(sum("RawBytes"), 0), coalesce(sum(length("Data")), 0)
        FROM segments"""
    ).fetchone()
    runs, oldest, newest = db.execute(
        'SELECT count(*), min("Start"), max("Start") FROM runs'
    ).fetchone()
    dropped = db.execute(
        """SELECT key, sum(value) FROM runs, json_each("DroppedBy")
        GROUP BY key ORDER BY key"""
    )
    tables = [
        TableStats(name="segments", rows=segments, raw_bytes=raw, stored_bytes=stored),
        _table("span_keys", spans, spans * _SPAN_KEY),
        *(_measured(db, name) for name in _MEASURED),
    ]
    return StoreStats(
        url=url,
        kind="sqlite",
        runs=runs,
        spans=spans,
        tables=tuple(sorted(tables, key=lambda each: -each.stored_bytes)),
        recorded_bytes=recorded,
        content_bytes=content_bytes,
        stored_bytes=sum(file.stat().st_size for file in files_of(path)),
        oldest_ns=oldest,
        newest_ns=newest,
        dropped=dict(dropped.fetchall()),
    )


def files_of(path: Path) -> list[Path]:
    """Return the files that a SQLite database is made of, logs included."""
    names = (path.name, f"{path.name}-wal", f"{path.name}-shm")
    return [each for each in map(path.with_name, names) if each.exists()]


def _measured(db: sqlite3.Connection, table: str) -> TableStats:
    columns = [name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")]
    sizes = " + ".join(f'coalesce(length("{name}"), 0)' for name in columns)
    rows, size = db.execute(
        f"SELECT count(*), coalesce(sum({sizes}), 0) FROM {table}"  # noqa: S608
    ).fetchone()
    return _table(table, rows, size)


def _table(name: str, rows: int, size: int) -> TableStats:
    return TableStats(name=name, rows=rows, raw_bytes=size, stored_bytes=size)


def _exists(db: sqlite3.Connection, run_id: str) -> bool:
    found = db.execute('SELECT 1 FROM runs WHERE "RunId" = ?', (run_id,)).fetchone()
    return found is not None
