"""What keeps a ClickHouse store small: erasing, pruning, and what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from otel_agent_replay import semconv
from otel_agent_replay.model.content import trace_scope
from otel_agent_replay.model.run import Retention
from otel_agent_replay.store.base import Pruned, StoreStats, TableStats
from otel_agent_replay.store.clickhouse_client import ClickHouse
from otel_agent_replay.store.clickhouse_runs import Layout, folded, marked
from otel_agent_replay.store.clickhouse_schema import (
    CONTENTS,
    INTENTIONS,
    MARKS,
    RUNS,
    SPANS,
    kept_until,
)
from otel_agent_replay.store.clickhouse_sql import run_id_of
from otel_agent_replay.store.clickhouse_tables import Tables

__all__ = [
    "delete_runs",
    "drop_strays",
    "expired",
    "hold",
    "hold_golden",
    "prune",
    "purge",
    "stats",
]

_DAY_NS: Final = 86_400_000_000_000
_AT_ONCE: Final = 500  # ids of a request; the server takes 128 KiB a parameter
_EVER: Final = "toDate('2149-06-06')"
_SIZES: Final = """
    SELECT table, sum(rows), sum(data_uncompressed_bytes), sum(bytes_on_disk) AS stored
    FROM system.parts WHERE active AND database = currentDatabase()
    GROUP BY table ORDER BY stored DESC, table"""
_BYTES: Final = f"toInt64OrZero(SpanAttributes['{semconv.SPAN_BYTES}'])"
_RECORDED: Final = f"""
    SELECT count(), sum(bytes) FROM (
        SELECT max({_BYTES}) AS bytes FROM {SPANS} GROUP BY TraceId, SpanId
    )"""  # noqa: S608


def delete_runs(
    server: ClickHouse,
    tables: Tables,
    run_ids: Sequence[str],
    *,
    dry_run: bool = False,
) -> int:
    """Delete runs with all that is theirs; return how many spans they have."""
    run_id = run_id_of(materialized=tables.run_id)
    traces = _traces(server, tables, run_ids)
    if not traces:
        return 0
    alone = _left_alone(server, tables, run_ids, traces)
    where = f"""TraceId IN {{traces:Array(String)}} AND ({run_id} IN
        {{runs:Array(String)}} AND {run_id} != ''
        OR {run_id} = '' AND TraceId IN {{alone:Array(String)}})"""
    given = {"traces": traces, "runs": run_ids, "alone": alone}
    count: int = server.rows(
        f"SELECT uniqExact(TraceId, SpanId) FROM {SPANS} WHERE {where}",  # noqa: S608
        **given,
    )[0][0]
    if dry_run:
        return count
    server.command_with(tables.deletion(SPANS, where), **given)
    scopes = [*run_ids, *map(trace_scope, alone)]
    of_scopes, of_runs = (
        f"{column} IN {{names:Array(String)}}" for column in ("Scope", "RunId")
    )
    # The summary last: a run is found there, so what fails before can be tried again.
    for table, which, names in (
        (CONTENTS, of_scopes, scopes),
        (INTENTIONS, of_runs, run_ids),
        (MARKS, of_runs, run_ids),
    ):
        if tables.has(table):
            server.command_with(tables.deletion(table, which), names=names)
    if tables.summed:
        summary = where.replace(run_id, "RunId")
        server.command_with(tables.deletion(RUNS, summary), **given)
    return count


def expired(
    server: ClickHouse, layout: Layout, keep: Retention, now_ns: int
) -> dict[str, str]:
    """Return the runs that are past their days, and their run classes."""
    ends = {
        "success": keep.success,
        "failed": keep.failed,
        "flagged": keep.flagged,
        "test": keep.test,
    }
    past = " OR ".join(
        f"class = '{name}' AND started < {now_ns - days * _DAY_NS}"
        for name, days in ends.items()
    )
    rows = server.rows(
        f"""SELECT run_id, class FROM ({folded(layout)})
        WHERE NOT {marked(layout, "golden")} AND ({past})"""  # noqa: S608
    )
    return {row[0]: row[1] for row in rows}


def prune(
    server: ClickHouse, tables: Tables, runs: Mapping[str, str], *, dry_run: bool
) -> Pruned:
    """Delete these runs, of which the classes are given; count them."""
    spans = 0
    run_ids = sorted(runs)
    for start in range(0, len(run_ids), _AT_ONCE):
        some = run_ids[start : start + _AT_ONCE]
        spans += delete_runs(server, tables, some, dry_run=dry_run)
    return Pruned(runs=dict(Counter(runs.values())), spans=spans)


def drop_strays(
    server: ClickHouse, tables: Tables, keep: Retention, now_ns: int
) -> None:
    """Delete what was intended in runs of which no span ever came."""
    if not tables.has(INTENTIONS):
        return
    rows = server.rows(
        f"""SELECT RunId FROM {INTENTIONS} GROUP BY RunId
        HAVING max(Began) < {{before:Int64}}
            AND RunId NOT IN (SELECT RunId FROM {RUNS})""",  # noqa: S608
        before=now_ns - keep.failed * _DAY_NS,
    )
    where = "RunId IN {names:Array(String)}"
    for start in range(0, len(rows), _AT_ONCE):
        some = [run_id for (run_id,) in rows[start : start + _AT_ONCE]]
        server.command_with(tables.deletion(INTENTIONS, where), names=some)


def hold(
    server: ClickHouse, tables: Tables, run_ids: Sequence[str], *, on: bool
) -> None:
    """Keep the server from dropping runs by itself, or let it again."""
    given = {
        SPANS: ("TraceId", _traces(server, tables, run_ids)),
        CONTENTS: ("Scope", [*run_ids, *map(trace_scope, run_ids)]),
        INTENTIONS: ("RunId", [*run_ids]),
    }
    for table in tables.expiring:
        column, values = given[table]
        until = _EVER if on else kept_until(table, tables.keep_days)
        where = f"{column} IN {{values:Array(String)}}"
        statement = tables.update(table, f"KeepUntil = {until}", where)
        server.command_with(statement, values=values)


def hold_golden(server: ClickHouse, tables: Tables) -> None:
    """Hold the spans and payloads that came to golden runs after their mark."""
    if not (tables.summed and tables.run_id):
        return
    rows = server.rows(
        f"""SELECT DISTINCT RunId FROM {SPANS} WHERE KeepUntil < {_EVER} AND RunId IN (
            SELECT RunId FROM agent_replay_marked WHERE Mark = 'golden')"""  # noqa: S608
    )
    for start in range(0, len(rows), _AT_ONCE):
        some = [run_id for (run_id,) in rows[start : start + _AT_ONCE]]
        hold(server, tables, some, on=True)


def purge(server: ClickHouse, tables: Tables, *, wait: bool) -> None:
    """Have the parts rewritten that hold deleted rows."""
    for statement in tables.rewritings("ALTER TABLE {} APPLY DELETED MASK"):
        server.command(statement, mutations_sync=2 if wait else 0)


def stats(server: ClickHouse, tables: Tables, layout: Layout) -> StoreStats:
    """Return what the store costs."""
    runs, oldest, newest, dropped = server.rows(
        f"""SELECT count(), min(started), max(started), sumMap(reasons)
        FROM ({folded(layout)})"""  # noqa: S608
    )[0]
    sizes = [_size(row) for row in server.rows(_SIZES)]
    content_bytes = 0
    if CONTENTS in tables.names:
        query = f"SELECT sum(length(Content)) FROM {CONTENTS} FINAL"  # noqa: S608
        content_bytes = server.rows(query)[0][0]
    spans, recorded = server.rows(_RECORDED)[0]
    return StoreStats(
        url=server.address.shown,
        kind="clickhouse",
        runs=runs,
        spans=spans,
        tables=tuple(sizes),
        recorded_bytes=recorded,
        content_bytes=content_bytes,
        stored_bytes=sum(each.stored_bytes for each in sizes),
        oldest_ns=oldest if runs else None,
        newest_ns=newest if runs else None,
        dropped={name: count for name, count in dropped.items() if count},
    )


def _size(row: Sequence[Any]) -> TableStats:
    name, rows, raw, stored = row
    return TableStats(name=name, rows=rows, raw_bytes=raw, stored_bytes=stored)


def _traces(server: ClickHouse, tables: Tables, run_ids: Sequence[str]) -> list[str]:
    """Return the traces of runs; a run that is a trace is its own."""
    own = run_id_of(materialized=tables.run_id)
    table, own = (RUNS, "RunId") if tables.summed else (SPANS, own)
    rows = server.rows(
        f"""SELECT DISTINCT TraceId FROM {table}
        WHERE {own} IN {{runs:Array(String)}} OR TraceId IN {{runs:Array(String)}}""",  # noqa: S608
        runs=run_ids,
    )
    return [trace_id for (trace_id,) in rows]


def _left_alone(
    server: ClickHouse, tables: Tables, run_ids: Sequence[str], traces: Sequence[str]
) -> list[str]:
    """Return those of the traces that have no run once these are gone."""
    own = run_id_of(materialized=tables.run_id)
    table, own = (RUNS, "RunId") if tables.summed else (SPANS, own)
    rows = server.rows(
        f"""SELECT DISTINCT TraceId FROM {table} WHERE TraceId IN
            {{traces:Array(String)}} AND {own} != ''
            AND {own} NOT IN {{runs:Array(String)}}""",  # noqa: S608
        traces=traces,
        runs=run_ids,
    )
    kept = {trace_id for (trace_id,) in rows}
    return [trace_id for trace_id in traces if trace_id not in kept]
