"""Which tables a ClickHouse database has, and how it gets those it lacks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from otel_agent_replay.errors import StoreAccessError, StoreUnavailableError
from otel_agent_replay.model.run import Retention
from otel_agent_replay.store.clickhouse_client import ClickHouse
from otel_agent_replay.store.clickhouse_schema import (
    CONTENTS,
    KNOWN,
    LOCAL,
    MIGRATIONS,
    RUNS,
    SPANS,
    STATES,
    WINDOW,
    adapt,
    backfill,
    expiry,
    migrations_table,
    statements,
    text_index_statement,
)
from otel_agent_replay.store.clickhouse_sql import SPAN_COLUMNS
from otel_agent_replay.store.migrate import Migration, pending

__all__ = ["Tables", "Wanted", "look", "prepare", "problems"]

_WINDOW_SETTING: Final = "non_replicated_deduplication_window"
_REWRITTEN: Final = (SPANS, CONTENTS, RUNS, STATES)
_SUMMED: Final = 2
"""The schema version that brought the summary of runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How tables are to be made: see `ClickHouseStore.init`."""

    cluster: str | None = None
    text_index: bool = False
    keep_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """What a database has.

    Attributes:
        names: Its tables and views, as far as this user may know.
        run_id: `otel_traces` has the column RunId, so it is of our making.
        schema: Schema version; 0 if there are no tables of ours.
        cluster: The cluster whose tables these are, None for one server.
        hosts: How many servers that cluster has.
        text_index: Contents have a text index.
    """

    names: frozenset[str] = frozenset()
    run_id: bool = False
    schema: int = 0
    cluster: str | None = None
    hosts: int = 1
    text_index: bool = False

    @property
    def complete(self) -> bool:
        """Whether the tables of this version are all there."""
        return self.schema == KNOWN[-1].version

    def deletion(self, table: str, where: str) -> str:
        """Return the statement that deletes rows, on every server."""
        return f"DELETE FROM {self._everywhere(table)} WHERE {where}"  # noqa: S608

    def update(self, table: str, assignment: str, where: str) -> str:
        """Return the statement that changes rows, on every server."""
        return (
            f"ALTER TABLE {self._everywhere(table)} UPDATE {assignment} WHERE {where}"
        )

    def rewritings(self, action: str) -> Iterable[str]:
        """Yield the statements that have every table's parts rewritten."""
        for table in _REWRITTEN:
            if table in self.names:
                yield action.format(self._everywhere(table))

    def _everywhere(self, table: str) -> str:
        if not self.cluster or f"{table}{LOCAL}" not in self.names:
            return table
        # A cluster of one server needs no DDL that is handed round.
        on = f" ON CLUSTER '{self.cluster}'" if self.hosts > 1 else ""
        return f"{table}{LOCAL}{on}"


def look(server: ClickHouse) -> Tables:
    """Find out what is there."""
    rows = server.rows(
        "SELECT name, engine, engine_full, create_table_query FROM system.tables"
        " WHERE database = currentDatabase()"
    )
    made = {name: (engine, full, text) for name, engine, full, text in rows}
    engine, full, text = made.get(SPANS, ("", "", ""))
    spread = re.match(r"Distributed\('([^']*)'", full) if "Distr" in engine else None
    contents = [made[n][2] for n in (CONTENTS, CONTENTS + LOCAL) if n in made]
    found = Tables(
        names=frozenset(made),
        run_id="`RunId`" in text,
        schema=_schema(server, frozenset(made)),
        cluster=spread[1] if spread else None,
        text_index=any("idx_text" in each for each in contents),
    )
    return replace(found, hosts=_hosts(server, found.cluster))


def prepare(server: ClickHouse, wanted: Wanted, *, create: bool) -> Tables:
    """Find out what is there, and make what is missing if that is allowed.

    Raises:
        StoreUnavailableError: There is nothing, and nothing may be made.
        StoreSchemaError: The tables are newer than this code.
    """
    found = look(server)
    if not create and SPANS not in found.names:
        problem = "the database has no table otel_traces"
        raise StoreUnavailableError(server.address.shown, problem)
    missing = pending(server.address.shown, found.schema, KNOWN)
    wanted = replace(wanted, cluster=wanted.cluster or found.cluster)
    if create and missing:
        _migrate(server, wanted, missing, empty=SPANS not in found.names)
    elif wanted.keep_days is not None:
        _expire(server, wanted)
    if wanted.text_index:
        server.command(text_index_statement(cluster=wanted.cluster))
    return look(server)


def problems(server: ClickHouse, tables: Tables) -> list[str]:
    """Return what a person should look at."""
    rows = server.rows(
        f"""SELECT name, type FROM system.columns
        WHERE database = currentDatabase() AND table = '{SPANS}'"""  # noqa: S608
    )
    types: dict[str, str] = {row[0]: row[1] for row in rows}
    wrong = [
        f"column {name} of otel_traces is {types.get(name, 'missing')}, not {kind}"
        for name, kind in SPAN_COLUMNS.items()
        if types.get(name, "").partition("(")[0] != kind.partition("(")[0]
    ]
    if not tables.schema:
        wrong.append(
            "otel_traces was made by something else; payloads are not shared yet"
        )
    elif not _remembers(server):
        wrong.append(
            "otel_traces does not tell a batch that was sent twice; its rows are told"
            " apart on every read. To save that, run: ALTER TABLE otel_traces MODIFY"
            f" SETTING {_WINDOW_SETTING} = {WINDOW}"
        )
    return wrong


def _schema(server: ClickHouse, names: frozenset[str]) -> int:
    if MIGRATIONS not in names:
        # One who may only insert need not be able to read the version.
        return KNOWN[-1].version if {SPANS, CONTENTS} <= names else 0
    query = f"SELECT max(Version) FROM {MIGRATIONS}"  # noqa: S608
    version: int = server.rows(query)[0][0]
    return version


def _hosts(server: ClickHouse, cluster: str | None) -> int:
    if cluster is None:
        return 1
    rows = server.rows(
        "SELECT count() FROM system.clusters WHERE cluster = {name:String}",
        name=cluster,
    )
    return int(rows[0][0])


def _migrate(
    server: ClickHouse, wanted: Wanted, missing: Iterable[Migration], *, empty: bool
) -> None:
    for statement in migrations_table(cluster=wanted.cluster):
        server.command(statement)
    for migration in missing:
        for statement in statements(migration, cluster=wanted.cluster):
            server.command(statement, flatten_nested=1)
        # Last of all the version: one who finds it finds everything.
        if migration.version == KNOWN[-1].version:
            _adapt(server, wanted)
            _expire(server, wanted)
        if migration.version == _SUMMED:
            _sum_up(server, wanted, empty=empty)
        server.insert(
            MIGRATIONS,
            {"Version": "UInt32", "Name": "String"},
            [[migration.version], [migration.name]],
        )


def _sum_up(server: ClickHouse, wanted: Wanted, *, empty: bool) -> None:
    """Add up what was stored before; a span that came meanwhile counts as doubled."""
    if not empty:
        token = {"insert_deduplication_token": "spans before schema 2"}
        server.command(backfill(cluster=wanted.cluster), **token)


def _adapt(server: ClickHouse, wanted: Wanted) -> None:
    """Give a table of ours its codecs, and one of a Collector its window."""
    if look(server).run_id:
        for each in adapt(cluster=wanted.cluster):
            server.command(each)
    elif not _remembers(server):
        setting = f"MODIFY SETTING {_WINDOW_SETTING} = {WINDOW}"
        try:
            server.command(f"ALTER TABLE {SPANS} {setting}")
        except StoreAccessError:
            return  # `problems` says so


def _expire(server: ClickHouse, wanted: Wanted) -> None:
    """Have the server drop what nobody pruned; what a Collector made stays its own."""
    days = Retention().flagged if wanted.keep_days is None else wanted.keep_days
    for table in (SPANS, CONTENTS) if look(server).run_id else (CONTENTS,):
        for each in expiry(table, days, cluster=wanted.cluster):
            server.command(each, materialize_ttl_after_modify=0)


def _remembers(server: ClickHouse) -> bool:
    """Tell whether `otel_traces` knows a batch that comes again."""
    rows = server.rows(
        f"""SELECT engine, engine_full FROM system.tables
        WHERE database = currentDatabase() AND name = '{SPANS}'"""  # noqa: S608
    )
    return any(
        engine.startswith(("Replicated", "Shared", "Distributed"))
        or re.search(rf"{_WINDOW_SETTING} = [1-9]", full)
        for engine, full in rows
    )
