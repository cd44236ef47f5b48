"""Two runs aligned step by step."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Final, TypeAlias

from otel_agent_replay.model.call import Outcome
from otel_agent_replay.model.divergence import (
    AlignedSteps,
    Comparison,
    FieldDifference,
    Figure,
    differences,
)
from otel_agent_replay.model.key import host_of, key_of
from otel_agent_replay.model.messages import ModelResponse
from otel_agent_replay.model.payload import (
    HttpResponse,
    JsonObject,
    JsonValue,
)
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.model.untrusted import parse_payload

__all__ = ["compare"]

_Hidden: TypeAlias = tuple[frozenset[int], frozenset[int]]
"""Steps of either run that the other one cannot have."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost"})


def compare(a: Run, b: Run) -> Comparison:
    """Return both runs aligned, and where they differ.

    Steps that ask for the same are aligned in order. Of those left over, equal ones
    are aligned next: they stand at another place, unless they ran beside others.
    Then come those of the same kind and name, in order, as changed ones. What a step
    did inside is left out where the other run was given that step's answer: its code
    did not run there.
    """
    hidden = _hidden(a, b), _hidden(b, a)
    pairs = _paired(a, b, hidden)
    rows = _rows(a, b, pairs, hidden)
    usage = a.usage, b.usage
    return Comparison(
        a=a.run_id,
        b=b.run_id,
        rows=rows,
        first_divergence=next((i for i, r in enumerate(rows) if not r.same), None),
        answer=differences(_answer(a), _answer(b)),
        input=differences(a.input, b.input),
        input_tokens=Figure(a=usage[0].input_tokens, b=usage[1].input_tokens),
        output_tokens=Figure(a=usage[0].output_tokens, b=usage[1].output_tokens),
        cost_usd=Figure(a=a.cost_usd, b=b.cost_usd),
        duration_ns=Figure(a=a.end_ns - a.start_ns, b=b.end_ns - b.start_ns),
    )


def _answer(run: Run) -> JsonValue:
    return _outcome_json(run.outcome, None) if run.outcome.failed else run.output


# --- which step goes with which ---------------------------------------------------


def _hidden(run: Run, other: Run) -> frozenset[int]:
    """Return the steps inside those that answered a call of the other run."""
    given = {step.outcome.served_from for step in other.steps}
    found: set[int] = set()
    for step in run.steps:
        parent = step.parent
        if parent is None:
            continue
        if parent in found or run.steps[parent].span_id in given:
            found.add(step.index)
    return frozenset(found)


def _paired(a: Run, b: Run, hidden: _Hidden) -> dict[int, int]:
    """Return the index in `b` of each step of `a` that has a counterpart."""
    keys = _keys(a, hidden[0], "a"), _keys(b, hidden[1], "b")
    matcher = SequenceMatcher(None, *keys, autojunk=False)
    pairs = {
        block.a + offset: block.b + offset
        for block in matcher.get_matching_blocks()
        for offset in range(block.size)
    }
    _pair_left(pairs, *keys)
    _pair_left(pairs, _names(a, hidden[0], "a"), _names(b, hidden[1], "b"))
    return pairs


def _keys(run: Run, hidden: frozenset[int], side: str) -> list[str]:
    return [
        f"{side} {step.index}" if step.index in hidden else key_of(step.call)
        for step in run.steps
    ]


def _names(run: Run, hidden: frozenset[int], side: str) -> list[str]:
    return [
        f"{side} {step.index}"
        if step.index in hidden
        else f"{step.call.kind} {_name(step)}"
        for step in run.steps
    ]


def _name(step: Step) -> str:
    """A wire call's name begins with its host, which may differ."""
    name, host = step.call.name, host_of(step.call)
    return name.replace(host, "", 1) if host else name


def _pair_left(pairs: dict[int, int], a: list[str], b: list[str]) -> None:
    taken = set(pairs.values())
    waiting: defaultdict[str, deque[int]] = defaultdict(deque)
    for index, label in enumerate(b):
        if index not in taken:
            waiting[label].append(index)
    for index, label in enumerate(a):
        if index not in pairs and waiting[label]:
            pairs[index] = waiting[label].popleft()


def _rows(
    a: Run,
    b: Run,
    pairs: Mapping[int, int],
    hidden: _Hidden,
) -> tuple[AlignedSteps, ...]:
    """Return the rows in the order of `a`; what only `b` has follows its forerunner."""
    back = {right: left for left, right in pairs.items()}
    moved = _moved(pairs)
    after: defaultdict[int, list[Step]] = defaultdict(list)
    last = -1
    for step in b.steps:
        if step.index in back:
            last = back[step.index]
        elif step.index not in hidden[1]:
            after[last].append(step)
    rows = [AlignedSteps(b=step) for step in after[-1]]
    for step in a.steps:
        other = b.steps[pairs[step.index]] if step.index in pairs else None
        if other is None:
            shown = step.index not in hidden[0]
            rows.extend([AlignedSteps(a=step)] if shown else [])
        else:
            place = _place(step, other, a, b) if step.index in moved else ()
            fields = (*place, *_step_differences(step, other))
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


def _place(a: Step, b: Step, left: Run, right: Run) -> tuple[FieldDifference, ...]:
    """Return the difference in place; steps that ran side by side have no order."""
    if _beside_others(a, left) or _beside_others(b, right):
        return ()
    return (FieldDifference(path="index", expected=a.index, actual=b.index),)


def _beside_others(step: Step, run: Run) -> bool:
    return any(
        each.parent == step.parent
        and each.index != step.index
        and each.start_ns < step.end_ns
        and step.start_ns < each.end_ns
        for each in run.steps
    )


# --- where two steps differ --------------------------------------------------------


def _host(step: Step) -> str | None:
    """Return where a call went; a local server gets another port each time."""
    host = host_of(step.call)
    name = (host or "").partition(":")[0]
    return name if name in _LOOPBACK else host


def _step_differences(a: Step, b: Step) -> tuple[FieldDifference, ...]:
    found = differences(_host(a), _host(b), "host")
    if key_of(a.call) != key_of(b.call):
        found = (*found, *_call_differences(a, b))
    asked = _outcome_json(a.outcome, a.response), _outcome_json(b.outcome, b.response)
    if (a.response is None) is not (b.response is None):
        asked = _outcome_json(a.outcome, None), _outcome_json(b.outcome, None)
    return (*found, *differences(*asked, "outcome"))


def _call_differences(a: Step, b: Step) -> tuple[FieldDifference, ...]:
    names = differences(_name(a), _name(b), "name")
    urls = differences(_query(a), _query(b), "query")
    arguments = differences(_arguments(a), _arguments(b), "arguments")
    # Calls can differ in what is no JSON, such as the bytes of an upload.
    return (*names, *urls, *arguments) or differences(
        key_of(a.call), key_of(b.call), "arguments"
    )


def _query(step: Step) -> JsonValue:
    request = step.call.request
    return request.url.partition("?")[2] if request else None


def _arguments(step: Step) -> JsonValue:
    request = step.call.request
    if request is None:
        return step.call.inputs
    return _body_json(request.body)


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
