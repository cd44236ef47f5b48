"""Rules about what tools were asked and what they gave."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from otel_agent_replay.model.finding import Finding
from otel_agent_replay.model.key import key_of
from otel_agent_replay.model.payload import (
    JsonValue,
    canonical_json,
    dump_json,
    parse_json,
)
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step

__all__ = [
    "answer_without_evidence",
    "empty_results",
    "errors_passed_over",
    "is_empty",
    "repeated_calls",
    "repeated_errors",
]

_LOOP: Final = 3
_ERRORS: Final = 3
_EMPTY: Final = 2
_LINE: Final = 160
_SHORT: Final = 200
_HTTP_ERROR: Final = 400
_TOOLS: Final = frozenset({"tool", "retrieval"})
_NOTHING: Final = re.compile(
    r"^\W*(no|0|zero) (results?|match(es)?|documents?|records?|entries|hits|rows|data)\b"
    r"|^\W*(nothing|none|not) found\W*$",
    re.IGNORECASE,
)
_ADMITS: Final = re.compile(
    r"\b(not?|none|nothing|never|neither|cannot|can't|couldn't|didn't|don't|doesn't"
    r"|isn't|wasn't|weren't|won't|unable|unfortunately|sorry|apologi[sz]e|fail(ed|ure)?"
    r"|error|problem|issue|missing|unavailable|transferr?(ed|ing)?|human)\b",
    re.IGNORECASE,
)


def is_empty(value: JsonValue) -> bool:
    """Return whether a result holds nothing: no item, no text, or says so."""
    if isinstance(value, str):
        return _is_empty_text(value.strip())
    if isinstance(value, list):
        return not value
    if isinstance(value, dict):
        lists = [item for item in value.values() if isinstance(item, (list, dict, str))]
        rest = [
            item for item in value.values() if not isinstance(item, (list, dict, str))
        ]
        held = bool(lists) and not any(lists)
        return not value or (held and not any(rest))
    return False


def _is_empty_text(text: str) -> bool:
    if len(text) > _SHORT:
        return False
    if text[:1] in {"[", "{"}:
        try:
            return is_empty(parse_json(text))
        except ValueError:
            return False
    return not text or bool(_NOTHING.search(text))


def _reads(steps: Sequence[Step]) -> list[Step]:
    return [s for s in steps if s.call.kind in _TOOLS and s.call.effect == "read"]


def _came_empty(step: Step) -> bool:
    """Return whether a call gave nothing although it could have given something.

    A tool may give no text at all because that is what it does, such as one to think
    with; of a retrieval that is nothing.
    """
    outcome = step.outcome
    if outcome.failed or outcome.ended != "complete" or step.dropped is not None:
        return False
    if outcome.items is not None:
        return not outcome.items
    blank = isinstance(outcome.value, str) and not outcome.value.strip()
    return is_empty(outcome.value) and (not blank or step.call.kind == "retrieval")


def _line(step: Step) -> str:
    error = step.outcome.error
    name = error.type_name.rpartition(":")[2] if error else ""
    given = f"{name}: {error.message}" if error else _json(step.outcome.value)
    asked = _json(step.call.inputs)
    return f"step {step.index}: {step.call.name} {asked[:_LINE]} gave {given[:_LINE]}"


def _json(value: JsonValue) -> str:
    return value if isinstance(value, str) else dump_json(value)


def repeated_calls(run: Run, steps: Sequence[Step]) -> list[Finding]:
    """Find calls that were made again and again and gave the same each time."""
    del run
    alike: defaultdict[tuple[str, bytes], list[Step]] = defaultdict(list)
    for step in steps:
        if step.call.kind in _TOOLS and not step.outcome.failed:
            result = canonical_json(step.outcome.value)
            alike[key_of(step.call), result].append(step)
    return [
        Finding(
            kind="repeated_calls",
            confidence="likely",
            steps=tuple(step.index for step in each),
            text=(
                f"{each[0].call.name} was called {len(each)} times with the same "
                "arguments and gave the same each time."
            ),
            evidence=(_line(each[0]),),
        )
        for each in alike.values()
        if len(each) >= _LOOP
    ]


def empty_results(run: Run, steps: Sequence[Step]) -> list[Finding]:
    """Find tools that gave nothing several times in a row."""
    del run
    rows: defaultdict[str, list[list[Step]]] = defaultdict(lambda: [[]])
    for step in _reads(steps):
        if _came_empty(step):
            rows[step.call.name][-1].append(step)
        elif rows[step.call.name][-1]:
            rows[step.call.name].append([])
    return [
        Finding(
            kind="empty_results",
            confidence="likely",
            steps=tuple(step.index for step in row),
            text=f"{name} gave nothing {len(row)} times in a row.",
            evidence=tuple(_line(step) for step in row[:3]),
        )
        for name, each in rows.items()
        for row in each
        if len(row) >= _EMPTY
    ]


def _error_of(step: Step) -> str | None:
    """Return what a call failed with: the class of its exception, or its status."""
    if step.outcome.error is not None:
        return step.outcome.error.type_name.rpartition(":")[2]
    response = step.outcome.response
    if response is not None and response.status >= _HTTP_ERROR:
        return f"HTTP {response.status}"
    return None


def repeated_errors(run: Run, steps: Sequence[Step]) -> list[Finding]:
    """Find calls of one name that failed several times in the same way."""
    del run
    alike: defaultdict[tuple[str, str], list[Step]] = defaultdict(list)
    above = {step.parent for step in steps}
    for step in steps:
        error = _error_of(step)
        if error is not None and step.index not in above:
            alike[step.call.name, error].append(step)
    return [
        Finding(
            kind="repeated_errors",
            confidence="certain",
            steps=tuple(step.index for step in each),
            text=f"{name} failed {len(each)} times with {error}.",
            evidence=tuple(_line(step) for step in each[:3] if step.outcome.failed),
        )
        for (name, error), each in alike.items()
        if len(each) >= _ERRORS
    ]


def _said(run: Run) -> str | None:
    """Return what the agent answered, if it is text for a person."""
    return run.output if isinstance(run.output, str) and run.output.strip() else None


def errors_passed_over(run: Run, steps: Sequence[Step]) -> list[Finding]:
    """Find tools whose last call failed, in a run whose answer says nothing of it."""
    answer = _said(run)
    if answer is None or _ADMITS.search(answer):
        return []
    tools = [step for step in steps if step.call.kind in _TOOLS]
    last = {step.call.name: step for step in tools}
    worked = max((s.index for s in tools if not s.outcome.failed), default=-1)
    return [
        Finding(
            kind="error_passed_over",
            confidence="likely" if step.index > worked else "possible",
            steps=(step.index,),
            text=(
                f"The last call of {name} failed, no other of it worked after that, "
                "and the answer does not speak of a failure."
            ),
            evidence=(_line(step), f"answer: {answer[:_LINE]}"),
        )
        for name, step in last.items()
        if step.outcome.failed
    ]


def answer_without_evidence(run: Run, steps: Sequence[Step]) -> list[Finding]:
    """Find an answer after searches that all gave nothing, which does not say so."""
    answer = _said(run)
    reads = [step for step in _reads(steps) if not step.outcome.failed]
    if answer is None or not reads or not all(map(_came_empty, reads)):
        return []
    if _ADMITS.search(answer) or is_empty(answer):
        return []
    return [
        Finding(
            kind="answer_without_evidence",
            confidence="likely" if len(reads) >= _EMPTY else "possible",
            steps=tuple(step.index for step in reads),
            text=(
                f"All {len(reads)} results of tools that read were empty, and the "
                "answer does not say that nothing was found."
            ),
            evidence=(f"answer: {answer[:_LINE]}",),
        )
    ]
