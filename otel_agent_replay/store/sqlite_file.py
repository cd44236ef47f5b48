"""A SQLite file opened for many threads, processes and forks."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from otel_agent_replay.errors import StoreAccessError, StoreUnavailableError
from otel_agent_replay.store.migrate import migrations, pending

__all__ = ["SqliteFile"]

_BUSY_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.01
_KNOWN: Final = migrations("sqlite")
_DENIED: Final = frozenset({"SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH"})

# Connections of a parent process. SQLite forbids using or closing them after a
# fork, so they must never be collected.
_inherited: list[sqlite3.Connection] = []


class _Open:
    """The connection of one process."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.lock = threading.RLock()
        self.pid = os.getpid()


class SqliteFile:
    """The file: opened when needed, migrated once, one connection a process."""

    def __init__(
        self,
        path: Path,
        *,
        create: bool,
        configure: Callable[[sqlite3.Connection], None],
    ) -> None:
        # Absolute, so that a process which changes its directory finds it again.
        self.path = path.absolute()
        self.url = f"sqlite:///{self.path}"
        self.known_schema = _KNOWN[-1].version
        self._create = create
        self._configure = configure
        self._opening = threading.Lock()
        self._open: _Open | None = None
        with self.reading():
            pass

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the connection, to this thread alone, in one consistent view."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection as the file's only writer; an exception undoes all."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    def give_back(self) -> None:
        """Give free pages back to the system, and empty the write-ahead log.

        What was deleted is zeros already; a log that another process reads stays.
        """
        opened = self._connection()
        with opened.lock, self._mapped():
            opened.connection.execute("PRAGMA incremental_vacuum").fetchall()
            _empty_log(opened.connection)

    def rewrite(self) -> None:
        """Write the file anew, without what was deleted, and empty its log.

        Raises:
            StoreUnavailableError: Another process reads all the while.
        """
        opened = self._connection()
        with opened.lock, self._mapped():
            # The copy may be larger than memory.
            opened.connection.execute("PRAGMA temp_store = FILE")
            try:
                opened.connection.execute("VACUUM")
            finally:
                opened.connection.execute("PRAGMA temp_store = MEMORY")
            if not _empty_log(opened.connection):
                raise StoreUnavailableError(
                    self.url,
                    "another process reads it, so its log could not be emptied; purge "
                    "again when that process has ended",
                )

    def close(self) -> None:
        """Close this process's connection, if there is one."""
        with self._opening:
            opened, self._open = self._open, None
        if opened is None:
            return
        if opened.pid != os.getpid():
            _inherited.append(opened.connection)
            return
        with opened.lock:
            opened.connection.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        opened = self._connection()
        with opened.lock, self._mapped():
            opened.connection.execute(begin)
            try:
                yield opened.connection
            except BaseException:
                opened.connection.execute("ROLLBACK")
                raise
            opened.connection.execute("COMMIT")

    def _connection(self) -> _Open:
        opened = self._open
        if opened is not None and opened.pid == os.getpid():
            return opened
        if opened is not None:
            # A fork: the parent's lock may be held here by a thread that is gone.
            _inherited.append(opened.connection)
            self._opening = threading.Lock()
            self._open = None
        with self._opening:
            if self._open is None:
                self._open = _Open(self._connect())
            return self._open

    def _connect(self) -> sqlite3.Connection:
        with self._mapped():
            self._prepare()
            connection = sqlite3.connect(
                self.path,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                _configure(connection)
                self._configure(connection)
                self._migrate(connection)
            except BaseException:
                connection.close()
                raise
            return connection

    def _prepare(self) -> None:
        """Make the file, readable by its owner only, and its directories."""
        if not self._create:
            if not self.path.is_file():
                there = (
                    "it is no file" if self.path.exists() else "there is no such file"
                )
                raise StoreUnavailableError(self.url, there)
            return
        missing = [each for each in self.path.parents if not each.exists()]
        for directory in reversed(missing):
            directory.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))

    def _migrate(self, connection: sqlite3.Connection) -> None:
        if not pending(self.url, self._version(connection), _KNOWN):
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            for migration in pending(self.url, self._version(connection), _KNOWN):
                for statement in migration.statements:
                    connection.execute(statement)
                connection.execute(
                    "INSERT INTO agent_replay_migrations VALUES (?, ?, datetime())",
                    (migration.version, migration.name),
                )
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def _version(self, connection: sqlite3.Connection) -> int:
        """Return the schema version; a new file gets its record of migrations."""
        tables = {
            name
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'"
            )
        }
        if "agent_replay_migrations" in tables:
            rows = connection.execute(
                "SELECT Version, Name FROM agent_replay_migrations"
            )
            applied: dict[int, str] = dict(rows.fetchall())
            self._check_history(applied)
            return max(applied, default=0)
        if tables:
            raise StoreUnavailableError(
                self.url, "the file is a database of another program"
            )
        if connection.in_transaction:
            connection.execute(
                "CREATE TABLE agent_replay_migrations (Version INTEGER PRIMARY KEY,"
                " Name TEXT NOT NULL, AppliedAt TEXT NOT NULL)"
            )
        return 0

    def _check_history(self, applied: Mapping[int, str]) -> None:
        """Refuse a file whose tables have our names and another layout."""
        for each in _KNOWN:
            if applied.get(each.version, each.name) != each.name:
                raise StoreUnavailableError(
                    self.url,
                    "it was made by a development version, whose layout was never "
                    "released and is not read; use another file",
                )

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        """Turn SQLite's and the system's errors into the store's."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            name = getattr(error, "sqlite_errorname", "")
            if name in {"", "SQLITE_ERROR"}:
                raise  # a statement of ours is wrong
            if name.startswith(tuple(_DENIED)):
                raise StoreAccessError(self.url, str(error)) from error
            raise StoreUnavailableError(self.url, str(error)) from error
        except PermissionError as error:
            raise StoreAccessError(self.url, str(error)) from error
        except OSError as error:
            raise StoreUnavailableError(self.url, str(error)) from error


def _empty_log(connection: sqlite3.Connection) -> bool:
    """Move the log into the file, so that it keeps no old bytes; tell if it went."""
    busy: int = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    return not busy


def _configure(connection: sqlite3.Connection) -> None:
    # Only a new file takes these, before anything is written to it. A small run takes
    # less than a page for most of what it has.
    connection.execute("PRAGMA page_size = 2048")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    _use_log(connection)
    # NORMAL is safe with a write-ahead log: a power cut may undo the last
    # transactions, a killed process none.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA temp_store = MEMORY")


def _use_log(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log.

    Processes that do it at once can collide, and then SQLite does not wait.
    """
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            busy = getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")
            if not busy or time.monotonic() > until:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return
