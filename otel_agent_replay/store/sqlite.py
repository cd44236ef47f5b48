# ruff: noqa: D102 - the methods' contract stands in base.py
"""The embedded store: one SQLite file, many processes at once."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from otel_agent_replay.errors import (
    AmbiguousRunError,
    RunNotFoundError,
    StoreUnavailableError,
)
from otel_agent_replay.model.content import PackedBatch, Packer, trace_scope
from otel_agent_replay.model.run import Retention, RunFilter, RunMark, RunSummary
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.store.base import (
    ALL_RUNS,
    Pruned,
    Store,
    StoreCheck,
    StoreStats,
)
from otel_agent_replay.store.rows import Row, from_row
from otel_agent_replay.store.sqlite_batch import add_batch
from otel_agent_replay.store.sqlite_file import SqliteFile
from otel_agent_replay.store.sqlite_known import KnownPieces
from otel_agent_replay.store.sqlite_numbers import Pieces
from otel_agent_replay.store.sqlite_runs import (
    add_spans,
    list_runs,
    teach_text_search,
)
from otel_agent_replay.store.sqlite_segments import read
from otel_agent_replay.store.sqlite_statements import select_in
from otel_agent_replay.store.sqlite_states import SqliteStates, erase_states
from otel_agent_replay.store.sqlite_upkeep import (
    count_spans,
    drop_strays,
    erase,
    old_runs,
    set_mark,
    stats,
    traces_of,
)

__all__ = ["SqliteStore"]

_PRUNED_AT_ONCE: Final = 50
"""Runs deleted in one transaction: writers of other processes wait for it."""


class SqliteStore(Store):
    """A store in a SQLite file."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self._file = SqliteFile(path, create=create, configure=teach_text_search)
        self._packer = Packer()
        self._known = KnownPieces()

    @property
    def url(self) -> str:
        return self._file.url

    def write(self, spans: Sequence[SpanRecord]) -> None:
        packed = tuple(map(self._packer.pack, spans))
        self.write_packed(PackedBatch(token="", spans=packed))

    def write_packed(self, batch: PackedBatch) -> None:
        if not batch.spans:
            return
        with self._file.writing() as db:
            stored = add_batch(db, batch, self._known)
            if stored.spans:
                add_spans(db, stored.spans)
        # Not before it is stored for good.
        self._known.keep(stored.pieces)

    def runs(self, where: RunFilter = ALL_RUNS) -> list[RunSummary]:
        with self._file.reading() as db:
            return list_runs(db, where)

    def spans(self, run_id: str) -> tuple[SpanRecord, ...]:
        with self._file.reading() as db:
            trace_ids = {*traces_of(db, run_id)}
            segments = _segments(db, trace_ids)
        pieces: defaultdict[str, Pieces] = defaultdict(Pieces)
        found: list[tuple[str, Row]] = []
        for scope, data in segments:
            try:
                rows, items, texts = read(data)
                pieces[scope].add(items, texts)
            except ValueError as error:
                raise StoreUnavailableError(
                    self.url, f"it is damaged: {error}"
                ) from error
            found += [(scope, row) for row in rows if row.trace_id in trace_ids]
        readers = {scope: its.reader() for scope, its in pieces.items()}
        spans = [from_row(row, readers[scope]) for scope, row in found]
        return tuple(sorted(spans, key=lambda span: (span.start_ns, span.span_id)))

    def resolve(self, prefix: str) -> str:
        with self._file.reading() as db:
            rows = db.execute(
                """SELECT "RunId" FROM runs
                WHERE substr("RunId", 1, length(?1)) = ?1
                ORDER BY "RunId" = ?1 DESC, "Start" DESC""",
                (prefix,),
            )
            run_ids: list[str] = [run_id for (run_id,) in rows]
        if not run_ids:
            raise RunNotFoundError(prefix)
        if len(run_ids) > 1 and run_ids[0] != prefix:
            raise AmbiguousRunError(prefix, run_ids)
        return run_ids[0]

    def erase(self, run_id: str) -> int:
        with self._file.writing() as db:
            count = erase(db, run_id)
            erase_states(db, run_id)
        self._file.give_back()
        return count

    def mark(self, run_id: str, mark: RunMark, *, on: bool) -> None:
        with self._file.writing() as db:
            set_mark(db, run_id, mark, on=on)

    def prune(self, keep: Retention, *, now_ns: int, dry_run: bool = False) -> Pruned:
        if dry_run:
            with self._file.reading() as db:
                old = dict(old_runs(db, keep, now_ns))
                spans = count_spans(db, old.keys())
            return Pruned(runs=dict(Counter(old.values())), spans=spans)
        classes: Counter[str] = Counter()
        spans = 0
        while True:
            with self._file.writing() as db:
                # Found anew each time: a run may have been marked meanwhile.
                group = [*islice(old_runs(db, keep, now_ns), _PRUNED_AT_ONCE)]
                spans += sum(erase(db, run_id) for run_id, _ in group)
            if not group:
                break
            classes.update(run_class for _, run_class in group)
        with self._file.writing() as db:
            drop_strays(db, keep, now_ns)
        self._file.give_back()
        return Pruned(runs=dict(classes), spans=spans)

    def purge(self) -> None:
        self._file.rewrite()

    def stats(self) -> StoreStats:
        with self._file.reading() as db:
            return stats(db, self.url, self._file.path)

    def states(self) -> SqliteStates:
        return SqliteStates(self._file)

    def setting(self, name: str) -> str | None:
        with self._file.reading() as db:
            return _setting(db, name)

    def set_setting_once(self, name: str, value: str) -> str:
        with self._file.writing() as db:
            db.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, value))
            return _setting(db, name) or value

    def check(self) -> StoreCheck:
        with self._file.reading() as db:
            problems = [
                text for (text,) in db.execute("PRAGMA quick_check(5)") if text != "ok"
            ]
            row = db.execute(
                """SELECT (SELECT max(Version) FROM agent_replay_migrations),
                (SELECT count(*) FROM runs), coalesce(sum("Spans"), 0),
                coalesce(sum("Contents"), 0), coalesce(sum("ContentBytes"), 0)
                FROM segments"""
            ).fetchone()
        return StoreCheck(
            url=self.url,
            kind="sqlite",
            version=sqlite3.sqlite_version,
            schema=row[0],
            known_schema=self._file.known_schema,
            runs=row[1],
            spans=row[2],
            contents=row[3],
            content_bytes=row[4],
            problems=tuple(problems),
        )

    def close(self) -> None:
        self._file.close()


def _segments(db: sqlite3.Connection, trace_ids: set[str]) -> list[tuple[str, bytes]]:
    """Return the segments that spans of these traces may be in, with their scopes."""
    parts = select_in(
        db, 'SELECT "TraceId", "RunId" FROM run_parts WHERE "TraceId" IN ??', trace_ids
    )
    scopes = {run_id or trace_scope(trace_id) for trace_id, run_id in parts}
    rows = select_in(
        db,
        """SELECT "Name", "Data" FROM names JOIN segments ON "Scope" = names."Id"
        WHERE "Name" IN ??""",
        scopes,
    )
    return [(scope, data) for scope, data in rows]


def _setting(db: sqlite3.Connection, name: str) -> str | None:
    row = db.execute(
        'SELECT "Value" FROM settings WHERE "Name" = ?', (name,)
    ).fetchone()
    return row[0] if row else None
