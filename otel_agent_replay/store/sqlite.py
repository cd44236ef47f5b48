# ruff: noqa: D102 - the methods' contract stands in base.py
"""The embedded store: one SQLite file, many processes at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from otel_agent_replay import semconv
from otel_agent_replay.errors import AmbiguousRunError, RunNotFoundError
from otel_agent_replay.model.content import (
    PackedBatch,
    PackedSpan,
    Packer,
    scope_of,
    trace_scope,
    unpack,
)
from otel_agent_replay.model.payload import dump_json, parse_json
from otel_agent_replay.model.run import RunFilter, RunSummary
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.store.base import ALL_RUNS, Store, StoreCheck
from otel_agent_replay.store.rows import COLUMNS, Row, from_row, to_row
from otel_agent_replay.store.sqlite_file import SqliteFile
from otel_agent_replay.store.sqlite_runs import (
    add_spans,
    list_runs,
    refresh,
    teach_text_search,
)

__all__ = ["SqliteStore"]

_T = TypeVar("_T")
_SIGNED: Final = 1 << 63
_WRAP: Final = 1 << 64
_SPAN_COLUMNS: Final = ", ".join(f'"{name}"' for name in COLUMNS)
_JSON_FIELDS: Final = frozenset(
    index
    for index, name in enumerate(COLUMNS)
    if name.endswith("Attributes") or "." in name
)
# SQLite takes 32,766 parameters a statement; one statement for many rows gives up
# and retakes the interpreter's lock once, not once a row.
_SPANS_A_STATEMENT: Final = 200
_CONTENTS_A_STATEMENT: Final = 500


class SqliteStore(Store):
    """A store in a SQLite file."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self._file = SqliteFile(path, create=create, configure=teach_text_search)
        self._packer = Packer()

    @property
    def url(self) -> str:
        return self._file.url

    def write(self, spans: Sequence[SpanRecord]) -> None:
        packed = tuple(map(self._packer.pack, spans))
        self.write_packed(PackedBatch(token="", spans=packed))

    def write_packed(self, batch: PackedBatch) -> None:
        packed = {
            (each.span.trace_id, each.span.span_id): each
            for each in reversed(batch.spans)
        }
        if not packed:
            return
        with self._file.writing() as db:
            seen = _seen(db, packed)
            new = [each for key, each in packed.items() if key not in seen]
            rows = [to_row(each.span) for each in new]
            _insert_contents(db, new)
            _insert_spans(db, rows)
            add_spans(db, [from_row(row) for row in rows])

    def runs(self, where: RunFilter = ALL_RUNS) -> list[RunSummary]:
        with self._file.reading() as db:
            return list_runs(db, where)

    def spans(self, run_id: str) -> tuple[SpanRecord, ...]:
        with self._file.reading() as db:
            found: list[SpanRecord] = []
            for trace_id in _traces(db, run_id):
                found += _spans(db, '"TraceId" = ?', trace_id)
            scopes = {scope_of(span) for span in found}
            contents = {
                (scope, key): text
                for scope in scopes
                for key, text in db.execute(
                    'SELECT "Hash", "Content" FROM contents WHERE "Scope" = ?',
                    (scope,),
                )
            }
        found.sort(key=lambda span: (span.start_ns, span.span_id))
        return unpack(found, contents)

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
            trace_ids = _traces(db, run_id)
            count = _delete(db, "RunId", run_id, [run_id])
            for trace_id in trace_ids:
                others = db.execute(
                    """SELECT 1 FROM run_parts
                    WHERE "TraceId" = ? AND "RunId" != '' LIMIT 1""",
                    (trace_id,),
                ).fetchone()
                if not others:
                    count += _delete(db, "TraceId", trace_id, [trace_scope(trace_id)])
            refresh(db, [*trace_ids, run_id])
        self._file.empty_log()
        return count

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
                (SELECT count(*) FROM runs), (SELECT count(*) FROM spans),
                (SELECT count(*) FROM contents),
                (SELECT coalesce(sum(length("Content")), 0) FROM contents)"""
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


def _seen(
    db: sqlite3.Connection, keys: Iterable[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Return those of the keys that are stored already."""
    found: set[tuple[str, str]] = set()
    for group in _groups(keys, _CONTENTS_A_STATEMENT):
        marks = ", ".join(["(?, ?)"] * len(group))
        found.update(
            db.execute(
                f"""WITH wanted(trace, span) AS (VALUES {marks})
                SELECT "TraceId", "SpanId" FROM wanted
                JOIN spans ON "TraceId" = trace AND "SpanId" = span""",  # noqa: S608
                [value for key in group for value in key],
            )
        )
    return found


def _insert_contents(db: sqlite3.Connection, spans: Iterable[PackedSpan]) -> None:
    texts = {
        (each.scope, key): (text, key in each.recipes)
        for each in spans
        for key, text in each.contents.items()
    }
    for known in _groups(list(texts), _CONTENTS_A_STATEMENT):
        marks = ", ".join(["(?, ?)"] * len(known))
        rows = db.execute(
            f"""WITH wanted(its_scope, its_hash) AS (VALUES {marks})
            SELECT "Scope", "Hash" FROM wanted
            JOIN contents ON "Scope" = its_scope AND "Hash" = its_hash""",  # noqa: S608
            [value for key in known for value in key],
        )
        for scope, key in rows:
            del texts[scope, key]
    for group in _groups(texts.items(), _CONTENTS_A_STATEMENT):
        marks = ", ".join(["(?, ?, ?, ?)"] * len(group))
        db.execute(
            f"INSERT INTO contents VALUES {marks}",  # noqa: S608
            [value for key, content in group for value in (*key, *content)],
        )


def _insert_spans(db: sqlite3.Connection, rows: Iterable[Row]) -> None:
    one = f"({', '.join('?' * (len(COLUMNS) + 1))})"
    for group in _groups(rows, _SPANS_A_STATEMENT):
        db.execute(
            f"INSERT INTO spans VALUES {', '.join([one] * len(group))}",  # noqa: S608
            [value for row in group for value in _values(row)],
        )


def _values(row: Row) -> Iterator[str | int]:
    """Yield the columns of a row; SQLite's integers have a sign."""
    signed = row.duration - _WRAP if row.duration >= _SIGNED else row.duration
    values: tuple[Any, ...] = row._replace(duration=signed)
    for index, value in enumerate(values):
        yield dump_json(value) if index in _JSON_FIELDS else value
    yield row.attributes.get(semconv.RUN_ID, "")


def _spans(db: sqlite3.Connection, where: str, value: str) -> list[SpanRecord]:
    rows = db.execute(
        f"SELECT {_SPAN_COLUMNS} FROM spans WHERE {where}",  # noqa: S608
        (value,),
    )
    return [from_row(_row(values)) for values in rows]


def _row(values: tuple[Any, ...]) -> Row:
    return Row(
        *(
            cast("Any", parse_json(value)) if index in _JSON_FIELDS else value
            for index, value in enumerate(values)
        )
    )


def _traces(db: sqlite3.Connection, run_id: str) -> list[str]:
    """Return the traces that hold the run."""
    rows = db.execute(
        """SELECT "TraceId" FROM run_parts WHERE "RunId" = ? AND "RunId" != ''""",
        (run_id,),
    )
    own = [trace_id for (trace_id,) in rows]
    if own:
        return own
    if db.execute('SELECT 1 FROM runs WHERE "RunId" = ?', (run_id,)).fetchone():
        return [run_id]
    raise RunNotFoundError(run_id)


def _delete(
    db: sqlite3.Connection, column: str, value: str, scopes: Sequence[str]
) -> int:
    """Delete spans, their sums and the contents of scopes; return how many spans."""
    condition = f'"{column}" = ? AND "{column}" != \'\''
    count = db.execute(
        f"DELETE FROM spans WHERE {condition}",  # noqa: S608
        (value,),
    ).rowcount
    db.execute(f"DELETE FROM run_parts WHERE {condition}", (value,))  # noqa: S608
    for scope in scopes:
        db.execute('DELETE FROM contents WHERE "Scope" = ?', (scope,))
    return count


def _setting(db: sqlite3.Connection, name: str) -> str | None:
    row = db.execute(
        'SELECT "Value" FROM settings WHERE "Name" = ?', (name,)
    ).fetchone()
    return row[0] if row else None


def _groups(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    rest = iter(items)
    while group := list(islice(rest, size)):
        yield group
