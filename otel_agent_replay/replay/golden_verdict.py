"""Whether a replay of a golden was what the golden asks for. It fails closed."""

from __future__ import annotations

from typing import Final

from otel_agent_replay.model.call import FRAME_KINDS
from otel_agent_replay.model.divergence import Divergence, ReplayReport
from otel_agent_replay.model.run import Run
from otel_agent_replay.replay.golden_expectations import unmet
from otel_agent_replay.replay.golden_view import GoldenRun

__all__ = ["failures", "has_answers", "report_lines"]

_ENDS: Final = ("output", "items", "error")
"""What `changed` of the agent's own call is about its answer, not its input."""
_MOST_LINES: Final = 20
_KEY: Final = "redaction_key"
"""A golden never has the key; to say so helps where a pseudonym differs."""


def has_answers(run: Run) -> bool:
    """Return whether a run holds a call that a replay can answer and compare."""
    return any(_answers(run, step.index) for step in run.steps)


def _answers(run: Run, index: int) -> bool:
    return run.steps[index].call.kind not in {*FRAME_KINDS, "checkpoint"}


def failures(
    recorded: Run,
    expect: tuple[str, ...],
    report: ReplayReport,
    made: Run | None,
    *,
    stopped: bool,
) -> tuple[str, ...]:
    """Return what is wrong with a replay, a line each; none if it was as it has to be.

    Without expectations it has to be the recorded run, call by call. With them the
    recorded run is known to be bad: they decide, and the agent may ask for less and in
    another order, tell other states and answer otherwise. But it is still given the same input, and what
    it asks for has to be in the recording: there is no answer for anything else.

    Args:
        recorded: The golden's run.
        expect: What has to hold instead of being alike.
        report: What the replay did.
        made: The run that it made; None if no agent ran.
        stopped: Whether the agent was stopped before its end.
    """
    if made is None:
        return ("the test never ran the agent: nothing was compared",)
    wrong = [
        str(each)
        for each in report.divergences
        if not (expect and _may_differ(recorded, each))
    ]
    wrong += [f"a write was refused: {name}" for name in report.blocked]
    wrong += [f"a write is in doubt: {name}" for name, _ in report.in_doubt]
    if not any(_answers(recorded, index) for index in report.served) and not wrong:
        wrong.append(
            f"the agent asked for none of the {len(recorded.steps)} recorded steps: "
            "nothing was compared"
        )
    if expect and not stopped:
        wrong += [str(each) for each in unmet(expect, GoldenRun(made))]
    if stopped and not wrong:
        wrong.append("the agent was stopped, and the report does not say why")
    return tuple(wrong)


def _may_differ(recorded: Run, divergence: Divergence) -> bool:
    """Return whether a golden with expectations leaves a difference to them."""
    if divergence.kind in {"missing", "out_of_order"}:
        return True
    if divergence.kind != "changed" or not divergence.fields:
        return False
    if divergence.step is not None:
        return recorded.steps[divergence.step].call.kind == "checkpoint"
    return all(each.path.startswith(_ENDS) for each in divergence.fields)


def report_lines(name: str, wrong: tuple[str, ...], report: ReplayReport) -> list[str]:
    """Return what a person reads when a replay of a golden failed."""
    shown = [f"  {line}" for line in wrong[:_MOST_LINES]]
    if len(wrong) > _MOST_LINES:
        shown.append(f"  … and {len(wrong) - _MOST_LINES} more")
    counted = [f"{len(report.served)} recorded steps answered"]
    if report.unused:
        counted.append(f"{len(report.unused)} never asked for")
    if report.live:
        counted.append(f"{len(report.live)} calls live")
    keys = any(each.cause == "redaction" for each in report.divergences)
    notes = [f"  note: {n}" for n in report.notes if keys or _KEY not in n]
    return [
        f"golden {name}: the agent did not do what the golden says",
        *shown,
        f"  {', '.join(counted)}",
        *notes,
    ]
