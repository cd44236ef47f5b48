"""The columns of the ClickHouse store's tables, and the query for spans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from otel_agent_replay import semconv
from otel_agent_replay.errors import RunNotFoundError
from otel_agent_replay.store.rows import COLUMNS

__all__ = [
    "CONTENTS_OF",
    "CONTENT_COLUMNS",
    "OWN",
    "PLACE",
    "PLACED",
    "SPAN_COLUMNS",
    "run_id_of",
    "spans_query",
    "traces_of",
    "traces_query",
]

_MAP: Final = "Map(LowCardinality(String), String)"
_TYPES: Final = {
    "Timestamp": "DateTime64(9)",
    "Duration": "UInt64",
    "ResourceAttributes": _MAP,
    "SpanAttributes": _MAP,
    "SpanName": "LowCardinality(String)",
    "SpanKind": "LowCardinality(String)",
    "ServiceName": "LowCardinality(String)",
    "StatusCode": "LowCardinality(String)",
    "Events.Timestamp": "Array(DateTime64(9))",
    "Events.Name": "Array(LowCardinality(String))",
    "Events.Attributes": f"Array({_MAP})",
    "Links.TraceId": "Array(String)",
    "Links.SpanId": "Array(String)",
    "Links.TraceState": "Array(String)",
    "Links.Attributes": f"Array({_MAP})",
}
SPAN_COLUMNS: Final[Mapping[str, str]] = {
    name: _TYPES.get(name, "String") for name in COLUMNS
}
"""The Collector's columns and their types."""

CONTENT_COLUMNS: Final[Mapping[str, str]] = {
    "Scope": "String",
    "Hash": "FixedString(32)",
    "Content": "String",
    "Recipe": "Bool",
    "Tenant": "LowCardinality(String)",
}

_READ: Final = {
    "Timestamp": "toUnixTimestamp64Nano(Timestamp)",
    "Events.Timestamp": "arrayMap(t -> toUnixTimestamp64Nano(t), `Events.Timestamp`)",
}

CONTENTS_OF: Final = """
    SELECT Scope, concat('#', base64URLEncode(substring(Hash, 1, 16))), Content
    FROM agent_replay_contents WHERE Scope IN {scopes:Array(String)}
    AND substring(SHA256(Content), 1, 16) = substring(Hash, 1, 16)"""
"""The query for the contents of scopes, by the items that name them; none that is
not what its name says."""

OWN: Final = """TraceId IN (
    SELECT TraceId FROM agent_replay_runs WHERE RunId = {id:String})"""
"""The condition that a span is in one of the traces that have spans of a run."""

PLACE: Final = """
    SELECT TraceId, max(RunId = {id:String}), max(RunId != ''), max(IsGenAi),
        min(StartNs), max(LastNs)
    FROM agent_replay_runs WHERE TraceId IN (
        SELECT TraceId FROM agent_replay_runs WHERE RunId = {id:String}
        UNION ALL SELECT {id:String}
    ) GROUP BY TraceId"""
"""The query for the traces that a run id may stand for, and when they were."""

PLACED: Final = """TraceId IN {traces:Array(String)}
    AND Timestamp >= fromUnixTimestamp64Nano({first:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({last:Int64}) + toIntervalDay(1)"""
"""The condition that a span is in one of these traces, and of these days."""


def run_id_of(*, materialized: bool) -> str:
    """Return the expression of a span's run id, '' if it has none."""
    return "RunId" if materialized else f"SpanAttributes['{semconv.RUN_ID}']"


def spans_query(where: str) -> str:
    """Return the query for the 22 columns of the spans that a condition selects."""
    columns = ", ".join(_READ.get(name, f"`{name}`") for name in COLUMNS)
    return f"""
        SELECT {columns} FROM otel_traces WHERE {where}
        ORDER BY otel_traces.Timestamp, SpanId LIMIT 1 BY TraceId, SpanId"""  # noqa: S608


def traces_query(run_id: str) -> str:
    """Return `PLACE` without times, for a database that has no summary."""
    return f"""
        SELECT TraceId, max({run_id} = {{id:String}}), max({run_id} != ''),
            max(arrayExists(k -> startsWith(k, '{semconv.GENAI_PREFIX}'),
                mapKeys(SpanAttributes)))
        FROM otel_traces WHERE {run_id} = {{id:String}} OR TraceId = {{id:String}}
        GROUP BY TraceId"""  # noqa: S608


def traces_of(run_id: str, rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return the traces of a run, out of those that its id may stand for.

    Raises:
        RunNotFoundError: It stands for none.
    """
    ours = [trace_id for trace_id, has_run, *_ in rows if has_run and run_id]
    theirs = [row[0] for row in rows if row[0] == run_id and row[3] and not row[2]]
    if not ours and not theirs:
        raise RunNotFoundError(run_id)
    return ours or theirs
