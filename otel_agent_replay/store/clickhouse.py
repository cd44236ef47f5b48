# ruff: noqa: D102 - the methods' contract stands in base.py
"""The store for many machines: a ClickHouse server, over HTTP.

Spans are in `otel_traces`, whose columns are the Collector's; payload pieces are
in `agent_replay_contents`. Rows that were sent twice are told apart on reading.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, Final

from otel_agent_replay import semconv
from otel_agent_replay.errors import (
    AmbiguousRunError,
    RunNotFoundError,
    StoreUnavailableError,
)
from otel_agent_replay.model.content import (
    PackedBatch,
    PackedSpan,
    Packer,
    scope_of,
    trace_scope,
    unpack,
)
from otel_agent_replay.model.run import RunFilter, RunSummary
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.store.base import ALL_RUNS, Store, StoreCheck
from otel_agent_replay.store.clickhouse_client import ClickHouse, address
from otel_agent_replay.store.clickhouse_sql import (
    CONTENT_COLUMNS,
    SPAN_COLUMNS,
    run_id_of,
    runs_query,
    spans_query,
)
from otel_agent_replay.store.migrate import migrations, pending
from otel_agent_replay.store.rows import Row, from_row, to_row
from otel_agent_replay.store.summary import class_or_default, status_or_failed

__all__ = ["ClickHouseStore"]

_KNOWN: Final = migrations("clickhouse")
_SPANS: Final = "otel_traces"
_CONTENTS: Final = "agent_replay_contents"
_MIGRATIONS: Final = "agent_replay_migrations"
_SETTINGS: Final = "agent_replay_settings"
_MOST_KNOWN: Final = 500_000
_MOST_IDS: Final = 1000


class ClickHouseStore(Store):
    """A store in a ClickHouse database."""

    def __init__(self, url: str, *, create: bool = True) -> None:
        self._address = address(url)
        self._server = ClickHouse(self._address, create=create)
        self._packer = Packer()
        # Contents that this process has stored: a history comes with every step.
        self._sent: set[tuple[str, bytes]] = set()
        self._tables: frozenset[str] = frozenset()
        self._run_id = ""
        self._schema = 0
        try:
            self._prepare(create=create)
        except BaseException:
            self._server.close()
            raise

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
        if _CONTENTS not in self._tables:
            self._prepare(create=True)
        # Contents first: a span that readers see always has its payload.
        self._write_contents([*packed.values()], batch.token)
        rows = [to_row(each.span) for each in packed.values()]
        columns = [list(column) for column in zip(*rows, strict=True)]
        self._server.insert(_SPANS, SPAN_COLUMNS, columns, token=batch.token)

    def runs(self, where: RunFilter = ALL_RUNS) -> list[RunSummary]:
        query, parameters = runs_query(
            where, run_id=self._run_id, contents=_CONTENTS in self._tables
        )
        return [_summary(row) for row in self._server.rows(query, **parameters)]

    def spans(self, run_id: str) -> tuple[SpanRecord, ...]:
        trace_ids = self._traces(run_id)
        columns = self._server.columns(
            spans_query("TraceId IN {traces:Array(String)}"), traces=trace_ids
        )
        found = [from_row(Row(*values)) for values in zip(*columns, strict=True)]
        found.sort(key=lambda span: (span.start_ns, span.span_id))
        return unpack(found, self._contents(sorted({scope_of(span) for span in found})))

    def resolve(self, prefix: str) -> str:
        where = RunFilter(run_id_prefix=prefix, limit=_MOST_IDS)
        run_ids = [run.run_id for run in self.runs(where)]
        if not run_ids:
            raise RunNotFoundError(prefix)
        if len(run_ids) == 1 or prefix in run_ids:
            return prefix if prefix in run_ids else run_ids[0]
        raise AmbiguousRunError(prefix, run_ids)

    def erase(self, run_id: str) -> int:
        trace_ids = self._traces(run_id)
        count = self._delete(f"{self._run_id} = {{value:String}}", run_id)
        scopes = [run_id]
        for trace_id in trace_ids:
            others = self._count(
                f"TraceId = {{value:String}} AND {self._run_id} != ''", trace_id
            )
            if not others:
                count += self._delete("TraceId = {value:String}", trace_id)
                scopes.append(trace_scope(trace_id))
        if _CONTENTS in self._tables:
            for scope in scopes:
                self._server.command_with(
                    f"DELETE FROM {_CONTENTS} WHERE Scope = {{value:String}}",  # noqa: S608
                    value=scope,
                )
        self._sent = set()
        self._purge()
        return count

    def setting(self, name: str) -> str | None:
        if _SETTINGS not in self._tables:
            return None
        rows = self._server.rows(
            f"""SELECT Value FROM {_SETTINGS} WHERE Name = {{name:String}}
            ORDER BY WrittenAt, Value LIMIT 1""",  # noqa: S608
            name=name,
        )
        return rows[0][0] if rows else None

    def set_setting_once(self, name: str, value: str) -> str:
        if _SETTINGS not in self._tables:
            self._prepare(create=True)
        known = self.setting(name)
        if known is not None:
            return known
        self._server.insert(
            _SETTINGS,
            {"Name": "String", "Value": "String"},
            [[name], [value]],
            token=f"setting {name}",
        )
        return self.setting(name) or value

    def check(self) -> StoreCheck:
        version = self._server.rows("SELECT version()")[0][0]
        runs = self._server.rows(
            "SELECT count() FROM ({})".format(  # noqa: S608
                runs_query(
                    RunFilter(limit=2**32 - 1),
                    run_id=self._run_id,
                    contents=False,
                )[0]
            ),
            limit=2**32 - 1,
        )[0][0]
        contents: Sequence[Any] = (0, 0)
        if _CONTENTS in self._tables:
            contents = self._server.rows(
                f"SELECT count(), sum(length(Content)) FROM {_CONTENTS} FINAL"  # noqa: S608
            )[0]
        return StoreCheck(
            url=self.url,
            kind="clickhouse",
            version=version,
            schema=self._schema,
            known_schema=_KNOWN[-1].version,
            runs=runs,
            spans=self._count("1", ""),
            contents=contents[0],
            content_bytes=contents[1],
            problems=tuple(self._problems()),
        )

    def close(self) -> None:
        self._server.close()

    def _prepare(self, *, create: bool) -> None:
        """Find out what is there, and make what is missing if that is allowed."""
        self._look()
        if not create and _SPANS not in self._tables:
            raise StoreUnavailableError(
                self.url, "the database has no table otel_traces"
            )
        missing = pending(self.url, self._schema, _KNOWN)
        if not create or not missing:
            return
        self._server.command(
            f"CREATE TABLE IF NOT EXISTS {_MIGRATIONS} (Version UInt32, Name String,"
            " AppliedAt DateTime DEFAULT now()) ENGINE = ReplacingMergeTree"
            " ORDER BY Version"
        )
        for migration in missing:
            for statement in migration.statements:
                self._server.command(statement, flatten_nested=1)
            self._server.insert(
                _MIGRATIONS,
                {"Version": "UInt32", "Name": "String"},
                [[migration.version], [migration.name]],
            )
        self._look()

    def _look(self) -> None:
        rows = self._server.rows(
            """SELECT table, has(groupArray(name), 'RunId') FROM system.columns
            WHERE database = currentDatabase() GROUP BY table"""
        )
        self._tables = frozenset(name for name, _ in rows)
        own = any(name == _SPANS and has_run_id for name, has_run_id in rows)
        self._run_id = run_id_of(materialized=own)
        self._schema = 0
        if _MIGRATIONS in self._tables:
            query = f"SELECT max(Version) FROM {_MIGRATIONS}"  # noqa: S608
            self._schema = self._server.rows(query)[0][0]

    def _write_contents(self, spans: Sequence[PackedSpan], token: str) -> None:
        new = {
            (each.scope, key): (text, key in each.recipes)
            for each in spans
            for key, text in each.contents.items()
            if (each.scope, key) not in self._sent
        }
        if not new:
            return
        columns: list[list[Any]] = [
            [scope for scope, _ in new],
            [key for _, key in new],
            [text for text, _ in new.values()],
            [recipe for _, recipe in new.values()],
        ]
        self._server.insert(_CONTENTS, CONTENT_COLUMNS, columns, token=token)
        if len(self._sent) > _MOST_KNOWN:
            self._sent = set()
        self._sent.update(new)

    def _contents(self, scopes: Sequence[str]) -> dict[tuple[str, bytes], str]:
        if _CONTENTS not in self._tables:
            return {}
        columns = self._server.columns(
            f"""SELECT Scope, Hash, Content FROM {_CONTENTS}
            WHERE Scope IN {{scopes:Array(String)}}""",  # noqa: S608
            scopes=scopes,
        )
        return {(scope, key): text for scope, key, text in zip(*columns, strict=True)}

    def _traces(self, run_id: str) -> list[str]:
        """Return the traces that hold the run."""
        own = self._server.rows(
            f"""SELECT DISTINCT TraceId FROM {_SPANS}
            WHERE {self._run_id} = {{id:String}} AND {{id:String}} != ''""",  # noqa: S608
            id=run_id,
        )
        if own:
            return [trace_id for (trace_id,) in own]
        found, genai, owned = self._server.rows(
            f"""SELECT count(), max(arrayExists(
                k -> startsWith(k, '{semconv.GENAI_PREFIX}'), mapKeys(SpanAttributes))),
                max({self._run_id} != '')
            FROM {_SPANS} WHERE TraceId = {{id:String}}""",  # noqa: S608
            id=run_id,
        )[0]
        if not found or not genai or owned:
            raise RunNotFoundError(run_id)
        return [run_id]

    def _count(self, where: str, value: str) -> int:
        count: int = self._server.rows(
            f"SELECT uniqExact(TraceId, SpanId) FROM {_SPANS} WHERE {where}",  # noqa: S608
            value=value,
        )[0][0]
        return count

    def _delete(self, where: str, value: str) -> int:
        count = self._count(where, value)
        if count:
            self._server.command_with(
                f"DELETE FROM {_SPANS} WHERE {where}",  # noqa: S608
                value=value,
            )
        return count

    def _purge(self) -> None:
        """Have the server rewrite the parts that hold deleted rows, in its time."""
        for table in (_SPANS, _CONTENTS):
            if table in self._tables:
                self._server.command(
                    f"ALTER TABLE {table} APPLY DELETED MASK", mutations_sync=0
                )

    def _problems(self) -> list[str]:
        rows = self._server.rows(
            f"""SELECT name, type FROM system.columns
            WHERE database = currentDatabase() AND table = '{_SPANS}'"""  # noqa: S608
        )
        types: dict[str, str] = {row[0]: row[1] for row in rows}
        wrong = [
            f"column {name} of otel_traces is {types.get(name, 'missing')}, not {kind}"
            for name, kind in SPAN_COLUMNS.items()
            if types.get(name, "").partition("(")[0] != kind.partition("(")[0]
        ]
        if self._schema == 0:
            wrong.append(
                "otel_traces was made by something else; payloads are not shared yet"
            )
        return wrong


def _summary(row: Sequence[Any]) -> RunSummary:
    status = status_or_failed(row[6])
    return RunSummary(
        run_id=row[0],
        trace_id=row[1],
        agent_name=row[2],
        agent_version=row[3] or None,
        user=row[4] or None,
        conversation=row[5] or None,
        status=status,
        run_class=class_or_default(row[7], status),
        parent_run_id=row[8] or None,
        tags=tuple(row[9]),
        start_ns=row[10],
        end_ns=row[11],
        step_count=row[12],
        input_tokens=row[13],
        output_tokens=row[14],
        cost_usd=row[15],
        dropped=row[16],
    )
