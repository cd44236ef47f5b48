"""The run list of a SQLite store, kept current as spans come in."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final, cast

from otel_agent_replay.model.content import inline_texts, literals
from otel_agent_replay.model.payload import dump_json, parse_json
from otel_agent_replay.model.run import RunFilter, RunSummary
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.store.summary import (
    Head,
    RunPart,
    merge,
    part_of,
    summarise,
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
_SELECT: Final = ", ".join(f'"{name}"' for name in _FIELDS)
_CONDITIONS: Final = {
    "agent": '"AgentName" = ?',
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
_TEXT: Final = """(
    EXISTS (
        SELECT 1 FROM contents
        WHERE "Scope" = iif(runs."Own", runs."RunId", 'trace/' || runs."RunId")
        AND content_has("Content", "Recipe", ?))
    OR EXISTS (
        SELECT 1 FROM spans
        WHERE runs."Own" AND spans."RunId" = runs."RunId" AND spans."RunId" != ''
        AND row_has("SpanAttributes", "Events.Attributes", ?))
    OR EXISTS (
        SELECT 1 FROM spans
        WHERE NOT runs."Own" AND spans."TraceId" = runs."RunId"
        AND row_has("SpanAttributes", "Events.Attributes", ?)))"""


def add_spans(db: sqlite3.Connection, spans: Sequence[SpanRecord]) -> None:
    """Add spans that were not stored before to the run list."""
    added: dict[tuple[str, str], RunPart] = {}
    for span in spans:
        part = part_of(span)
        key = (part.trace_id, part.run_id)
        added[key] = merge(added[key], part) if key in added else part
    for (trace_id, run_id), part in added.items():
        found = db.execute(
            'SELECT "Part" FROM run_parts WHERE "TraceId" = ? AND "RunId" = ?',
            (trace_id, run_id),
        ).fetchone()
        whole = merge(_part(found[0]), part) if found else part
        db.execute(
            "INSERT OR REPLACE INTO run_parts VALUES (?, ?, ?)",
            (trace_id, run_id, dump_json(asdict(whole))),
        )
    refresh(db, {trace_id for trace_id, _ in added})


def refresh(db: sqlite3.Connection, trace_ids: Iterable[str]) -> None:
    """Recompute the lines of every run that has, or had, spans in these traces."""
    run_ids: set[str] = set()
    for trace_id in trace_ids:
        run_ids.add(trace_id)
        run_ids.update(
            run_id
            for (run_id,) in db.execute(
                """SELECT "RunId" FROM run_parts WHERE "TraceId" = ?
                AND "RunId" != ''""",
                (trace_id,),
            )
        )
    for run_id in run_ids:
        db.execute('DELETE FROM runs WHERE "RunId" = ?', (run_id,))
        own = _parts(db, """WHERE "RunId" = ? AND "RunId" != ''""", run_id)
        parts = own or _foreign(_parts(db, 'WHERE "TraceId" = ?', run_id))
        if parts:
            _insert(db, summarise(run_id, parts), own=bool(own))


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
        values += [where.text] * 3
    rows = db.execute(
        f"SELECT {_SELECT} FROM runs WHERE {' AND '.join(conditions)}"  # noqa: S608
        ' ORDER BY "Start" DESC, "RunId" LIMIT ?',
        (*values, where.limit),
    )
    return [_summary(row) for row in rows]


def teach_text_search(db: sqlite3.Connection) -> None:
    """Give a connection `content_has` and `row_has`, which fold the case of any text.

    SQLite itself folds the case of ASCII only.
    """

    def content_has(text: str, recipe: int, wanted: str) -> bool:
        texts = literals(text) if recipe else (text,)
        return any(_has(each, wanted) for each in texts)

    def row_has(attributes: str, events: str, wanted: str) -> bool:
        maps = [parse_json(attributes), *cast("list[Any]", parse_json(events))]
        return any(_has(text, wanted) for each in maps for text in inline_texts(each))

    db.create_function("content_has", 3, content_has, deterministic=True)
    db.create_function("row_has", 3, row_has, deterministic=True)


def _has(text: str, wanted: str) -> bool:
    """Tell whether the text holds the wanted one, as it is or inside JSON text."""
    folded, plain = text.casefold(), wanted.casefold()
    return plain in folded or dump_json(wanted)[1:-1].casefold() in folded


def _foreign(parts: Sequence[RunPart]) -> list[RunPart]:
    """Return the parts of a trace if it is a run of its own, else none."""
    owned = any(part.run_id for part in parts)
    return [] if owned or not any(part.genai for part in parts) else list(parts)


def _parts(db: sqlite3.Connection, where: str, key: str) -> list[RunPart]:
    rows = db.execute(f'SELECT "Part" FROM run_parts {where}', (key,))  # noqa: S608
    return [_part(text) for (text,) in rows]


def _part(text: str) -> RunPart:
    value = cast("dict[str, Any]", parse_json(text))
    head = value.pop("head")
    if head is not None:
        head = Head(**{**head, "rank": tuple(head["rank"])})
    return RunPart(**value, head=head)


def _insert(db: sqlite3.Connection, run: RunSummary, *, own: bool) -> None:
    values = (
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
        own,
    )
    marks = ", ".join("?" * len(values))
    db.execute(
        f'INSERT INTO runs ({_SELECT}, "Own") VALUES ({marks})',  # noqa: S608
        values,
    )


def _summary(row: tuple[Any, ...]) -> RunSummary:
    return RunSummary(
        run_id=row[0],
        trace_id=row[1],
        agent_name=row[2],
        agent_version=row[3],
        user=row[4],
        conversation=row[5],
        status=row[6],
        run_class=row[7],
        parent_run_id=row[8],
        tags=tags_of(row[9]),
        start_ns=row[10],
        end_ns=row[11],
        step_count=row[12],
        input_tokens=row[13],
        output_tokens=row[14],
        cost_usd=row[15],
        dropped=row[16],
    )
