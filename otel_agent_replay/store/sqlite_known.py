"""Which payload pieces a scope has: read off its segments once, then remembered.

No file needs an index of hashes, which no compressor makes smaller. Pieces are never
changed or taken away but with their whole scope, so what is remembered holds while
nothing was erased; what other processes added meanwhile is read when it is missing.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from otel_agent_replay.model.recipe import RECIPE, content_item, recipe_item
from otel_agent_replay.store.sqlite_numbers import Originals
from otel_agent_replay.store.sqlite_segments import read_pieces
from otel_agent_replay.store.sqlite_statements import Values, select_in

__all__ = ["Known", "KnownPieces", "forget"]

_MOST: Final = 200_000
"""Pieces that are remembered, of all scopes; a run of 400 steps has 2,600."""
_MOST_SCOPES: Final = 2_000
_ERASURES: Final = "PRAGMA user_version"
_LARGEST: Final = 2**31 - 1


@dataclass(slots=True, kw_only=True)
class Known:
    """What pieces one scope has.

    Attributes:
        erasures: How often something had been erased from the file by then.
        count: How many, those without a number included.
        numbers: Their numbers by hash: `~number` is a piece that lists others.
    """

    erasures: int
    count: int = 0
    numbers: dict[bytes, int] = field(default_factory=dict)


class KnownPieces:
    """The pieces of scopes that were written to lately; safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scopes: dict[int, Known] = {}
        self._erasures = -1

    def take(self, db: sqlite3.Connection, scopes: Collection[int]) -> dict[int, Known]:
        """Return what pieces scopes have in this transaction; forget it.

        Whoever adds some brings it back by `keep` once they are stored for good.
        """
        erasures = _erasures(db)
        with self._lock:
            if erasures != self._erasures:
                self._scopes = {}
                self._erasures = erasures
            taken = {scope: self._scopes.pop(scope, None) for scope in scopes}
        found = {
            scope: each or Known(erasures=erasures) for scope, each in taken.items()
        }
        _catch_up(db, found)
        return found

    def keep(self, found: Mapping[int, Known]) -> None:
        """Remember these pieces, and the latest of the others as far as there is room."""
        with self._lock:
            for scope, each in found.items():
                if each.erasures == self._erasures:
                    self._scopes[scope] = each
            room = _MOST - sum(len(each.numbers) for each in self._scopes.values())
            for scope in [*self._scopes]:
                if room >= 0 and len(self._scopes) <= _MOST_SCOPES:
                    break
                room += len(self._scopes.pop(scope).numbers)


def forget(db: sqlite3.Connection) -> None:
    """Have every process forget what pieces there were: some are being erased."""
    # It is part of the transaction, as any other change.
    db.execute(f"{_ERASURES} = {(_erasures(db) + 1) % _LARGEST}")


def _erasures(db: sqlite3.Connection) -> int:
    number: int = db.execute(_ERASURES).fetchone()[0]
    return number


def _catch_up(db: sqlite3.Connection, found: Mapping[int, Known]) -> None:
    """Add the pieces that stand in the file and are not known."""
    rows = select_in(
        db,
        """SELECT "Scope", "Id", "Contents" FROM segments WHERE "Scope" IN ??
        ORDER BY "Id\"""",
        found,
    )
    unread: list[int] = []
    counts = dict.fromkeys(found, 0)
    for scope, segment, contents in rows:
        counts[scope] += contents
        if counts[scope] > found[scope].count:
            unread.append(segment)
    if unread:
        read = 'SELECT "Scope", "Data" FROM segments WHERE "Id" IN ?? ORDER BY "Id"'
        _learn(found, select_in(db, read, unread))
    for scope, count in counts.items():
        found[scope].count = count


def _learn(found: Mapping[int, Known], segments: Collection[Values]) -> None:
    for scope in {scope for scope, _ in segments}:
        known = found[scope]
        texts: dict[str, str] = {}
        for data in (data for owner, data in segments if owner == scope):
            # Pieces that cannot be read are stored again if they come again.
            with suppress(ValueError):
                texts.update(zip(*read_pieces(data), strict=True))
        names = dict(_names(known.numbers))
        originals = Originals({k: v for k, v in texts.items() if len(k) > 1}, names)
        for item, key in originals.named():
            number = int(item[1:])
            known.numbers.setdefault(key, ~number if item[0] == RECIPE else number)


def _names(numbers: Mapping[bytes, int]) -> Iterator[tuple[str, str]]:
    """Yield the items that name pieces by number, and by hash."""
    for key, number in numbers.items():
        if number < 0:
            yield f"{RECIPE}{~number}", recipe_item(key)
        else:
            yield f"#{number}", content_item(key)
