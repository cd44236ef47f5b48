"""The line of a run list, added up from spans in any order. Pure.

`RunPart` is what a set of spans of one trace and one run id adds to a summary;
`merge` is associative and commutative, so late and out-of-order spans are right.
ClickHouse does the same sums in SQL; the contract suite holds both to it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Final, get_args

from otel_agent_replay import semconv
from otel_agent_replay.model.payload import parse_json
from otel_agent_replay.model.run import RunClass, RunStatus, RunSummary
from otel_agent_replay.model.span import Attributes, SpanRecord

__all__ = [
    "Head",
    "RunPart",
    "class_or_default",
    "dropped_by",
    "merge",
    "part_of",
    "status_or_failed",
    "summarise",
    "summary_of",
    "tags_of",
]

_ROOT_OPERATIONS: Final = frozenset(
    {semconv.OP_INVOKE_AGENT, semconv.OP_INVOKE_WORKFLOW}
)
_MAX_DIGITS: Final = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the span that speaks for a run says about it.

    Attributes:
        rank: Which of several speaks: the greatest. Own roots, the latest first,
            before agent spans of other instrumentations, before spans without a
            parent, of both the earliest first.
    """

    rank: tuple[int, int, str]
    trace_id: str
    agent_name: str = ""
    agent_version: str = ""
    user: str = ""
    conversation: str = ""
    status: str = ""
    run_class: str = ""
    parent_run_id: str = ""
    tags: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPart:
    """What some spans of one trace and one run id add up to.

    `agent_name`, `user` and `conversation` are the greatest seen, for a run whose
    head does not say. `dropped` is what the spans say their processes lost.
    """

    trace_id: str
    run_id: str
    genai: bool = False
    head: Head | None = None
    agent_name: str = ""
    user: str = ""
    conversation: str = ""
    start_ns: int
    end_ns: int
    steps: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    dropped_by_steps: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)


def part_of(span: SpanRecord) -> RunPart:
    """Return what one span adds."""
    attributes = span.attributes
    own = bool(attributes.get(semconv.RUN_ID))
    operation = attributes.get(semconv.OPERATION_NAME, "")
    inference = operation in semconv.INFERENCE_OPERATIONS
    dropped = {
        key.removeprefix(semconv.RUN_DROPPED): _whole(attributes, key)
        for key in attributes
        if key.startswith(semconv.RUN_DROPPED)
    }
    return RunPart(
        trace_id=span.trace_id,
        run_id=attributes.get(semconv.RUN_ID, ""),
        genai=any(key.startswith(semconv.GENAI_PREFIX) for key in attributes),
        head=_head(span, own=own, operation=operation),
        agent_name=attributes.get(semconv.AGENT_NAME, ""),
        user=attributes.get(semconv.USER_ID, ""),
        conversation=attributes.get(semconv.CONVERSATION_ID, ""),
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        steps=_is_step(span, own=own, operation=operation),
        input_tokens=_whole(attributes, semconv.USAGE_INPUT_TOKENS) * inference,
        output_tokens=_whole(attributes, semconv.USAGE_OUTPUT_TOKENS) * inference,
        cost_usd=_cost(attributes.get(semconv.STEP_COST)),
        dropped_by_steps=int(semconv.STEP_DROPPED in attributes),
        dropped=dropped,
    )


def merge(one: RunPart, other: RunPart) -> RunPart:
    """Return what both add up to; they must be of one trace and run id."""
    heads = [head for head in (one.head, other.head) if head]
    return RunPart(
        trace_id=one.trace_id,
        run_id=one.run_id,
        genai=one.genai or other.genai,
        head=max(heads, key=lambda head: head.rank, default=None),
        agent_name=max(one.agent_name, other.agent_name),
        user=max(one.user, other.user),
        conversation=max(one.conversation, other.conversation),
        start_ns=min(one.start_ns, other.start_ns),
        end_ns=max(one.end_ns, other.end_ns),
        steps=one.steps + other.steps,
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        cost_usd=_sum(one.cost_usd, other.cost_usd),
        dropped_by_steps=one.dropped_by_steps + other.dropped_by_steps,
        dropped=_added(one.dropped, other.dropped),
    )


def summarise(run_id: str, parts: Sequence[RunPart]) -> RunSummary:
    """Return the line of a run from its parts, of which there is at least one."""
    trace_id = min(part.trace_id for part in parts)
    whole = reduce(merge, parts)
    head = whole.head or Head(rank=(-1, 0, ""), trace_id=trace_id, status="interrupted")
    status = status_or_failed(head.status)
    return RunSummary(
        run_id=run_id,
        trace_id=head.trace_id,
        agent_name=head.agent_name or whole.agent_name,
        agent_version=head.agent_version or None,
        user=head.user or whole.user or None,
        conversation=head.conversation or whole.conversation or None,
        status=status,
        run_class=class_or_default(head.run_class, status),
        parent_run_id=head.parent_run_id or None,
        tags=tags_of(head.tags),
        start_ns=whole.start_ns,
        end_ns=whole.end_ns,
        step_count=whole.steps,
        input_tokens=whole.input_tokens,
        output_tokens=whole.output_tokens,
        cost_usd=whole.cost_usd,
        dropped=max(sum(whole.dropped.values()), whole.dropped_by_steps),
    )


def dropped_by(parts: Sequence[RunPart]) -> dict[str, int]:
    """Return what the run of these parts says it lost, by reason."""
    found = reduce(_added, (part.dropped for part in parts))
    return {reason: number for reason, number in found.items() if number}


def summary_of(row: Sequence[Any]) -> RunSummary:
    """Return the line of a run from its columns, as every back end selects them.

    They are in the order of the fields of `RunSummary`; empty texts say nothing.
    """
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


def status_or_failed(text: str) -> RunStatus:
    """Return the status; what is no known one counts as failed."""
    for status in get_args(RunStatus):
        if text == status:
            known: RunStatus = status
            return known
    return "failed"


def class_or_default(text: str, status: RunStatus) -> RunClass:
    """Return the run class, by default the one that the status suggests."""
    for run_class in get_args(RunClass):
        if text == run_class:
            known: RunClass = run_class
            return known
    return "success" if status == "success" else "failed"


def tags_of(text: str) -> tuple[str, ...]:
    """Return the tags of a JSON list; none if it is not one."""
    try:
        values = parse_json(text)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(values, list):
        return ()
    return tuple(value for value in values if isinstance(value, str))


def _head(span: SpanRecord, *, own: bool, operation: str) -> Head | None:
    attributes = span.attributes
    if own and semconv.RUN_STATUS in attributes:
        rank = (2, span.start_ns, span.span_id)
        status = attributes[semconv.RUN_STATUS]
    elif own:
        return None
    elif operation in _ROOT_OPERATIONS or not span.parent_span_id:
        rank = (int(operation in _ROOT_OPERATIONS), -span.start_ns, span.span_id)
        status = "failed" if span.status_code == "Error" else "success"
    else:
        return None
    return Head(
        rank=rank,
        trace_id=span.trace_id,
        agent_name=attributes.get(semconv.AGENT_NAME, ""),
        agent_version=attributes.get(semconv.AGENT_VERSION, ""),
        user=attributes.get(semconv.USER_ID, ""),
        conversation=attributes.get(semconv.CONVERSATION_ID, ""),
        status=status,
        run_class=attributes.get(semconv.RUN_CLASS, ""),
        parent_run_id=attributes.get(semconv.RUN_PARENT_ID, ""),
        tags=attributes.get(semconv.RUN_TAGS, ""),
    )


def _is_step(span: SpanRecord, *, own: bool, operation: str) -> bool:
    """Tell steps from roots: a foreign root is an agent span without a parent."""
    if own:
        return (
            semconv.STEP_KIND in span.attributes
            and semconv.RUN_STATUS not in span.attributes
        )
    root = operation in _ROOT_OPERATIONS and not span.parent_span_id
    return bool(operation) and not root


def _whole(attributes: Attributes, key: str) -> int:
    text = attributes.get(key, "")
    number = text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
    return int(text) if number else 0


def _cost(text: str | None) -> float | None:
    try:
        cost = float(text or "")
    except ValueError:
        return None
    return cost if math.isfinite(cost) else None


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> Mapping[str, int]:
    if not one or not other:
        return one or other
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}


def _sum(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return one if other is None else other
    return one + other
