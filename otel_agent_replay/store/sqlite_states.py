# ruff: noqa: D102 - the methods' contract stands in states.py
"""States of threads in a SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from itertools import chain
from typing import Final

import orjson

from otel_agent_replay.store.sqlite_file import SqliteFile
from otel_agent_replay.store.sqlite_state_rows import (
    checkpoint_of,
    checkpoint_row,
    content_of,
    content_row,
    list_of,
    list_row,
    unpacked,
    value_of,
    value_row,
    write_of,
    write_row,
)
from otel_agent_replay.store.sqlite_statements import Values, insert, select_in
from otel_agent_replay.store.states import (
    Place,
    SavedCheckpoint,
    SavedContent,
    SavedList,
    SavedValue,
    SavedWrite,
    StateBatch,
    StateFilter,
    States,
    ValueKey,
    live,
)

__all__ = ["SqliteStates", "erase_states"]

_AT_ONCE: Final = 5000  # rows named in one statement; none is wider than six
_TABLES: Final = (
    "state_checkpoints",
    "state_values",
    "state_writes",
    "state_lists",
    "state_contents",
)
_CHECKPOINTS: Final = """SELECT state_threads."Thread", "Namespace", "CheckpointId",
    "ParentId", "FrameworkRun", "RecordedBy", "Versions", "Form", "Body"
    FROM state_checkpoints
    JOIN state_threads ON state_threads."Id" = state_checkpoints."Thread" """
_VALUES: Final = """SELECT "Namespace", "Channel", "Version", "Key", "Root"
    FROM state_values WHERE "Thread" = ? """
_WRITES: Final = """SELECT "Namespace", "CheckpointId", "TaskId", "Position", "Channel",
    "Path", "IsList", "Entries", "RecordedBy" FROM state_writes WHERE "Thread" = ? """
_WRITE_ORDER: Final = 'ORDER BY "Path", "TaskId", "Position"'
_LISTS: Final = """SELECT "Root", "Key", "Before", "Keep", "Entries"
    FROM state_lists WHERE "Thread" = ? """
_CONTENTS: Final = """SELECT "Key", "Form", "Body" FROM state_contents
    WHERE "Thread" = ? """


class SqliteStates(States):
    """The states in a SQLite file."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    @property
    def url(self) -> str:
        return self._file.url

    def add(self, batch: StateBatch) -> bool:
        # Compressed before the file is locked.
        contents = [*map(content_row, batch.contents)]
        with self._file.writing() as db:
            thread = _made_thread(db, batch.thread)
            if not _all_there(db, thread, batch.builds_on):
                return False
            _put(db, "OR IGNORE", "contents", thread, contents)
            _put(db, "OR IGNORE", "lists", thread, map(list_row, batch.lists))
            _put(db, "OR REPLACE", "values", thread, map(value_row, batch.values))
            _put_writes(db, thread, batch.writes)
            rows = map(checkpoint_row, batch.checkpoints)
            _put(db, "OR REPLACE", "checkpoints", thread, rows)
        return True

    def checkpoints(self, where: StateFilter) -> list[SavedCheckpoint]:
        conditions, given = _conditions(where)
        limit = "" if where.limit is None else f"LIMIT {int(where.limit)}"
        with self._file.reading() as db:
            rows = db.execute(
                f"""{_CHECKPOINTS} WHERE {conditions}
                ORDER BY "CheckpointId" DESC, 1, 2 {limit}""",
                given,
            ).fetchall()
        return [checkpoint_of(row) for row in rows]

    def values(self, thread: str, wanted: Collection[ValueKey]) -> list[SavedValue]:
        name = '("Namespace", "Channel", "Version")'
        with self._file.reading() as db:
            rows = _named(db, _VALUES, name, _thread(db, thread), wanted)
        return [value_of(row) for row in rows]

    def writes(self, thread: str, places: Collection[Place]) -> list[SavedWrite]:
        name = '("Namespace", "CheckpointId")'
        with self._file.reading() as db:
            rows = _named(db, _WRITES, name, _thread(db, thread), places)
        return sorted(map(write_of, rows), key=_write_order)

    def lists(self, thread: str, roots: Collection[bytes]) -> list[SavedList]:
        with self._file.reading() as db:
            wanted = [(root,) for root in roots]
            rows = _named(db, _LISTS, '("Root")', _thread(db, thread), wanted)
        return [list_of(row) for row in rows]

    def contents(self, thread: str, keys: Collection[bytes]) -> list[SavedContent]:
        with self._file.reading() as db:
            wanted = [(key,) for key in keys]
            rows = _named(db, _CONTENTS, '("Key")', _thread(db, thread), wanted)
        return [content_of(row) for row in rows]

    def whole(self, thread: str) -> StateBatch:
        with self._file.reading() as db:
            given = (_thread(db, thread),)
            return StateBatch(
                thread=thread,
                checkpoints=[
                    checkpoint_of(row)
                    for row in db.execute(
                        f'{_CHECKPOINTS} WHERE state_checkpoints."Thread" = ?', given
                    )
                ],
                values=[value_of(row) for row in db.execute(_VALUES, given)],
                writes=[
                    write_of(row) for row in db.execute(_WRITES + _WRITE_ORDER, given)
                ],
                lists=[list_of(row) for row in db.execute(_LISTS, given)],
                contents=[content_of(row) for row in db.execute(_CONTENTS, given)],
            )

    def delete_thread(self, thread: str) -> None:
        with self._file.writing() as db:
            found = _thread(db, thread)
            for table in _TABLES:
                db.execute(f'DELETE FROM {table} WHERE "Thread" = ?', (found,))  # noqa: S608
            db.execute('DELETE FROM state_threads WHERE "Id" = ?', (found,))
        self._file.give_back()

    def delete(self, thread: str, places: Collection[Place]) -> None:
        with self._file.writing() as db:
            _delete(db, _thread(db, thread), places)
        self._file.give_back()

    def delete_framework_runs(self, run_ids: Collection[str]) -> None:
        with self._file.writing() as db:
            rows = select_in(
                db,
                """SELECT "Thread", "Namespace", "CheckpointId" FROM state_checkpoints
                WHERE "FrameworkRun" != '' AND "FrameworkRun" IN ??""",
                [*run_ids],
            )
            _delete_places(db, rows)
        self._file.give_back()

    def erase(self, run_id: str, *, thread: str | None = None) -> int:
        with self._file.writing() as db:
            count = erase_states(db, run_id, thread)
        self._file.give_back()
        return count

    def count(self) -> int:
        with self._file.reading() as db:
            rows = db.execute("SELECT count(*) FROM state_checkpoints")
            return int(rows.fetchone()[0])


def erase_states(db: sqlite3.Connection, run_id: str, thread: str | None = None) -> int:
    """Delete what a recorded run wrote, as `States.erase` does."""
    given = (run_id, None if thread is None else _thread(db, thread))
    rows = db.execute(
        """SELECT "Thread", "Namespace", "CheckpointId" FROM state_checkpoints
        WHERE "RecordedBy" != '' AND "RecordedBy" = ?1
        AND "Thread" = coalesce(?2, "Thread")""",
        given,
    ).fetchall()
    mine = """FROM state_writes WHERE "RecordedBy" != ''
        AND "RecordedBy" = ?1 AND "Thread" = coalesce(?2, "Thread")"""
    touched = db.execute(f'SELECT DISTINCT "Thread" {mine}', given).fetchall()
    db.execute(f"DELETE {mine}", given)
    _delete_places(db, rows)
    for (number,) in touched:
        _sweep(db, number)
    return len(rows)


def _put(
    db: sqlite3.Connection, how: str, table: str, thread: int, rows: Iterable[Values]
) -> None:
    given = [(thread, *row) for row in rows]
    if given:
        insert(db, f"INSERT {how} INTO state_{table}", given)


def _put_writes(
    db: sqlite3.Connection, thread: int, writes: Iterable[SavedWrite]
) -> None:
    rows = [*map(write_row, writes)]
    special = [row for row in rows if row[3] < 0]
    _put(db, "OR REPLACE", "writes", thread, special)
    _put(db, "OR IGNORE", "writes", thread, [r for r in rows if r[3] >= 0])


def _made_thread(db: sqlite3.Connection, thread: str) -> int:
    db.execute(
        'INSERT INTO state_threads ("Thread") VALUES (?) ON CONFLICT DO NOTHING',
        (thread,),
    )
    return _thread(db, thread)


def _thread(db: sqlite3.Connection, thread: str) -> int:
    """Return the number of a thread; 0 if it is not there."""
    row = db.execute('SELECT "Id" FROM state_threads WHERE "Thread" = ?', (thread,))
    found = row.fetchone()
    return int(found[0]) if found else 0


def _all_there(db: sqlite3.Connection, thread: int, keys: Collection[bytes]) -> bool:
    wanted = [(key,) for key in keys]
    for table in ("state_contents", "state_lists"):
        query = f'SELECT "Key" FROM {table} WHERE "Thread" = ? '  # noqa: S608
        found = {*_named(db, query, '("Key")', thread, wanted)} if wanted else set()
        wanted = [each for each in wanted if each not in found]
    return not wanted


def _named(
    db: sqlite3.Connection,
    select: str,
    columns: str,
    thread: int,
    wanted: Collection[Values],
) -> list[Values]:
    """Return a thread's rows whose columns are among those wanted."""
    rows: list[Values] = []
    named = [*wanted]
    for start in range(0, len(named), _AT_ONCE):
        some = named[start : start + _AT_ONCE]
        marks = f"({', '.join('?' * len(some[0]))})"
        values = ", ".join([marks] * len(some))
        statement = f"{select} AND {columns} IN (VALUES {values})"
        rows += db.execute(statement, [thread, *chain(*some)])
    return rows


def _delete_places(db: sqlite3.Connection, rows: Collection[Values]) -> None:
    """Delete checkpoints, given by number of thread, namespace and id."""
    for thread in {row[0] for row in rows}:
        _delete(db, thread, [(row[1], row[2]) for row in rows if row[0] == thread])


def _delete(db: sqlite3.Connection, thread: int, places: Collection[Place]) -> None:
    given = [(thread, *place) for place in places]
    for table in ("state_checkpoints", "state_writes"):
        db.executemany(
            f'DELETE FROM {table} WHERE "Thread" = ? AND "Namespace" = ?'  # noqa: S608
            ' AND "CheckpointId" = ?',
            given,
        )
    _sweep(db, thread)


def _sweep(db: sqlite3.Connection, thread: int) -> None:
    """Delete what nothing in the thread needs any more."""
    given = (thread,)
    versions = db.execute(
        'SELECT "Namespace", "Versions" FROM state_checkpoints WHERE "Thread" = ?',
        given,
    )
    values = db.execute(_VALUES, given).fetchall()
    lists = [*map(list_of, db.execute(_LISTS, given))]
    needed = live(
        [(space, orjson.loads(unpacked(packed))) for space, packed in versions],
        map(value_of, values),
        map(write_of, db.execute(_WRITES, given)),
        lists,
    )
    keys = db.execute(f'SELECT "Key" FROM ({_CONTENTS})', given).fetchall()  # noqa: S608
    places = {
        'values WHERE "Namespace" = ? AND "Channel" = ? AND "Version" = ?': [
            row[:3] for row in values if row[:3] not in needed.values
        ],
        'lists WHERE "Root" = ? AND "Key" = ?': [
            (each.root, each.key) for each in lists if each.key not in needed.keys
        ],
        'contents WHERE "Key" = ?': [k for k in keys if k[0] not in needed.keys],
    }
    for place, rows in places.items():
        db.executemany(
            f'DELETE FROM state_{place} AND "Thread" = ?',  # noqa: S608
            [(*row, thread) for row in rows],
        )
    db.execute(
        """DELETE FROM state_threads WHERE "Id" = ?1
        AND NOT EXISTS (SELECT 1 FROM state_checkpoints WHERE "Thread" = ?1)
        AND NOT EXISTS (SELECT 1 FROM state_writes WHERE "Thread" = ?1)""",
        given,
    )


def _conditions(where: StateFilter) -> tuple[str, list[str]]:
    after = where.after
    named = {
        'state_threads."Thread" = ?': where.thread,
        '"Namespace" = ?': where.namespace,
        '"CheckpointId" = ?': where.checkpoint_id,
        '"CheckpointId" < ?': where.before,
        """"RecordedBy" != '' AND "RecordedBy" = ?""": where.recorded_by,
    }
    conditions = [text for text, value in named.items() if value is not None]
    given = [value for value in named.values() if value is not None]
    if after is not None:
        conditions.append(
            """("CheckpointId" < ? OR "CheckpointId" = ?
            AND (state_threads."Thread", "Namespace") > (?, ?))"""
        )
        given += [after.checkpoint_id, after.checkpoint_id]
        given += [after.thread, after.namespace]
    return " AND ".join(conditions) or "1", given


def _write_order(each: SavedWrite) -> tuple[str, str, int]:
    return each.path, each.task_id, each.position
