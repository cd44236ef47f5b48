"""Two runs, or many, aligned step by step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from otel_agent_replay.model.call import Outcome
from otel_agent_replay.model.canonical import one_form, with_plain_arguments
from otel_agent_replay.model.comparison import (
    AlignedRow,
    AlignedSteps,
    ComparedRuns,
    Comparison,
    Figure,
    ToolCalls,
)
from otel_agent_replay.model.divergence import FieldDifference, differences
from otel_agent_replay.model.key import asked_for, host_of
from otel_agent_replay.model.messages import ModelResponse
from otel_agent_replay.model.payload import (
    HttpResponse,
    JsonObject,
    JsonValue,
    dump_json,
)
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.model.untrusted import parse_payload
from otel_agent_replay.replay.aligning import (
    Keys,
    aligned,
    compared_steps,
    route_of,
)

__all__ = ["compare", "compare_many", "outcome_differences"]

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost"})


def compare(a: Run, b: Run) -> Comparison:
    """Return both runs aligned, and where they differ.

    Most steps that ask for the same, inside steps of the same names, keep their
    order. Of those left over, equal ones are aligned next: they stand at another
    place, unless they ran beside others. Then come those of one kind and name between
    the same neighbours, as changed ones. Left out are steps that a resume made again,
    and what a step did inside where the other run was given that step's answer: its
    code did not run there.
    """
    return _compared(a, b, Keys())


def compare_many(base: Run, *others: Run) -> ComparedRuns:
    """Return runs aligned with the first of them, as `compare` does with each."""
    keys = Keys()
    found = tuple(_compared(base, each, keys) for each in others)
    rows = _merged(found)
    shared = next((n for n, row in enumerate(rows) if not row.same), len(rows))
    return ComparedRuns(
        runs=(base, *others), comparisons=found, rows=rows, shared=shared
    )


def _compared(a: Run, b: Run, keys: Keys) -> Comparison:
    steps = compared_steps(a, b), compared_steps(b, a)
    pairs = aligned(a, b, steps, keys)
    rows = _rows(a, b, steps, pairs, keys)
    usage = a.usage, b.usage
    return Comparison(
        a=a.run_id,
        b=b.run_id,
        rows=rows,
        first_divergence=next((i for i, r in enumerate(rows) if not r.same), None),
        answer=differences(_answer(a), _answer(b)),
        input=differences(a.input, b.input),
        state=differences(_last_state(a), _last_state(b)),
        tools=_tools(rows),
        input_tokens=Figure(a=usage[0].input_tokens, b=usage[1].input_tokens),
        output_tokens=Figure(a=usage[0].output_tokens, b=usage[1].output_tokens),
        cost_usd=Figure(a=a.cost_usd, b=b.cost_usd),
        duration_ns=Figure(a=a.end_ns - a.start_ns, b=b.end_ns - b.start_ns),
        superseded=Figure(a=_superseded(a), b=_superseded(b)),
    )


def _answer(run: Run) -> JsonValue:
    return _outcome_json(run.outcome, None) if run.outcome.failed else run.output


def _last_state(run: Run) -> JsonValue:
    return run.checkpoint(len(run.steps) - 1).state if run.steps else None


def _superseded(run: Run) -> int:
    return sum(step.superseded for step in run.steps)


def _tools(rows: Sequence[AlignedSteps]) -> tuple[ToolCalls, ...]:
    of_tool: dict[str, list[AlignedSteps]] = {}
    for row in rows:
        step = row.a or row.b
        if step is not None and step.call.kind == "tool":
            of_tool.setdefault(step.call.name, []).append(row)
    return tuple(
        ToolCalls(
            name=name,
            calls=Figure(a=_count(r.a for r in each), b=_count(r.b for r in each)),
            failed=Figure(a=_failed(r.a for r in each), b=_failed(r.b for r in each)),
            other_results=sum(row.answered_otherwise for row in each),
        )
        for name, each in of_tool.items()
    )


def _count(steps: Iterable[Step | None]) -> int:
    return sum(step is not None for step in steps)


def _failed(steps: Iterable[Step | None]) -> int:
    return sum(step is not None and step.outcome.failed for step in steps)


# --- the rows ----------------------------------------------------------------------


def _rows(
    a: Run,
    b: Run,
    steps: tuple[Sequence[Step], Sequence[Step]],
    pairs: Mapping[int, int],
    keys: Keys,
) -> tuple[AlignedSteps, ...]:
    """Return the rows in the order of `a`; what only `b` has follows its forerunner."""
    back = {right: left for left, right in pairs.items()}
    moved = _moved(pairs)
    beside = _beside_others(a), _beside_others(b)
    after: defaultdict[int, list[Step]] = defaultdict(list)
    last = -1
    for step in steps[1]:
        if step.index in back:
            last = back[step.index]
        else:
            after[last].append(step)
    rows = [AlignedSteps(b=step) for step in after[-1]]
    for step in steps[0]:
        other = b.steps[pairs[step.index]] if step.index in pairs else None
        if other is None:
            rows.append(AlignedSteps(a=step))
        else:
            place = _place(step, other, beside) if step.index in moved else ()
            fields = (*place, *_step_differences(step, other, keys))
            rows.append(AlignedSteps(a=step, b=other, fields=fields))
        rows.extend(AlignedSteps(b=each) for each in after[step.index])
    return tuple(rows)


def _moved(pairs: Mapping[int, int]) -> set[int]:
    """Return the steps of `a` whose counterparts come after a later one's."""
    found: set[int] = set()
    lowest: int | None = None
    for left in sorted(pairs, reverse=True):
        if lowest is not None and pairs[left] > lowest:
            found.add(left)
        lowest = pairs[left] if lowest is None else min(lowest, pairs[left])
    return found


def _place(
    a: Step, b: Step, beside: tuple[frozenset[int], frozenset[int]]
) -> tuple[FieldDifference, ...]:
    """Return the difference in place; steps that ran side by side have no order."""
    if a.index in beside[0] or b.index in beside[1]:
        return ()
    return (FieldDifference(path="index", expected=a.index, actual=b.index),)


def _beside_others(run: Run) -> frozenset[int]:
    """Return the steps that ran at the same time as others inside the same step."""
    found: set[int] = set()
    running: dict[int | None, Step] = {}
    for step in sorted(run.steps, key=lambda each: each.start_ns):
        longest = running.get(step.parent)
        if longest is not None and step.start_ns < longest.end_ns:
            found |= {step.index, longest.index}
        if longest is None or step.end_ns > longest.end_ns:
            running[step.parent] = step
    return frozenset(found)


def _merged(comparisons: Sequence[Comparison]) -> tuple[AlignedRow, ...]:
    """Return the rows of all: those of the first run, then what came after each."""
    count = len(comparisons) + 1
    of_base: dict[int, list[AlignedSteps | None]] = {}
    after: defaultdict[int, list[list[Step | None]]] = defaultdict(list)
    for column, comparison in enumerate(comparisons, start=1):
        last, place = -1, 0
        for row in comparison.rows:
            if row.a is not None:
                last, place = row.a.index, 0
                of_base.setdefault(last, [None] * count)[column] = row
            elif row.b is not None:
                place = _put(after[last], place, column, row.b, count)
    rows = [_only(steps) for steps in after[-1]]
    for index in sorted(of_base):
        rows.append(_with_base(of_base[index]))
        rows.extend(_only(steps) for steps in after[index])
    return tuple(rows)


def _put(
    rows: list[list[Step | None]], place: int, column: int, step: Step, count: int
) -> int:
    """Put a step beside one of its kind and name that another run has here."""
    for at in range(place, len(rows)):
        beside = next(each for each in rows[at] if each is not None)
        alike = (beside.call.kind, route_of(beside)) == (step.call.kind, route_of(step))
        if alike and rows[at][column] is None:
            rows[at][column] = step
            return at + 1
    alone: list[Step | None] = [None] * count
    alone[column] = step
    rows.insert(place, alone)
    return place + 1


def _only(steps: Sequence[Step | None]) -> AlignedRow:
    return AlignedRow(steps=tuple(steps), fields=((),) * len(steps))


def _with_base(row: Sequence[AlignedSteps | None]) -> AlignedRow:
    base = next(each.a for each in row if each is not None)
    others = row[1:]
    # A run that was given the answer of the step around this one has no row for it.
    return AlignedRow(
        steps=(base, *(each.b if each else base for each in others)),
        fields=((), *(each.fields if each else () for each in others)),
    )


# --- where two steps differ --------------------------------------------------------


def _host(step: Step) -> str | None:
    """Return where a call went; a local server gets another port each time."""
    host = host_of(step.call)
    name = (host or "").partition(":")[0]
    return name if name in _LOOPBACK else host


def _step_differences(a: Step, b: Step, keys: Keys) -> tuple[FieldDifference, ...]:
    found = differences(_host(a), _host(b), "host")
    if not keys.equal(a.call, b.call):
        found = (*found, *_call_differences(a, b, keys))
    return (*found, *outcome_differences(a, b))


def outcome_differences(a: Step, b: Step) -> tuple[FieldDifference, ...]:
    """Return where two steps ended differently; times, ids and chunks do not count."""
    if _same_outcome(a.outcome, b.outcome):
        return ()
    asked = _outcome_json(a.outcome, a.response), _outcome_json(b.outcome, b.response)
    if (a.response is None) is not (b.response is None):
        asked = _outcome_json(a.outcome, None), _outcome_json(b.outcome, None)
    return differences(*asked, "outcome")


def _same_outcome(a: Outcome, b: Outcome) -> bool:
    """Return whether two wire answers are equal to the letter; most are."""
    if a.response is None or b.response is None or a.error or b.error:
        return False
    plain = a.ended == b.ended and a.items == b.items and a.value == b.value
    status = a.response.status == b.response.status
    return plain and status and a.response.body == b.response.body


def _call_differences(a: Step, b: Step, keys: Keys) -> tuple[FieldDifference, ...]:
    names = differences(route_of(a), route_of(b), "name")
    urls = differences(_query(a), _query(b), "query")
    arguments = differences(*_asked(a, b), "arguments")
    # Calls can differ in what is no JSON, such as the bytes of an upload.
    return (*names, *urls, *arguments) or differences(
        keys.of(a.call), keys.of(b.call), "arguments"
    )


def _query(step: Step) -> JsonValue:
    request = step.call.request
    return request.url.partition("?")[2] if request else None


def _asked(a: Step, b: Step) -> tuple[JsonValue, JsonValue]:
    """Return what both asked for, in the form that keys are made of."""
    one, other = a.call.request, b.call.request
    if one is None or other is None:
        return asked_for(a.call), asked_for(b.call)
    left, right = _without_alike(_body_json(one.body), _body_json(other.body))
    return one_form(with_plain_arguments(left)), one_form(with_plain_arguments(right))


def _without_alike(a: JsonValue, b: JsonValue) -> tuple[JsonValue, JsonValue]:
    """Return two requests without the items of lists in them that both have alike.

    Nothing stands in their places: a conversation is long, and differs at its end.
    """
    if not isinstance(a, dict) or not isinstance(b, dict):
        return a, b
    left, right = dict(a), dict(b)
    for name, one in a.items():
        other = b.get(name)
        if isinstance(one, list) and isinstance(other, list):
            same = {
                n
                for n, (x, y) in enumerate(zip(one, other, strict=False))
                if dump_json(x) == dump_json(y)
            }
            left[name] = [None if n in same else x for n, x in enumerate(one)]
            right[name] = [None if n in same else y for n, y in enumerate(other)]
    return left, right


def _outcome_json(outcome: Outcome, response: ModelResponse | None) -> JsonObject:
    """Return what counts of an outcome: not its times, ids and chunk boundaries."""
    found: JsonObject = {}
    if outcome.error is not None:
        found["error"] = f"{outcome.error.type_name}: {outcome.error.message}"
    if outcome.ended != "complete":
        found["ended"] = outcome.ended
    if outcome.items is not None:
        found["items"] = list(outcome.items)
    if outcome.response is not None:
        return {**found, **_response_json(outcome.response, response)}
    return {**found, "value": outcome.value}


def _response_json(wire: HttpResponse, read: ModelResponse | None) -> JsonObject:
    if read is None or not (read.messages or read.error):
        return {"status": wire.status, "body": _body_json(wire.body)}
    return {
        "status": wire.status,
        "messages": [each.to_json() for each in read.messages],
        "finish_reasons": list(read.finish_reasons),
        "error": read.error,
    }


def _body_json(body: bytes) -> JsonValue:
    try:
        return parse_payload(body) if body else None
    except ValueError:
        return body.decode(errors="replace")
