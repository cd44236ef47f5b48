# ruff: noqa: D102 - the methods' contract stands in model/intention.py
"""Intentions in ClickHouse: rows that are only added, read as one history.

The server drops an insert whose deduplication token it knows, so that of several
attempts at one place in the history the first one stays. Readers go by the earliest
row should it have forgotten the token. On a cluster whose replicas lag, a reader may
not see what another replica has taken; docs/side-effects.md says what that means.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from otel_agent_replay.model.intention import Intention, IntentionLog, IntentionState
from otel_agent_replay.store.clickhouse_client import ClickHouse, address
from otel_agent_replay.store.clickhouse_schema import INTENTIONS

__all__ = ["ClickHouseIntentions"]

_SECONDS: Final = {"connect_timeout": 5, "send_receive_timeout": 10}
"""How long a write waits for the server before it is refused, unless the URL says."""
_COLUMNS: Final = {
    "RunId": "String",
    "Tool": "String",
    "Key": "String",
    "Token": "String",
    "After": "String",
    "Digest": "String",
    "Process": "String",
    "Began": "Int64",
    "State": "LowCardinality(String)",
    "Outcome": "String",
    "Ended": "Int64",
}
_ROWS: Final = f"""SELECT {", ".join(_COLUMNS)} FROM {INTENTIONS}
    WHERE RunId = {{run:String}}"""  # noqa: S608 - our own names
_OLDEST_FIRST: Final = "ORDER BY WrittenAt, Token"
_STATES: Final[dict[str, IntentionState]] = {"done": "done", "failed": "failed"}
_HERE: Final = "AND Tool = {tool:String} AND Key = {key:String}"


@dataclass(frozen=True, slots=True)
class _Row:
    """A row: an attempt, or what came of one."""

    run_id: str
    tool: str
    key: str
    token: str
    after: str
    digest: str
    process: str
    began_ns: int
    state: str
    outcome: str
    ended_ns: int


class ClickHouseIntentions(IntentionLog):
    """The intentions in a ClickHouse store's database; its tables are there."""

    def __init__(self, url: str) -> None:
        where = address(url)
        where = replace(where, options={**_SECONDS, **where.options})
        self._server = ClickHouse(where, create=False)

    def intend(self, new: Intention, *, instead_of: str = "") -> Intention:
        found = self._in_force(new)
        if (found.token if found else "") != instead_of and found is not None:
            return found
        place = [new.run_id, new.tool, new.key, instead_of]
        token = "intention " + " ".join(f"{len(each)}:{each}" for each in place)
        self._insert(new, after=instead_of, token=token)
        found = self._in_force(new)
        if found is None or found.token == instead_of:
            # The server knows the token of a run that was erased since.
            self._insert(new, after=instead_of)
            found = self._in_force(new)
        return found or new

    def settle(self, ended: Intention) -> None:
        self._insert(ended)

    def of_run(self, run_id: str) -> tuple[Intention, ...]:
        rows = self._server.rows(f"{_ROWS} {_OLDEST_FIRST}", run=run_id)
        places: dict[tuple[str, str], list[_Row]] = {}
        for row in (_Row(*each) for each in rows):
            places.setdefault((row.tool, row.key), []).append(row)
        found = [each for each in map(_folded, places.values()) if each is not None]
        return tuple(sorted(found, key=lambda each: (each.began_ns, each.name)))

    def close(self) -> None:
        self._server.close()

    def _in_force(self, like: Intention) -> Intention | None:
        rows = self._server.rows(
            f"{_ROWS} {_HERE} {_OLDEST_FIRST}",
            run=like.run_id,
            tool=like.tool,
            key=like.key,
        )
        return _folded([_Row(*each) for each in rows])

    def _insert(self, each: Intention, *, after: str = "", token: str = "") -> None:
        values: Sequence[Any] = (
            each.run_id,
            each.tool,
            each.key,
            each.token,
            after,
            each.digest,
            each.process,
            each.began_ns,
            each.state,
            each.outcome,
            each.ended_ns,
        )
        self._server.insert(
            INTENTIONS, _COLUMNS, [[value] for value in values], token=token
        )


def _folded(rows: Iterable[_Row]) -> Intention | None:
    """Return the attempt in force: after each one, the earliest that replaced it."""
    rows = [*rows]
    attempts: dict[str, _Row] = {}
    for row in rows:
        if row.state == "open":
            attempts.setdefault(row.after, row)
    last, seen = attempts.get(""), {""}
    while last is not None and last.token in attempts and last.token not in seen:
        seen.add(last.token)
        last = attempts[last.token]
    if last is None:
        return None
    ends = [row for row in rows if row.token == last.token and row.state != "open"]
    end = next(iter(ends), last)
    return Intention(
        run_id=last.run_id,
        tool=last.tool,
        key=last.key,
        digest=last.digest,
        token=last.token,
        process=last.process,
        began_ns=last.began_ns,
        state=_STATES.get(end.state, "open"),
        outcome=end.outcome,
        ended_ns=end.ended_ns,
    )
