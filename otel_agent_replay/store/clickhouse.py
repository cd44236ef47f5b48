# ruff: noqa: D102 - the methods' contract stands in base.py
"""The store for many machines: a ClickHouse server, or a cluster, over HTTP.

Spans are in `otel_traces`, whose columns are the Collector's; payload pieces are
in `agent_replay_contents`, what a run list shows in `agent_replay_runs`.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import starmap
from typing import Any, Final, Self

from otel_agent_replay import semconv
from otel_agent_replay.errors import AmbiguousRunError, RunNotFoundError
from otel_agent_replay.model.content import (
    PackedBatch,
    PackedSpan,
    Packer,
    scope_in,
    trace_scope,
)
from otel_agent_replay.model.run import Retention, RunFilter, RunMark, RunSummary
from otel_agent_replay.model.span import SpanRecord, storable
from otel_agent_replay.store.base import (
    ALL_RUNS,
    Pruned,
    Store,
    StoreCheck,
    StoreStats,
)
from otel_agent_replay.store.clickhouse_client import ClickHouse, address
from otel_agent_replay.store.clickhouse_payloads import inline, lacks_payload
from otel_agent_replay.store.clickhouse_runs import (
    DOUBLED,
    Layout,
    doubled_among,
    folded,
    runs_query,
)
from otel_agent_replay.store.clickhouse_schema import (
    CONTENTS,
    KNOWN,
    MARKS,
    SETTINGS,
    SPANS,
)
from otel_agent_replay.store.clickhouse_sql import (
    CONTENT_COLUMNS,
    CONTENTS_OF,
    OWN,
    PLACE,
    PLACED,
    SPAN_COLUMNS,
    run_id_of,
    spans_query,
    traces_of,
    traces_query,
)
from otel_agent_replay.store.clickhouse_states import ClickHouseStates
from otel_agent_replay.store.clickhouse_tables import (
    Tables,
    Wanted,
    prepare,
    problems,
)
from otel_agent_replay.store.clickhouse_upkeep import (
    delete_runs,
    drop_strays,
    expired,
    hold,
    hold_golden,
    prune,
    purge,
    stats,
)
from otel_agent_replay.store.rows import Row, to_row
from otel_agent_replay.store.summary import summary_of

__all__ = ["ClickHouseStore"]

_HASH_BYTES: Final = 32
"""The width of the column Hash, of which names take the first half."""
_MOST_KNOWN: Final = 500_000
_MOST_IDS: Final = 1000
_MOST_ASKED: Final = 500
_DAY_NS: Final = 86_400_000_000_000


class ClickHouseStore(Store):
    """A store in a ClickHouse database."""

    def __init__(
        self, url: str, *, create: bool = True, wanted: Wanted | None = None
    ) -> None:
        self._address = address(url)
        self._server = ClickHouse(self._address, create=create)
        self._packer = Packer()
        # Contents that this process has stored: a history comes with every step.
        self._sent: set[tuple[str, bytes]] = set()
        self._tables = Tables()
        try:
            self._prepare(wanted or Wanted(), create=create)
        except BaseException:
            self._server.close()
            raise

    @classmethod
    def init(
        cls,
        url: str,
        *,
        cluster: str | None = None,
        text_index: bool = False,
        keep_days: int | None = None,
    ) -> Self:
        """Make the tables, or bring them up to date, and open the store.

        What somebody has dropped is made again, and runs are added up anew.

        Args:
            url: Its URL.
            cluster: The cluster, as in the server's `remote_servers`, on which the
                tables are replicated and spread by trace; it holds for new tables.
            text_index: Whether payloads get an index for searches by text.
            keep_days: After how many days the server itself drops what nobody
                pruned; by default those of a flagged run.
        """
        wanted = Wanted(
            cluster=cluster, text_index=text_index, keep_days=keep_days, repaired=True
        )
        return cls(url, wanted=wanted)

    @property
    def url(self) -> str:
        return self._address.shown

    def write(self, spans: Sequence[SpanRecord]) -> None:
        packed = tuple(map(self._packer.pack, spans))
        self.write_packed(PackedBatch(token=secrets.token_hex(16), spans=packed))

    def write_packed(self, batch: PackedBatch) -> None:
        packed = {
            (each.span.trace_id, each.span.span_id): each
            for each in reversed(batch.spans)
        }
        if not packed:
            return
        if CONTENTS not in self._tables.names:
            self._prepare(Wanted(), create=True)
        # Contents first: a span that readers see always has its payload.
        self._write_contents([*packed.values()], batch.token)
        rows = [to_row(each.span) for each in packed.values()]
        columns = [list(column) for column in zip(*rows, strict=True)]
        self._server.insert(SPANS, SPAN_COLUMNS, columns, token=batch.token)

    def runs(self, where: RunFilter = ALL_RUNS) -> list[RunSummary]:
        if where.max_cost_usd is not None:
            # A run seems dearer than it is if spans came twice, and would be missed.
            rows = self._listed(where, self._layout())
            return [*map(summary_of, rows)]
        # Else these change the sums of a run, and find runs that do not fit.
        layout = self._layout_of(doubled=False)
        rows = self._listed(where, layout)
        if layout.summary and self._doubled([each for row in rows for each in row[-1]]):
            rows = self._listed(where, replace(layout, doubled=True))
        return [*map(summary_of, rows)]

    def spans(self, run_id: str) -> tuple[SpanRecord, ...]:
        usual = {run_id, trace_scope(run_id)}
        with ThreadPoolExecutor(max_workers=1) as beside:
            asked = beside.submit(self._contents, sorted(usual))
            rows = self._rows(run_id)
            contents = asked.result()
        scopes = [scope_in(row.attributes, row.trace_id) for row in rows]
        contents |= self._contents(sorted({*scopes} - usual))
        found = inline(rows, scopes, contents)
        if any(map(lacks_payload, found)):
            # A span that came in meanwhile: its contents were there before it.
            found = inline(rows, scopes, self._contents(sorted({*scopes})))
        return tuple(sorted(found, key=lambda span: (span.start_ns, span.span_id)))

    def resolve(self, prefix: str) -> str:
        where = RunFilter(run_id_prefix=prefix, limit=_MOST_IDS)
        run_ids = [run.run_id for run in self.runs(where)]
        if not run_ids:
            raise RunNotFoundError(prefix)
        if len(run_ids) == 1 or prefix in run_ids:
            return prefix if prefix in run_ids else run_ids[0]
        raise AmbiguousRunError(prefix, run_ids)

    def erase(self, run_id: str) -> int:
        self._traces(run_id)
        self.states().erase(run_id)
        count = delete_runs(self._server, self._tables, [run_id])
        self._sent = set()
        purge(self._server, self._tables, wait=False)
        return count

    def mark(self, run_id: str, mark: RunMark, *, on: bool) -> None:
        self._traces(run_id)
        if MARKS not in self._tables.names:
            self._prepare(Wanted(), create=True)
        columns = {"RunId": "String", "Mark": "LowCardinality(String)", "IsSet": "Bool"}
        self._server.insert(MARKS, columns, [[run_id], [mark], [on]])
        if mark == "golden":
            hold(self._server, self._tables, [run_id], on=on)

    def prune(self, keep: Retention, *, now_ns: int, dry_run: bool = False) -> Pruned:
        past = expired(self._server, self._layout(), keep, now_ns)
        if not dry_run:
            hold_golden(self._server, self._tables)
        pruned = prune(self._server, self._tables, past, dry_run=dry_run)
        if not dry_run:
            drop_strays(self._server, self._tables, keep, now_ns)
        if past and not dry_run:
            self._sent = set()
            purge(self._server, self._tables, wait=False)
        return pruned

    def purge(self) -> None:
        purge(self._server, self._tables, wait=True)

    def stats(self) -> StoreStats:
        return stats(self._server, self._tables, self._layout())

    def states(self) -> ClickHouseStates:
        return ClickHouseStates(self._server, self._tables, self._made)

    def setting(self, name: str) -> str | None:
        if SETTINGS not in self._tables.names:
            return None
        rows = self._server.rows(
            f"""SELECT Value FROM {SETTINGS} WHERE Name = {{name:String}}
            ORDER BY WrittenAt, Value LIMIT 1""",  # noqa: S608
            name=name,
        )
        return rows[0][0] if rows else None

    def set_setting_once(self, name: str, value: str) -> str:
        if SETTINGS not in self._tables.names:
            self._prepare(Wanted(), create=True)
        known = self.setting(name)
        if known is not None:
            return known
        self._server.insert(
            SETTINGS,
            {"Name": "String", "Value": "String"},
            [[name], [value]],
            token=f"setting {name}",
        )
        return self.setting(name) or value

    def check(self) -> StoreCheck:
        version = self._server.rows("SELECT version()")[0][0]
        query = f"SELECT count() FROM ({folded(self._layout())})"  # noqa: S608
        contents: Sequence[Any] = (0, 0)
        if CONTENTS in self._tables.names:
            contents = self._server.rows(
                f"SELECT count(), sum(length(Content)) FROM {CONTENTS} FINAL"  # noqa: S608
            )[0]
        spans = f"SELECT uniqExact(TraceId, SpanId) FROM {SPANS}"  # noqa: S608
        return StoreCheck(
            url=self.url,
            kind="clickhouse",
            version=version,
            schema=self._tables.schema,
            known_schema=KNOWN[-1].version,
            runs=self._server.rows(query)[0][0],
            spans=self._server.rows(spans)[0][0],
            contents=contents[0],
            content_bytes=contents[1],
            problems=tuple(problems(self._server, self._tables)),
        )

    def close(self) -> None:
        self._server.close()

    def _prepare(self, wanted: Wanted, *, create: bool) -> None:
        self._tables = prepare(self._server, wanted, create=create)
        if self._tables.cluster:
            # A subquery is answered by all servers, once.
            self._server.use(distributed_product_mode="global")

    def _made(self) -> Tables:
        """Make what is missing; return what there is."""
        self._prepare(Wanted(), create=True)
        return self._tables

    def _listed(self, where: RunFilter, layout: Layout) -> Sequence[Sequence[Any]]:
        query, parameters = runs_query(where, layout)
        return self._server.rows(query, **parameters)

    def _layout(self) -> Layout:
        """Return what there is to read sums from."""
        return self._layout_of(doubled=self._tables.summed and self._doubled())

    def _layout_of(self, *, doubled: bool) -> Layout:
        return Layout(
            summary=self._tables.summed,
            run_id=self._tables.run_id,
            doubled=doubled,
            text_index=self._tables.text_index,
        )

    def _doubled(self, traces: Sequence[str] | None = None) -> bool:
        """Tell whether a span was inserted twice, in these traces or in any."""
        if traces is None or len(traces) > _MOST_ASKED:
            among, given = DOUBLED, {}
        else:
            among, given = doubled_among("traces"), {"traces": traces}
        query = f"SELECT count() FROM ({among})"  # noqa: S608
        return bool(self._server.rows(query, **given)[0][0])

    def _write_contents(self, spans: Sequence[PackedSpan], token: str) -> None:
        new = {
            (each.scope, key): (text, key in each.recipes, _tenant(each.span))
            for each in spans
            for key, text in each.contents.items()
            if (each.scope, key) not in self._sent
        }
        if not new:
            return
        texts, recipes, tenants = zip(*new.values(), strict=True)
        columns: list[list[Any]] = [
            [scope for scope, _ in new],
            [key.ljust(_HASH_BYTES, b"\0") for _, key in new],
            [*texts],
            [*recipes],
            [*tenants],
        ]
        self._server.insert(CONTENTS, CONTENT_COLUMNS, columns, token=token)
        if len(self._sent) > _MOST_KNOWN:
            self._sent = set()
        self._sent.update(new)

    def _rows(self, run_id: str) -> list[Row]:
        columns: Sequence[Sequence[Any]] = ()
        if self._tables.summed and run_id:
            columns = self._server.columns(spans_query(OWN), id=run_id)
        if not columns:
            where, parameters = self._place(run_id)
            columns = self._server.columns(spans_query(where), **parameters)
        rows = [*starmap(Row, zip(*columns, strict=True))]
        if not rows:
            raise RunNotFoundError(run_id)
        return rows

    def _contents(self, scopes: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the contents of scopes, by the items that name them."""
        if CONTENTS not in self._tables.names or not scopes:
            return {}
        columns = self._server.columns(CONTENTS_OF, scopes=scopes)
        found: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for scope, item, text in zip(*columns, strict=True):
            found[scope][item] = text
        return found

    def _place(self, run_id: str) -> tuple[str, dict[str, Any]]:
        """Return the condition that finds the spans of a run's traces, and its values."""
        if not self._tables.summed:
            where = "TraceId IN {traces:Array(String)}"
            return where, {"traces": self._traces(run_id)}
        rows = self._server.rows(PLACE, id=run_id)
        traces = traces_of(run_id, rows)
        among = [row for row in rows if row[0] in traces]
        # Whole days are skipped so: a partition is a day.
        first, last = min(row[4] for row in among), max(row[5] for row in among)
        days = {"first": first - first % _DAY_NS, "last": last - last % _DAY_NS}
        return PLACED, {"traces": traces, **days}

    def _traces(self, run_id: str) -> list[str]:
        """Return the traces that hold the run."""
        if self._tables.summed:
            return traces_of(run_id, self._server.rows(PLACE, id=run_id))
        query = traces_query(run_id_of(materialized=self._tables.run_id))
        return traces_of(run_id, self._server.rows(query, id=run_id))


def _tenant(span: SpanRecord) -> str:
    return storable(span.resource.get(semconv.SERVICE_NAMESPACE, ""))
