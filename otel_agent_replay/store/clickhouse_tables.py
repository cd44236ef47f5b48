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
    INTENTIONS,
    KNOWN,
    LOCAL,
    MADE,
    MARKS,
    MIGRATIONS,
    RUNS,
    SPANS,
    STATES,
    SUMMING,
    WINDOW,
    adapt,
    backfill,
    expiry,
    kept_days,
    migrations_table,
    statements,
    text_index_statement,
)
from otel_agent_replay.store.clickhouse_sql import SPAN_COLUMNS
from otel_agent_replay.store.migrate import Migration, pending

__all__ = ["Tables", "Wanted", "look", "prepare", "problems"]

_WINDOW_SETTING: Final = "non_replicated_deduplication_window"
_REWRITTEN: Final = (SPANS, CONTENTS, RUNS, MARKS, STATES, INTENTIONS)
_NEEDED: Final = frozenset(name for name in SPAN_COLUMNS if "." not in name)
_INTENTIONS_END: Final = 40
"""The schema version since which the server drops intentions by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How tables are to be made: see `ClickHouseStore.init`."""

    cluster: str | None = None
    text_index: bool = False
    keep_days: int | None = None
    repaired: bool = False


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
        keep_days: After how many days the server drops rows by itself.
        alien: Columns of a Collector's table that `otel_traces` lacks.
    """

    names: frozenset[str] = frozenset()
    run_id: bool = False
    schema: int = 0
    cluster: str | None = None
    hosts: int = 1
    text_index: bool = False
    keep_days: int = Retention().flagged
    alien: tuple[str, ...] = ()

    @property
    def summed(self) -> bool:
        """Whether there is a summary of runs, and marks."""
        return self.has(RUNS)

    def has(self, table: str) -> bool:
        """Tell whether one of our tables is there, also if this user may not know."""
        return self.schema >= MADE[table]

    @property
    def lacking(self) -> list[str]:
        """Those of our tables and views that are gone, or that this user may not know."""
        return [n for n, v in MADE.items() if v <= self.schema and n not in self.names]

    @property
    def expiring(self) -> tuple[str, ...]:
        """The tables of which the server drops rows by itself."""
        since = {SPANS: self.run_id, CONTENTS: self.has(CONTENTS)}
        since[INTENTIONS] = self.schema >= _INTENTIONS_END
        return tuple(table for table, there in since.items() if there)

    def deletion(self, table: str, where: str) -> str:
        """Return the statement that deletes rows, on every server."""
        return f"DELETE FROM {self.everywhere(table)} WHERE {where}"  # noqa: S608

    def update(self, table: str, assignment: str, where: str) -> str:
        """Return the statement that changes rows, on every server."""
        return f"ALTER TABLE {self.everywhere(table)} UPDATE {assignment} WHERE {where}"

    def rewritings(self, action: str) -> Iterable[str]:
        """Yield the statements that have every table's parts rewritten."""
        for table in _REWRITTEN:
            if table in self.names:
                yield action.format(self.everywhere(table))

    def everywhere(self, table: str) -> str:
        """Return how a statement names the rows of a table on every server."""
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
        alien=tuple(sorted(n for n in _NEEDED if text and f"`{n}`" not in text)),
        schema=_schema(server, frozenset(made)),
        cluster=spread[1] if spread else None,
        text_index=any("idx_text" in each for each in contents),
        keep_days=next(filter(None, map(kept_days, contents)), Retention().flagged),
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
    if found.alien:
        problem = (
            "its table otel_traces is not a Collector's, it lacks "
            f"{', '.join(found.alien)}; use another database"
        )
        raise StoreUnavailableError(server.address.shown, problem)
    missing = pending(server.address.shown, found.schema, KNOWN)
    wanted = replace(wanted, cluster=wanted.cluster or found.cluster)
    if create and missing:
        _migrate(server, wanted, missing, empty=SPANS not in found.names)
    elif wanted.repaired and found.lacking:
        _repair(server, wanted, found)
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
    if tables.lacking and _sees_all(server):
        wrong.append(
            f"{', '.join(tables.lacking)}: not there any more, so what was stored since"
            " may not be listed. Make it again: agent-replay store init"
        )
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
        if migration.version == MADE[RUNS]:
            _sum_up(server, wanted, empty=empty)
        server.insert(
            MIGRATIONS,
            {"Version": "UInt32", "Name": "String"},
            [[migration.version], [migration.name]],
        )


def _repair(server: ClickHouse, wanted: Wanted, found: Tables) -> None:
    """Make again what is gone, and add up the runs anew."""
    for migration in KNOWN:
        for statement in statements(migration, cluster=wanted.cluster):
            server.command(statement, flatten_nested=1)
    _adapt(server, wanted)
    _expire(server, wanted)
    if {RUNS, SUMMING} & {*found.lacking}:
        # A span that comes meanwhile counts as doubled, so none is forgotten.
        server.command(f"TRUNCATE TABLE {look(server).everywhere(RUNS)}")
        server.command(backfill(cluster=wanted.cluster))


def _sees_all(server: ClickHouse) -> bool:
    """Tell whether this user may know of every table of the database."""
    return bool(server.rows("CHECK GRANT SHOW TABLES ON *")[0][0])


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
    """Have the server drop what nobody pruned; what a Collector made stays its own.

    Nobody who opens a store changes the days that it was made with.
    """
    found = look(server)
    days = found.keep_days if wanted.keep_days is None else wanted.keep_days
    for table in (
        (SPANS, CONTENTS, INTENTIONS) if found.run_id else (CONTENTS, INTENTIONS)
    ):
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
