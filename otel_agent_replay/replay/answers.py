"""What a recorded step answers, and whether that can be waited for."""

from __future__ import annotations

from typing import Final, cast

from otel_agent_replay.model.call import Outcome
from otel_agent_replay.model.natives import awaited, what_is_awaited
from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.plan import UNCHANGED, Plan
from otel_agent_replay.replay.tools import Tools

__all__ = ["answer_of", "was_cut_short"]

_CUT_SHORT: Final = {
    "asyncio.exceptions:CancelledError",
    "builtins:KeyboardInterrupt",
    "trio:Cancelled",
}


def answer_of(step: Step, plan: Plan, tools: Tools) -> Outcome:
    """Return what a step ended with, or what a fork puts in its place."""
    changes = plan.changes
    if step.index != plan.at:
        return step.outcome
    if changes.answer is not None:
        return tools.render_answer(step, changes.answer)
    if changes.result is not UNCHANGED:
        value = cast("JsonValue", changes.result)
        was_awaited = what_is_awaited(step.outcome.value) is not None
        return Outcome(value=awaited(value) if was_awaited else value)
    return step.outcome


def was_cut_short(run: Run) -> bool:
    """Return whether a run was cancelled, interrupted or killed."""
    error = run.outcome.error
    cut = error is not None and error.type_name in _CUT_SHORT
    return cut or run.status == "interrupted"
