# ruff: noqa: D102, S608 - the contract stands in states.py; statements are our own
"""States of threads in a ClickHouse database: one table, one insert a batch."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final

from otel_agent_replay.store.clickhouse_client import ClickHouse
from otel_agent_replay.store.clickhouse_schema import STATES
from otel_agent_replay.store.clickhouse_state_rows import (
    COLUMNS,
    SELECTED,
    StateRow,
    checkpoint_of,
    content_of,
    list_of,
    rows_of,
    value_of,
    write_of,
)
from otel_agent_replay.store.clickhouse_tables import Tables
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

__all__ = ["ClickHouseStates"]

_AT_ONCE: Final = 500  # names of a request; the server takes 128 KiB a parameter
_FROM: Final = f"SELECT {SELECTED} FROM {STATES} FINAL WHERE"
_THREAD: Final = "Thread = {thread:String}"


class ClickHouseStates(States):
    """The states in a ClickHouse database; a table is made when something is added."""

    def __init__(
        self, server: ClickHouse, tables: Tables, make: Callable[[], Tables]
    ) -> None:
        self._server = server
        self._tables = tables
        self._make = make

    @property
    def url(self) -> str:
        return self._server.address.shown

    def add(self, batch: StateBatch) -> bool:
        if not self._tables.has(STATES):
            self._tables = self._make()
        if not self._all_there(batch):
            return False
        rows = [*rows_of(batch)]
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            self._server.insert(STATES, COLUMNS, columns)
        return True

    def checkpoints(self, where: StateFilter) -> list[SavedCheckpoint]:
        conditions, given = _conditions(where)
        limit = "" if where.limit is None else f"LIMIT {int(where.limit)}"
        rows = self._rows(
            f"{conditions} ORDER BY Name DESC, Thread, Namespace {limit}", **given
        )
        return [*map(checkpoint_of, rows)]

    def values(self, thread: str, wanted: Collection[ValueKey]) -> list[SavedValue]:
        # Few namespaces and channels have many versions.
        channels: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for namespace, channel, version in wanted:
            channels[namespace, channel].append(version)
        found: list[SavedValue] = []
        spaces = {space for space, _ in channels}
        for space in spaces:
            names = {v for (s, _), vs in channels.items() if s == space for v in vs}
            rows = self._named(
                thread,
                "Sort = 'value' AND Namespace = {space:String} AND Part",
                names,
                space=space,
            )
            found += map(value_of, rows)
        keys = {*wanted}
        return [v for v in found if (v.namespace, v.channel, v.version) in keys]

    def writes(self, thread: str, places: Collection[Place]) -> list[SavedWrite]:
        ids = {name for _, name in places}
        rows = self._named(thread, "Sort = 'write' AND Name", ids)
        found = [w for w in map(write_of, rows) if _place(w) in {*places}]
        return sorted(found, key=lambda w: (w.path, w.task_id, w.position))

    def lists(self, thread: str, roots: Collection[bytes]) -> list[SavedList]:
        names = {root.hex() for root in roots}
        return [*map(list_of, self._named(thread, "Sort = 'list' AND Name", names))]

    def contents(self, thread: str, keys: Collection[bytes]) -> list[SavedContent]:
        names = {key.hex() for key in keys}
        rows = self._named(thread, "Sort = 'content' AND Name", names)
        return [*map(content_of, rows)]

    def whole(self, thread: str) -> StateBatch:
        by_sort: defaultdict[str, list[StateRow]] = defaultdict(list)
        order = "ORDER BY Sort, Body, Part, Number"
        for row in self._rows(f"{_THREAD} {order}", thread=thread):
            by_sort[row.sort].append(row)
        return StateBatch(
            thread=thread,
            checkpoints=[*map(checkpoint_of, by_sort["checkpoint"])],
            values=[*map(value_of, by_sort["value"])],
            writes=[*map(write_of, by_sort["write"])],
            lists=[*map(list_of, by_sort["list"])],
            contents=[*map(content_of, by_sort["content"])],
        )

    def delete_thread(self, thread: str) -> None:
        self._delete(_THREAD, thread=thread)

    def delete(self, thread: str, places: Collection[Place]) -> None:
        if not places:
            return
        by_space: defaultdict[str, list[str]] = defaultdict(list)
        for space, name in places:
            by_space[space].append(name)
        where = f"""{_THREAD} AND Sort IN ('checkpoint', 'write')
            AND Namespace = {{space:String}} AND Name IN {{names:Array(String)}}"""
        for space, names in by_space.items():
            for some in _groups(names):
                self._delete(where, thread=thread, space=space, names=some)
        self._sweep(thread)

    def delete_framework_runs(self, run_ids: Collection[str]) -> None:
        for some in _groups([each for each in run_ids if each]):
            where = "Sort = 'checkpoint' AND Run IN {runs:Array(String)}"
            self._delete_all(map(checkpoint_of, self._rows(where, runs=some)))

    def erase(self, run_id: str, *, thread: str | None = None) -> int:
        mine = "RecordedBy = {run:String} AND RecordedBy != ''"
        given = {"run": run_id}
        if thread is not None:
            mine += f" AND {_THREAD}"
            given["thread"] = thread
        rows = self._rows(mine, **given)
        if not rows:
            return 0
        self._delete(f"Sort = 'write' AND {mine}", **given)
        found = [checkpoint_of(row) for row in rows if row.sort == "checkpoint"]
        self._delete_all(found)
        done = {each.thread for each in found}
        for each in {row.thread for row in rows} - done:
            self._sweep(each)
        return len(found)

    def count(self) -> int:
        if not self._tables.has(STATES):
            return 0
        query = f"SELECT count() FROM {STATES} FINAL WHERE Sort = 'checkpoint'"
        return int(self._server.rows(query)[0][0])

    def _delete_all(self, checkpoints: Iterable[SavedCheckpoint]) -> None:
        places: defaultdict[str, list[Place]] = defaultdict(list)
        for each in checkpoints:
            places[each.thread].append((each.namespace, each.checkpoint_id))
        for thread, some in places.items():
            self.delete(thread, some)

    def _all_there(self, batch: StateBatch) -> bool:
        """Tell whether all that a batch builds on is there."""
        wanted = {key.hex() for key in batch.builds_on}
        for some in _groups([*wanted]):
            rows = self._server.rows(
                f"""SELECT if(Sort = 'list', Part, Name) AS Key FROM {STATES}
                WHERE {_THREAD} AND Sort IN ('content', 'list')
                AND Key IN {{names:Array(String)}}""",
                thread=batch.thread,
                names=some,
            )
            wanted.difference_update(key for (key,) in rows)
        return not wanted

    def _sweep(self, thread: str) -> None:
        """Delete what nothing in the thread needs any more."""
        there = self.whole(thread)
        versions = [(c.namespace, json.loads(c.versions)) for c in there.checkpoints]
        needed = live(versions, there.values, there.writes, there.lists)
        dead = {
            "content": [
                c.key.hex() for c in there.contents if c.key not in needed.keys
            ],
            "list": [
                each.key.hex() for each in there.lists if each.key not in needed.keys
            ],
        }
        for sort, column in (("content", "Name"), ("list", "Part")):
            where = (
                f"{_THREAD} AND Sort = '{sort}' AND {column} IN {{names:Array(String)}}"
            )
            for some in _groups(dead[sort]):
                self._delete(where, thread=thread, names=some)
        for value in there.values:
            key = (value.namespace, value.channel, value.version)
            if key not in needed.values:
                self._delete(
                    f"""{_THREAD} AND Sort = 'value' AND Namespace = {{space:String}}
                    AND Name = {{channel:String}} AND Part = {{version:String}}""",
                    thread=thread,
                    space=key[0],
                    channel=key[1],
                    version=key[2],
                )

    def _named(
        self, thread: str, where: str, names: Collection[str], **given: str
    ) -> list[StateRow]:
        """Return a thread's rows of which the last column in `where` is a name."""
        rows: list[StateRow] = []
        for some in _groups([*names]):
            condition = f"{_THREAD} AND {where} IN {{names:Array(String)}}"
            rows += self._rows(condition, thread=thread, names=some, **given)
        return rows

    def _rows(self, where: str, **given: str | Sequence[str]) -> list[StateRow]:
        if not self._tables.has(STATES):
            return []
        rows = self._server.rows(f"{_FROM} {where}", **given)
        return [StateRow(*row) for row in rows]

    def _delete(self, where: str, **given: str | Sequence[str]) -> None:
        if not self._tables.has(STATES):
            return
        self._server.command_with(self._tables.deletion(STATES, where), **given)


def _conditions(where: StateFilter) -> tuple[str, dict[str, Any]]:
    after = where.after
    named = {
        _THREAD: ("thread", where.thread),
        "Namespace = {space:String}": ("space", where.namespace),
        "Name = {name:String}": ("name", where.checkpoint_id),
        "Name < {before:String}": ("before", where.before),
        "RecordedBy = {run:String} AND RecordedBy != ''": ("run", where.recorded_by),
    }
    conditions = ["Sort = 'checkpoint'"]
    conditions += [text for text, (_, value) in named.items() if value is not None]
    given: dict[str, Any] = {
        key: value for key, value in named.values() if value is not None
    }
    if after is not None:
        conditions.append(
            """(Name < {last:String} OR Name = {last:String}
            AND (Thread, Namespace) > ({last_thread:String}, {last_space:String}))"""
        )
        given["last"] = after.checkpoint_id
        given["last_thread"] = after.thread
        given["last_space"] = after.namespace
    return " AND ".join(conditions), given


def _place(write: SavedWrite) -> Place:
    return write.namespace, write.checkpoint_id


def _groups(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[at : at + _AT_ONCE] for at in range(0, len(names), _AT_ONCE)]
