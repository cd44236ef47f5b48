"""The run list of the ClickHouse store, from its summary table.

The sums are those of `store.summary`, in SQL; a run of which a span was inserted
twice is added up from its spans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from otel_agent_replay import semconv
from otel_agent_replay.model.payload import dump_json
from otel_agent_replay.model.run import RunClass, RunFilter, RunMark, RunStatus
from otel_agent_replay.store.clickhouse_schema import CONTENTS, PARTS, RUNS, STEPS
from otel_agent_replay.store.clickhouse_sql import run_id_of

__all__ = ["DOUBLED", "Layout", "doubled_among", "folded", "marked", "runs_query"]

DOUBLED: Final = f"""
    SELECT TraceId, RunId FROM {RUNS} GROUP BY TraceId, RunId
    HAVING sum(Rows) != uniqExactMerge(Spans)"""  # noqa: S608
"""The query for what has a span twice, and is not to be read from the summary."""

_COLUMNS: Final = """TraceId, RunId, Head, IsGenAi, Agent, UserId, Conversation,
    StartNs, EndNs, Steps, InputTokens, OutputTokens, Cost, Priced, Dropped,
    DroppedSteps"""
_CONDITIONS: Final = {
    "run_id_prefix": "startsWith(run_id, {run_id_prefix:String})",
    "agent": "agent = {agent:String}",
    "parent_run_id": "parent = {parent_run_id:String}",
    "status": "run_state = {status:String}",
    "run_class": "class = {run_class:String}",
    "user": "user_id = {user:String}",
    "tag": "has(JSONExtract(tags, 'Array(String)'), {tag:String})",
    "since_ns": "started >= {since_ns:Int64}",
    "until_ns": "started < {until_ns:Int64}",
    "min_cost_usd": "ifNull(cost >= {min_cost_usd:Float64}, 0)",
    "max_cost_usd": "ifNull(cost <= {max_cost_usd:Float64}, 0)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a database has for reading.

    Attributes:
        summary: It has the tables of ours, of which the summary is one.
        run_id: It has the column RunId in otel_traces.
        doubled: Some span was inserted twice, and counts twice in the summary.
        text_index: Contents have an index of the texts in them.
    """

    summary: bool
    run_id: bool
    doubled: bool = False
    text_index: bool = False


def folded(layout: Layout) -> str:
    """Return the query for all runs: one row a run, each span counted once."""
    flagged = marked(layout, "flagged")
    return f"""
        SELECT *,
            multiIf(NOT headed, 'interrupted', Top.9 IN ({_quoted(RunStatus)}),
                Top.9, 'failed') AS run_state,
            multiIf({flagged}, 'flagged', Top.10 IN ({_quoted(RunClass)}), Top.10,
                run_state = 'success', 'success', 'failed') AS class,
            if(headed, Top.4, any_trace) AS trace,
            if(Top.5 != '', Top.5, any_agent) AS agent,
            Top.6 AS version,
            if(Top.7 != '', Top.7, any_user) AS user_id,
            if(Top.8 != '', Top.8, any_conversation) AS conversation,
            Top.11 AS parent,
            Top.12 AS tags
        FROM (
            SELECT if(RunId != '', RunId, TraceId) AS run_id,
                max(RunId != '') AS own,
                max(part.IsGenAi) AS genai,
                max(part.Head) AS Top,
                Top.1 >= 0 AS headed,
                min(TraceId) AS any_trace,
                groupUniqArray(TraceId) AS traces,
                max(part.Agent) AS any_agent,
                max(part.UserId) AS any_user,
                max(part.Conversation) AS any_conversation,
                min(part.StartNs) AS started,
                max(part.EndNs) AS ended,
                sum(part.Steps) AS step_count,
                sum(part.InputTokens) AS tokens_in,
                sum(part.OutputTokens) AS tokens_out,
                if(sum(part.Priced) > 0, sum(part.Cost), NULL) AS cost,
                sumMap(part.Dropped) AS reasons,
                greatest(arraySum(mapValues(reasons)), sum(part.DroppedSteps)) AS lost
            FROM ({_parts(layout)}) AS part
            WHERE RunId != '' OR TraceId NOT IN ({_owned(layout)})
            GROUP BY run_id
        )
        WHERE own OR genai"""  # noqa: S608


def marked(layout: Layout, mark: RunMark) -> str:
    """Return the condition that a run has a mark."""
    found = f"SELECT RunId FROM agent_replay_marked WHERE Mark = '{mark}'"  # noqa: S608
    return f"run_id IN ({found})" if layout.summary else "0"


def doubled_among(parameter: str) -> str:
    """Return `DOUBLED` for the traces that a parameter lists."""
    among = f"WHERE TraceId IN {{{parameter}:Array(String)}} GROUP BY"
    return DOUBLED.replace("GROUP BY", among)


def runs_query(where: RunFilter, layout: Layout) -> tuple[str, dict[str, Any]]:
    """Return the query for a run list, and its parameters.

    A row has the columns of `summary_of`, and then all traces of the run.
    """
    parameters: dict[str, Any] = {"limit": where.limit}
    conditions = ["1"]
    for name, condition in _CONDITIONS.items():
        wanted = getattr(where, name)
        if wanted is not None:
            parameters[name] = wanted
            conditions.append(condition)
    if where.text is not None:
        escaped = dump_json(where.text)[1:-1]
        parameters["needles"] = sorted({where.text, escaped})
        conditions.append(_text(layout, needles=parameters["needles"]))
    query = f"""
        SELECT run_id, trace, agent, version, user_id, conversation, run_state,
            class, parent, JSONExtract(tags, 'Array(String)'), started, ended,
            step_count, tokens_in, tokens_out, cost, lost, traces
        FROM ({folded(layout)})
        WHERE {" AND ".join(conditions)}
        ORDER BY started DESC, run_id LIMIT {{limit:UInt32}}"""  # noqa: S608
    return query, parameters


def _parts(layout: Layout) -> str:
    """Return the query for what the spans of each trace and run id add up to."""
    if not layout.summary:
        steps = f"SELECT * FROM ({STEPS}) LIMIT 1 BY TraceId, SpanId"  # noqa: S608
        return PARTS.replace("{steps}", steps)
    whole = f"SELECT {_COLUMNS} FROM {RUNS}"  # noqa: S608
    if not layout.doubled:
        return whole
    steps = f"""SELECT * FROM agent_replay_steps
        WHERE TraceId IN (SELECT TraceId FROM ({DOUBLED}))
            AND (TraceId, RunId) IN ({DOUBLED})
        LIMIT 1 BY TraceId, SpanId"""  # noqa: S608
    again = PARTS.replace("{steps}", steps)
    return f"""{whole} WHERE (TraceId, RunId) NOT IN ({DOUBLED})
        UNION ALL SELECT {_COLUMNS} FROM ({again})"""  # noqa: S608


def _owned(layout: Layout) -> str:
    """Return the query for the traces that have runs of our own.

    Of a summary only those that have spans of no run too: mostly there are few.
    """
    if layout.summary:
        strays = f"SELECT TraceId FROM {RUNS} WHERE RunId = ''"  # noqa: S608
        return f"SELECT TraceId FROM {RUNS} WHERE RunId != '' AND TraceId IN ({strays})"  # noqa: S608
    run_id = run_id_of(materialized=layout.run_id)
    return f"SELECT TraceId FROM otel_traces WHERE {run_id} != ''"  # noqa: S608


def _text(layout: Layout, *, needles: Sequence[str]) -> str:
    """Return the condition that a run has a text in its payloads."""
    run_id = run_id_of(materialized=layout.run_id)
    spans = f"""run_id IN (
        SELECT if({run_id} != '', {run_id}, TraceId) FROM otel_traces
        WHERE {_holds("SpanAttributes")}
            OR arrayExists(m -> {_holds("m")}, `Events.Attributes`))"""  # noqa: S608
    if not layout.summary:
        return spans
    literals = _literals("Content")
    found = f"if(Recipe, {literals}, {_found('Content')})"
    if layout.text_index and all(map(_indexed, needles)):
        found = f"{_by_index(len(needles))} AND {found}"
    return f"""({spans} OR if(own, run_id, concat('trace/', run_id)) IN (
        SELECT Scope FROM {CONTENTS} WHERE {found}))"""  # noqa: S608


def _by_index(needles: int) -> str:
    """Return the condition that the text index answers: it holds for any hit."""
    likes = (
        f"lowerUTF8(Content) LIKE concat('%', lowerUTF8({{needles:Array(String)}}[{n}]),"
        " '%')"
        for n in range(1, needles + 1)
    )
    return f"({' OR '.join(likes)})"


def _indexed(needle: str) -> bool:
    return needle.isalnum() and needle.isascii()


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


def _quoted(words: object) -> str:
    return ", ".join(f"'{text}'" for text in get_args(words))
