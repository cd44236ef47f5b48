"""The queries of the ClickHouse store, written from names in `semconv`.

The sums are those of `store.summary`, in SQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, get_args

from otel_agent_replay import semconv
from otel_agent_replay.model.payload import dump_json
from otel_agent_replay.model.run import RunFilter, RunStatus
from otel_agent_replay.store.rows import COLUMNS

__all__ = [
    "CONTENT_COLUMNS",
    "SPAN_COLUMNS",
    "TRACE_SCOPE",
    "run_id_of",
    "runs_query",
    "spans_query",
]

TRACE_SCOPE: Final = "trace/"

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
}

_READ: Final = {
    "Timestamp": "toUnixTimestamp64Nano(Timestamp)",
    "Events.Timestamp": ("arrayMap(t -> toUnixTimestamp64Nano(t), `Events.Timestamp`)"),
}
_RANGE: Final = "toUnixTimestamp64Nano(Timestamp)"
_DIGITS: Final = "'^[0-9]{1,17}$'"


def run_id_of(*, materialized: bool) -> str:
    """Return the expression of a span's run id, '' if it has none."""
    return "RunId" if materialized else _attribute(semconv.RUN_ID)


def spans_query(where: str) -> str:
    """Return the query for the 22 columns of the spans that a condition selects."""
    columns = ", ".join(_READ.get(name, f"`{name}`") for name in COLUMNS)
    return f"""
        SELECT {columns} FROM otel_traces WHERE {where}
        ORDER BY otel_traces.Timestamp, SpanId LIMIT 1 BY TraceId, SpanId"""  # noqa: S608


def runs_query(
    where: RunFilter, *, run_id: str, contents: bool
) -> tuple[str, dict[str, Any]]:
    """Return the query for a run list, and its parameters.

    `run_id` is the expression of a span's run id; `contents` tells whether the
    database has stored contents beside the spans.
    """
    parameters: dict[str, Any] = {}
    having = ["(own OR genai)"]
    for name, condition in _CONDITIONS.items():
        wanted = getattr(where, name)
        if wanted is not None:
            parameters[name] = wanted
            having.append(condition)
    if where.text is not None:
        escaped = dump_json(where.text)[1:-1]
        parameters["needles"] = sorted({where.text, escaped})
        having.append(_text(run_id, contents=contents))
    among = ["1"]
    if where.since_ns is not None:
        # A run that starts later has all its spans later: skip older partitions.
        among.append(
            "TraceId IN (SELECT TraceId FROM otel_traces WHERE Timestamp >="
            " fromUnixTimestamp64Nano({since_ns:Int64}))"
        )
    query = f"""
        SELECT run_id, trace, agent, version, user_id, conversation, run_state,
            class, parent, tags, started, ended, step_count, tokens_in, tokens_out,
            cost, lost
        FROM (SELECT *,
            multiIf(NOT headed, 'interrupted', tupleElement(head, 6) IN
                ({_quoted(get_args(RunStatus))}), tupleElement(head, 6), 'failed')
                AS run_state,
            multiIf(tupleElement(head, 7) IN ('success', 'failed', 'flagged', 'test'),
                tupleElement(head, 7), run_state = 'success', 'success', 'failed')
                AS class,
            JSONExtract(tupleElement(head, 9), 'Array(String)') AS tags,
            if(headed, tupleElement(head, 1), any_trace) AS trace,
            if(tupleElement(head, 2) != '', tupleElement(head, 2), any_agent) AS agent,
            tupleElement(head, 3) AS version,
            if(tupleElement(head, 4) != '', tupleElement(head, 4), any_user) AS user_id,
            if(tupleElement(head, 5) != '', tupleElement(head, 5), any_conversation)
                AS conversation,
            tupleElement(head, 8) AS parent
            FROM ({_sums(run_id, among)}))
        WHERE {" AND ".join(having)}
        ORDER BY started DESC, run_id LIMIT {{limit:UInt32}}"""  # noqa: S608
    return query, {**parameters, "limit": where.limit}


_CONDITIONS: Final = {
    "run_id_prefix": "startsWith(run_id, {run_id_prefix:String})",
    "agent": "agent = {agent:String}",
    "status": "run_state = {status:String}",
    "run_class": "class = {run_class:String}",
    "user": "user_id = {user:String}",
    "tag": "has(tags, {tag:String})",
    "since_ns": "started >= {since_ns:Int64}",
    "until_ns": "started < {until_ns:Int64}",
    "min_cost_usd": "ifNull(cost >= {min_cost_usd:Float64}, 0)",
    "max_cost_usd": "ifNull(cost <= {max_cost_usd:Float64}, 0)",
}


def _sums(run_id: str, among: Iterable[str]) -> str:
    """Return the query that adds spans up to runs."""
    return f"""
        SELECT run_id,
            max(own_id != '') AS own,
            max(is_genai) AS genai,
            max(rank >= 0) AS headed,
            argMaxIf(told, tuple(rank, rank_order, span_id), rank >= 0) AS head,
            min(trace_id) AS any_trace,
            max(told.2) AS any_agent,
            max(told.4) AS any_user,
            max(told.5) AS any_conversation,
            min(start_ns) AS started,
            max(end_ns) AS ended,
            countIf(is_step) AS step_count,
            sumIf(input, inference) AS tokens_in,
            sumIf(output, inference) AS tokens_out,
            sumOrNull(step_cost) AS cost,
            greatest(sum(lost_by_root), countIf(lost_here)) AS lost
        FROM ({_facts(run_id, among)})
        GROUP BY run_id"""  # noqa: S608


def _facts(run_id: str, among: Iterable[str]) -> str:
    """Return the query for what one span adds, each span once."""
    told = ", ".join(
        _attribute(name)
        for name in (
            semconv.AGENT_NAME,
            semconv.AGENT_VERSION,
            semconv.USER_ID,
            semconv.CONVERSATION_ID,
        )
    )
    roots = _quoted((semconv.OP_INVOKE_AGENT, semconv.OP_INVOKE_WORKFLOW))
    cost = f"toFloat64OrNull({_attribute(semconv.STEP_COST)})"
    return f"""
        SELECT TraceId AS trace_id, SpanId AS span_id, {run_id} AS own_id,
            if(own_id != '', own_id, trace_id) AS run_id,
            {_RANGE} AS start_ns,
            start_ns + toInt64(Duration) AS end_ns,
            {_attribute(semconv.OPERATION_NAME)} AS operation,
            operation IN ({_quoted(sorted(semconv.INFERENCE_OPERATIONS))}) AS inference,
            operation IN ({roots}) AS is_root_operation,
            {_has(semconv.RUN_STATUS)} AS is_root,
            multiIf(own_id != '', if(is_root, 2, -1), is_root_operation, 1,
                ParentSpanId = '', 0, -1) AS rank,
            if(rank = 2, start_ns, -start_ns) AS rank_order,
            tuple(trace_id, {told},
                if(own_id != '', {_attribute(semconv.RUN_STATUS)},
                    if(StatusCode IN ('Error', 'STATUS_CODE_ERROR'),
                        'failed', 'success')),
                {_attribute(semconv.RUN_CLASS)}, {_attribute(semconv.RUN_PARENT_ID)},
                {_attribute(semconv.RUN_TAGS)}) AS told,
            arrayExists(k -> startsWith(k, '{semconv.GENAI_PREFIX}'),
                mapKeys(SpanAttributes)) AS is_genai,
            if(own_id != '', {_has(semconv.STEP_KIND)} AND NOT is_root,
                operation != '' AND NOT (is_root_operation AND ParentSpanId = ''))
                AS is_step,
            {_whole(_attribute(semconv.USAGE_INPUT_TOKENS))} AS input,
            {_whole(_attribute(semconv.USAGE_OUTPUT_TOKENS))} AS output,
            if(isFinite({cost}), {cost}, NULL) AS step_cost,
            arraySum(arrayMap(
                (k, v) -> if(startsWith(k, '{semconv.RUN_DROPPED}'), {_whole("v")}, 0),
                mapKeys(SpanAttributes), mapValues(SpanAttributes))) AS lost_by_root,
            {_has(semconv.STEP_DROPPED)} AS lost_here
        FROM otel_traces
        WHERE {" AND ".join(among)} AND ({run_id} != '' OR TraceId NOT IN (
            SELECT TraceId FROM otel_traces WHERE {run_id} != ''))
        LIMIT 1 BY TraceId, SpanId"""  # noqa: S608


def _text(run_id: str, *, contents: bool) -> str:
    """Return the condition that a run has a text in its payloads."""
    spans = f"""run_id IN (
        SELECT if({run_id} != '', {run_id}, TraceId) FROM otel_traces
        WHERE {_holds("SpanAttributes")}
            OR arrayExists(m -> {_holds("m")}, `Events.Attributes`))"""  # noqa: S608
    if not contents:
        return spans
    literals = _literals("Content")
    return f"""({spans} OR if(own, run_id, concat('{TRACE_SCOPE}', run_id)) IN (
        SELECT Scope FROM agent_replay_contents
        WHERE if(Recipe, {literals}, {_found("Content")})))"""  # noqa: S608


def _holds(attributes: str) -> str:
    """Return the condition that a map's values hold one of the needles."""
    return f"""arrayExists(
        (k, v) -> if(startsWith(k, '{semconv.CONTENT_PREFIX}'),
            {_literals("v")}, {_found("v")}),
        mapKeys({attributes}), mapValues({attributes}))"""


def _literals(recipe: str) -> str:
    return f"""arrayExists(i -> startsWith(i, '=') AND {_found("substring(i, 2)")},
        JSONExtract({recipe}, 'Array(String)'))"""


def _found(text: str) -> str:
    return f"multiSearchAnyCaseInsensitiveUTF8({text}, {{needles:Array(String)}})"


def _attribute(name: str) -> str:
    return f"SpanAttributes['{name}']"


def _has(name: str) -> str:
    return f"mapContains(SpanAttributes, '{name}')"


def _whole(text: str) -> str:
    return f"if(match({text}, {_DIGITS}), toInt64OrZero({text}), 0)"


def _quoted(texts: Iterable[str]) -> str:
    return ", ".join(f"'{text}'" for text in texts)
