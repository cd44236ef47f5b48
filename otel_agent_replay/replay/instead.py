"""Calls that go live in a replay, and what stands for what."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.differing import differing
from otel_agent_replay.replay.nearest import nearest
from otel_agent_replay.replay.place import Place
from otel_agent_replay.replay.plan import Plan
from otel_agent_replay.replay.stubs import Stubs

__all__ = ["ended_alike", "given_instead", "stood_for"]


def given_instead(run: Run, plan: Plan, call: Call) -> Call | None:
    """Return the agent's own call with the run's input; None to leave it as it is."""
    # A run that was cut off early has lost what it was given.
    if not plan.gives_input or run.root_span_id is None:
        return None
    if not isinstance(run.input, dict) or not differing(run.input, call.inputs):
        return None
    return replace(call, inputs=run.input)


def stood_for(
    stubs: Stubs, replaced: Collection[int], call: Call, place: Place
) -> Step | None:
    """Return the step of a live call's name that it comes closest to, if any is left."""
    if not place.is_recorded:
        return None
    left = [
        step
        for step in stubs.left(place.step)
        if step.index not in replaced and step.call.name == call.name
    ]
    found = nearest(call, left, (), any_host=stubs.any_host)
    return stubs.steps[found[0].step] if found else None


def ended_alike(then: Outcome, now: Outcome) -> bool:
    """Return whether a caller sees the same of two outcomes."""
    return _seen(then) == _seen(now)


def _seen(outcome: Outcome) -> tuple[object, ...]:
    response, error = outcome.response, outcome.error
    return (
        outcome.value,
        outcome.items,
        (response.status, response.body) if response else None,
        (error.type_name, error.message) if error else None,
    )
