"""The run list of a SQLite store, kept current as spans come in."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final, cast

import orjson

from otel_agent_replay.model.payload import dump_json, parse_json
from otel_agent_replay.model.run import RunFilter, RunSummary
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.store.sqlite_segments import has_text
from otel_agent_replay.store.sqlite_statements import (
    delete_in,
    insert,
    select_in,
)
from otel_agent_replay.store.summary import (
    Head,
    RunPart,
    dropped_by,
    merge,
    part_of,
    summarise,
    summary_of,
    tags_of,
)

__all__ = ["add_spans", "list_runs", "refresh", "teach_text_search"]

_FIELDS: Final = (
    "RunId",
    "TraceId",
    "AgentName",
    "AgentVersion",
    "User",
    "Conversation",
    "Status",
    "Class",
    "ParentRunId",
    "Tags",
    "Start",
    "End",
    "StepCount",
    "InputTokens",
    "OutputTokens",
    "CostUsd",
    "Dropped",
)
_TAGS: Final = _FIELDS.index("Tags")
_SELECT: Final = ", ".join(f'"{name}"' for name in _FIELDS)
_PARTS: Final = 'SELECT "TraceId", "RunId", "Part" FROM run_parts'
_CONDITIONS: Final = {
    "agent": '"AgentName" = ?',
    "parent_run_id": '"ParentRunId" = ?',
    "status": '"Status" = ?',
    "run_class": '"Class" = ?',
    "user": '"User" = ?',
    "tag": 'EXISTS (SELECT 1 FROM json_each("Tags") WHERE value = ?)',
    "run_id_prefix": 'substr("RunId", 1, length(?1)) = ?1',
    "since_ns": '"Start" >= ?',
    "until_ns": '"Start" < ?',
    "min_cost_usd": '"CostUsd" >= ?',
    "max_cost_usd": '"CostUsd" <= ?',
}
_TEXT: Final = """EXISTS (
    SELECT 1 FROM segments
    WHERE "Scope" = (
        SELECT "Id" FROM names
        WHERE "Name" = iif(runs."Own", runs."RunId", 'trace/' || runs."RunId"))
    AND segment_has("Data", ?))"""


def add_spans(db: sqlite3.Connection, spans: Sequence[SpanRecord]) -> None:
    """Add spans that were not stored before to the run list."""
    added: dict[tuple[str, str], RunPart] = {}
    for span in spans:
        part = part_of(span)
        key = (part.trace_id, part.run_id)
        added[key] = merge(added[key], part) if key in added else part
    trace_ids = {trace_id for trace_id, _ in added}
    for key, part in _parts(db, f'{_PARTS} WHERE "TraceId" IN ??', trace_ids).items():
        if key in added:
            added[key] = merge(part, added[key])
    insert(
        db,
        "INSERT OR REPLACE INTO run_parts",
        [(*key, _text(part)) for key, part in added.items()],
    )
    refresh(db, trace_ids)


def refresh(
    db: sqlite3.Connection, trace_ids: Collection[str], run_ids: Iterable[str] = ()
) -> None:
    """Recompute the lines of these runs and of all that have spans in these traces."""
    of_traces = _parts(db, f'{_PARTS} WHERE "TraceId" IN ??', trace_ids)
    ids = {*trace_ids, *run_ids, *(run_id for _, run_id in of_traces if run_id)}
    of_runs = _parts(db, f"""{_PARTS} WHERE "RunId" != '' AND "RunId" IN ??""", ids)
    by_trace = _grouped((trace_id, part) for (trace_id, _), part in of_traces.items())
    by_run = _grouped((run_id, part) for (_, run_id), part in of_runs.items())
    flagged = _flagged(db, ids)
    lines = []
    for run_id in ids:
        own = by_run.get(run_id, [])
        parts = own or _foreign(by_trace.get(run_id, []))
        if parts:
            line = summarise(run_id, parts)
            if run_id in flagged:
                line = replace(line, run_class="flagged")
            lines.append(_values(line, own=bool(own), dropped=dropped_by(parts)))
    delete_in(db, 'DELETE FROM runs WHERE "RunId" IN ??', ids)
    insert(db, f'INSERT INTO runs ({_SELECT}, "DroppedBy", "Own")', lines)


def _grouped(parts: Iterable[tuple[str, RunPart]]) -> dict[str, list[RunPart]]:
    found: dict[str, list[RunPart]] = {}
    for name, part in parts:
        found.setdefault(name, []).append(part)
    return found


def list_runs(db: sqlite3.Connection, where: RunFilter) -> list[RunSummary]:
    """Return the runs that fit, newest first."""
    conditions: list[str] = ["1"]
    values: list[str | int | float] = []
    for name, condition in _CONDITIONS.items():
        wanted = getattr(where, name)
        if wanted is not None:
            values.append(wanted)
            conditions.append(condition.replace("?1", f"?{len(values)}"))
    if where.text is not None:
        conditions.append(_TEXT)
        values.append(where.text)
    rows = db.execute(
        f"SELECT {_SELECT} FROM runs WHERE {' AND '.join(conditions)}"  # noqa: S608
        ' ORDER BY "Start" DESC, "RunId" LIMIT ?',
        (*values, where.limit),
    )
    return [_summary(row) for row in rows]


def teach_text_search(db: sqlite3.Connection) -> None:
    """Give a connection `segment_has`, which looks for text in what is compressed."""
    db.create_function("segment_has", 2, has_text, deterministic=True)


def _flagged(db: sqlite3.Connection, run_ids: Collection[str]) -> set[str]:
    rows = select_in(
        db,
        """SELECT "RunId" FROM marks WHERE "Mark" = 'flagged' AND "RunId" IN ??""",
        run_ids,
    )
    return {run_id for (run_id,) in rows}


def _foreign(parts: list[RunPart]) -> list[RunPart]:
    """Return the parts of a trace if it is a run of its own, else none."""
    owned = any(part.run_id for part in parts)
    return [] if owned or not any(part.genai for part in parts) else parts


def _parts(
    db: sqlite3.Connection, select: str, values: Collection[str]
) -> dict[tuple[str, str], RunPart]:
    rows = select_in(db, select, values)
    return {(trace_id, run_id): _part(text) for trace_id, run_id, text in rows}


def _text(part: RunPart) -> str:
    try:
        return orjson.dumps(part).decode()
    except TypeError:  # a sum beyond 64 bits
        return dump_json(asdict(part))


def _part(text: str) -> RunPart:
    value = cast("dict[str, Any]", parse_json(text))
    head = value.pop("head")
    if head is not None:
        head = Head(**{**head, "rank": tuple(head["rank"])})
    return RunPart(**value, head=head)


def _values(
    run: RunSummary, *, own: bool, dropped: Mapping[str, int]
) -> tuple[Any, ...]:
    return (
        run.run_id,
        run.trace_id,
        run.agent_name,
        run.agent_version,
        run.user,
        run.conversation,
        run.status,
        run.run_class,
        run.parent_run_id,
        dump_json([*run.tags]),
        run.start_ns,
        run.end_ns,
        run.step_count,
        run.input_tokens,
        run.output_tokens,
        run.cost_usd,
        run.dropped,
        dump_json({**dropped}),
        own,
    )


def _summary(row: tuple[Any, ...]) -> RunSummary:
    return summary_of((*row[:_TAGS], tags_of(row[_TAGS]), *row[_TAGS + 1 :]))
