"""Where to fork a run to find out what would have helped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, TypeGuard

from otel_agent_replay.model.finding import Finding, FindingKind, ForkPoint
from otel_agent_replay.model.payload import JsonObject, JsonValue, dump_json
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.differing import state_of
from otel_agent_replay.replay.findings_of_tools import is_empty

__all__ = ["fork_points"]

_MOST: Final = 6
_SHORT: Final = 300
_PUT_IN: Final = "PUT IN WHAT IT SHOULD GIVE"
_LIMIT: Final = re.compile(r"max|limit|retr|tries|attempt|budget|depth", re.IGNORECASE)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_TOKENS: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_LOOPS: Final = frozenset[FindingKind](
    {"repeated_calls", "empty_results", "repeated_errors"}
)
_OF_RESULTS: Final = _LOOPS | {"error_passed_over", "answer_without_evidence"}
_OF_ANSWERS: Final = frozenset[FindingKind](
    {"invalid_arguments", "answer_refused", "answer_without_evidence"}
)


def fork_points(run: Run, findings: Sequence[Finding]) -> tuple[ForkPoint, ...]:
    """Return places to fork at, those of the first findings first.

    Values are a beginning: the shape is that of the run, what is right a person says.
    """
    found: dict[tuple[object, ...], ForkPoint] = {}
    for finding in findings:
        for point in _of(run, finding):
            found.setdefault((point.at, point.change, point.path), point)
    return tuple(found.values())[:_MOST]


def _of(run: Run, finding: Finding) -> Iterator[ForkPoint]:
    if not finding.steps:
        return
    step = run.steps[finding.steps[0]]
    if finding.kind in _LOOPS:
        yield from _smaller_limit(run, finding)
    if finding.kind in _OF_RESULTS and step.call.kind == "tool":
        yield _other_result(run, step)
    if finding.kind == "answer_cut_off":
        yield from _more_tokens(step)
    if finding.kind in _OF_ANSWERS:
        yield from _other_answer(run, step, finding)
    if finding.kind != "unfinished_write" and step.index > 0:
        yield ForkPoint(
            at=step.index - 1,
            change="code",
            why=f"changed code goes on live just before step {step.index}",
        )


def _smaller_limit(run: Run, finding: Finding) -> Iterator[ForkPoint]:
    """Give the first state at or after the finding that holds a limit."""
    first, last = finding.steps[0], finding.steps[-1]
    for step in run.steps:
        if step.call.kind != "checkpoint" or step.superseded:
            continue
        if not first <= step.index <= last:
            continue
        for path, value in _limits(state_of(step)):
            yield ForkPoint(
                at=step.index,
                change="state",
                path=path,
                value=max(1, value // 3),
                why=f"does it help to stop earlier? {path} is {value} there",
            )
        return


def _limits(state: JsonValue, above: str = "") -> Iterator[tuple[str, int]]:
    if not isinstance(state, dict):
        return
    for name, value in state.items():
        if not _NAME.fullmatch(name):
            continue  # it could not be written as a path
        path = f"{above}{name}"
        if isinstance(value, dict):
            yield from _limits(value, f"{path}.")
        elif _is_limit(value, name):
            yield path, value


def _is_limit(value: JsonValue, name: str) -> TypeGuard[int]:
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    return value > 1 and bool(_LIMIT.search(name))


def _other_result(run: Run, step: Step) -> ForkPoint:
    name = step.call.name
    return ForkPoint(
        at=step.index,
        change="result",
        value=_example(run, step),
        why=f"what would the agent do if {name} gave something?",
    )


def _example(run: Run, step: Step) -> JsonValue:
    """Return what the tool gave elsewhere in the run, or a value of that shape."""
    others = (
        each.outcome.value
        for each in run.steps
        if each.call.name == step.call.name
        and each.call.kind == "tool"
        and not each.outcome.failed
        and each.outcome.value is not None
        and not is_empty(each.outcome.value)
    )
    given = next(others, None)
    if given is not None and len(dump_json(given)) <= _SHORT:
        return given
    value = step.outcome.value
    if isinstance(value, list):
        return [_PUT_IN]
    if isinstance(value, dict):
        shaped: JsonObject = {
            key: [_PUT_IN] if item == [] else item for key, item in value.items()
        }
        return shaped or {"result": _PUT_IN}
    return _PUT_IN


def _more_tokens(step: Step) -> Iterator[ForkPoint]:
    arguments = step.call.arguments
    sent = arguments if isinstance(arguments, dict) else {}
    for name in _TOKENS:
        value = sent.get(name)
        if isinstance(value, int) and step.index > 0:
            yield ForkPoint(
                at=step.index - 1,
                change="parameter",
                path=name,
                value=value * 4,
                why=f"does it help to let the model finish? {name} is {value} there",
            )
            return


def _other_answer(run: Run, step: Step, finding: Finding) -> Iterator[ForkPoint]:
    """Give the model step whose answer is in question."""
    if finding.kind == "answer_without_evidence":
        spoken = [s for s in run.steps if s.call.kind == "model" and not s.superseded]
        if not spoken:
            return
        step = spoken[-1]
    yield ForkPoint(
        at=step.index,
        change="answer",
        value=_PUT_IN,
        why="what follows if the model says what it should have said?",
    )
