"""Calls that go live in a replay, and the recorded steps that they stand for."""

from __future__ import annotations

from collections.abc import Collection

from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.nearest import nearest
from otel_agent_replay.replay.place import Place
from otel_agent_replay.replay.stubs import Stubs

__all__ = ["ended_alike", "stood_for"]


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
