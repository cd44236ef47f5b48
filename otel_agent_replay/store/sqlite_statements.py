"""SQLite statements for many rows at once.

Every statement gives up the interpreter's lock, and beside a busy thread waits
milliseconds to have it back; so one statement for many rows, not many statements.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Any, Final, TypeAlias

__all__ = ["Values", "delete_in", "insert", "select_in"]

Values: TypeAlias = tuple[Any, ...]

_PARAMETERS: Final = 30_000
"""SQLite takes 32,766 a statement."""


def insert(
    db: sqlite3.Connection, into: str, rows: Collection[Values], then: str = ""
) -> list[Values]:
    """Run `INSERT OR ... INTO` for all rows; return what its RETURNING gives.

    `into` is all that stands before the values, `then` all after them.
    """
    found: list[Values] = []
    width = max(map(len, rows), default=1)
    for group in _groups(rows, _PARAMETERS // width):
        statement = f"{into} VALUES {', '.join(map(_marks, group))} {then}"
        found += db.execute(statement, [value for row in group for value in row])
    return found


def select_in(
    db: sqlite3.Connection, select: str, values: Collection[str | int]
) -> list[Values]:
    """Return the rows of a query, in which `??` stands for all the values."""
    found: list[Values] = []
    for group in _groups(values, _PARAMETERS):
        found += db.execute(select.replace("??", _marks(group)), group)
    return found


def delete_in(
    db: sqlite3.Connection, delete: str, values: Collection[str | int]
) -> int:
    """Run a DELETE in which `??` stands for all the values; count the rows."""
    return sum(
        db.execute(delete.replace("??", _marks(group)), group).rowcount
        for group in _groups(values, _PARAMETERS)
    )


def _marks(values: Collection[object]) -> str:
    return f"({', '.join('?' * len(values))})"


def _groups(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while group := list(islice(rest, size)):
        yield group
