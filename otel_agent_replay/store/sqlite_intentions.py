# ruff: noqa: D102 - the methods' contract stands in model/intention.py
"""Intentions in a SQLite file: one transaction each, on the disk when it returns."""

from __future__ import annotations

import sqlite3
from dataclasses import astuple
from pathlib import Path
from typing import Final

from otel_agent_replay.model.intention import Intention, IntentionLog
from otel_agent_replay.store.sqlite_file import SqliteFile

__all__ = ["SqliteIntentions"]

_BUSY_MS: Final = 10_000
"""How long a write waits for the other writers of the file before it is refused."""
_PUT: Final = "INSERT OR REPLACE INTO intentions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_COLUMNS: Final = """"RunId", "Tool", "Key", "Digest", "Token", "Process", "Began",
    "State", "Outcome", "Ended" """


class SqliteIntentions(IntentionLog):
    """The intentions in a SQLite store's file; a connection of its own."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self._file = SqliteFile(path, create=create, configure=_configure)

    def intend(self, new: Intention, *, instead_of: str = "") -> Intention:
        place = (new.run_id, new.tool, new.key)
        with self._file.writing() as db:
            found = _found(db, place)
            if found is not None and found.token != instead_of:
                return found
            db.execute(_PUT, astuple(new))
        return new

    def settle(self, ended: Intention) -> None:
        with self._file.writing() as db:
            db.execute(
                """UPDATE intentions SET "State" = ?, "Outcome" = ?, "Ended" = ?
                WHERE "RunId" = ? AND "Tool" = ? AND "Key" = ? AND "Token" = ?""",
                (
                    ended.state,
                    ended.outcome,
                    ended.ended_ns,
                    ended.run_id,
                    ended.tool,
                    ended.key,
                    ended.token,
                ),
            )

    def of_run(self, run_id: str) -> tuple[Intention, ...]:
        with self._file.reading() as db:
            rows = db.execute(
                f"""SELECT {_COLUMNS} FROM intentions WHERE "RunId" = ?
                ORDER BY "Began", "Tool", "Key" """,  # noqa: S608 - our own names
                (run_id,),
            ).fetchall()
        return tuple(map(_intention, rows))

    def close(self) -> None:
        self._file.close()


def _found(db: sqlite3.Connection, place: tuple[str, str, str]) -> Intention | None:
    row = db.execute(
        f"""SELECT {_COLUMNS} FROM intentions
        WHERE "RunId" = ? AND "Tool" = ? AND "Key" = ?""",  # noqa: S608 - our own names
        place,
    ).fetchone()
    return None if row is None else _intention(row)


def _intention(row: tuple[object, ...]) -> Intention:
    names = Intention.__slots__
    return Intention(**dict(zip(names, row, strict=True)))  # type: ignore[arg-type]


def _configure(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    # An intention that a power cut undoes is a write that happens twice.
    connection.execute("PRAGMA synchronous = FULL")
