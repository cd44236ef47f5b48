"""What looks wrong in a run, by rules over what is recorded.

A rule sees calls, not intentions: its wording says what was recorded, and how sure
it can be. None of them asks a model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

from otel_agent_replay.model.call import FRAME_KINDS
from otel_agent_replay.model.finding import Finding
from otel_agent_replay.model.intention import Intention
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.findings_of_models import (
    answers_cut_off,
    answers_refused,
    growing_context,
    invalid_arguments,
)
from otel_agent_replay.replay.findings_of_tools import (
    answer_without_evidence,
    empty_results,
    errors_passed_over,
    repeated_calls,
    repeated_errors,
)

__all__ = ["find"]

_SECOND: Final = 1_000_000_000
_LONG: Final = 5 * _SECOND
_SHARE: Final = 0.5
_TIMES: Final = 5
_LEAST_STEPS: Final = 4


def find(run: Run, in_doubt: Sequence[Intention] = ()) -> tuple[Finding, ...]:
    """Return what looks wrong in a run, the surest and earliest first.

    Steps that a resume made again are left aside. `in_doubt` are the run's writes
    that were written ahead and have no outcome.
    """
    steps = [step for step in run.steps if not step.superseded]
    rules: tuple[Callable[[Run, Sequence[Step]], list[Finding]], ...] = (
        _failed,
        answers_cut_off,
        answers_refused,
        invalid_arguments,
        repeated_calls,
        empty_results,
        repeated_errors,
        errors_passed_over,
        answer_without_evidence,
        growing_context,
        _slow_steps,
        _expensive_steps,
    )
    found = [finding for rule in rules for finding in rule(run, steps)]
    found += _unfinished_writes(steps, in_doubt)
    return tuple(sorted(found, key=_rank))


_SURE: Final = {"certain": 0, "likely": 1, "possible": 2}
_FIGURES: Final = frozenset({"slow_step", "expensive_step", "growing_context"})


def _rank(finding: Finding) -> tuple[bool, int, int]:
    """Rank what only costs time and money behind what can be wrong."""
    first = finding.steps[0] if finding.steps else -1
    return finding.kind in _FIGURES, _SURE[finding.confidence], first


def _failed(run: Run, steps: Sequence[Step]) -> list[Finding]:
    error = run.outcome.error
    if error is None:
        return []
    same = [
        step.index
        for step in steps
        if step.outcome.error is not None
        and (step.outcome.error.type_name, step.outcome.error.message)
        == (error.type_name, error.message)
    ]
    at = f", first raised in step {same[0]}" if same else ""
    return [
        Finding(
            kind="failed",
            confidence="certain",
            steps=tuple(same),
            text=f"The run ended with {error.type_name.rpartition(':')[2]}{at}.",
            evidence=(error.message,),
        )
    ]


def _unfinished_writes(
    steps: Sequence[Step], in_doubt: Sequence[Intention]
) -> list[Finding]:
    begun = [s for s in steps if s.is_open and s.call.effect == "write"]
    found = [_unfinished(step.call.name, (step.index,)) for step in begun]
    seen = {step.call.name for step in begun}
    # A process may be killed before it has sent the step on.
    found += [_unfinished(w.name, ()) for w in in_doubt if w.tool not in seen]
    return found


def _unfinished(name: str, steps: tuple[int, ...]) -> Finding:
    return Finding(
        kind="unfinished_write",
        confidence="certain",
        steps=steps,
        text=(
            f"The write {name} was under way when its process ended: whether it took "
            "place is not recorded."
        ),
    )


def _leaves(steps: Sequence[Step]) -> list[Step]:
    above = {step.parent for step in steps}
    return [s for s in steps if s.index not in above and s.call.kind not in FRAME_KINDS]


def _slow_steps(run: Run, steps: Sequence[Step]) -> list[Finding]:
    """Find steps that took half of the run, or far longer than others of their kind."""
    del run
    leaves = _leaves(steps)
    whole = sum(step.duration_ns for step in leaves)
    times: defaultdict[str, list[int]] = defaultdict(list)
    for step in leaves:
        times[step.call.kind].append(step.duration_ns)
    usual = {k: median(t) for k, t in times.items() if len(t) > _LEAST_STEPS}
    found = []
    for step in leaves:
        typical = usual.get(step.call.kind, 0)
        odd = 0 < typical * _TIMES < step.duration_ns
        half = len(leaves) >= _LEAST_STEPS and step.duration_ns > whole * _SHARE
        if step.duration_ns >= _LONG and (odd or half):
            found.append(_slow(step, typical if odd else 0, whole))
    return found


def _slow(step: Step, usual: float, whole: int) -> Finding:
    times = f", {step.duration_ns / usual:.0f} times the median" if usual else ""
    took = f"{step.call.name} took {step.duration_ns / _SECOND:.1f} s{times}"
    share = round(step.duration_ns / whole * 100)
    return Finding(
        kind="slow_step",
        confidence="certain",
        steps=(step.index,),
        text=f"{took}: {share} % of the time of all calls.",
    )


def _expensive_steps(run: Run, steps: Sequence[Step]) -> list[Finding]:
    del run
    priced = [step for step in steps if step.cost_usd]
    whole = sum(step.cost_usd or 0 for step in priced)
    return [
        Finding(
            kind="expensive_step",
            confidence="certain",
            steps=(step.index,),
            text=(
                f"One model call cost ${step.cost_usd:.4g}, "
                f"{(step.cost_usd or 0) / whole * 100:.0f} % of the run."
            ),
        )
        for step in priced
        if len(priced) >= _LEAST_STEPS and (step.cost_usd or 0) > whole * _SHARE
    ]
