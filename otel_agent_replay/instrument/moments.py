"""`checkpoint(state)` and `approval(…)`: moments of a run, called in line."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from otel_agent_replay import intercept
from otel_agent_replay.instrument.results import (
    answered,
    answered_later,
    hand_on,
    hand_on_awaited,
)
from otel_agent_replay.instrument.subject import return_annotation
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.exceptions import record_exception
from otel_agent_replay.model.natives import from_json, to_json
from otel_agent_replay.model.payload import JsonValue

__all__ = ["approval", "checkpoint"]

S = TypeVar("S")
T = TypeVar("T")


def checkpoint(state: S, *, name: str = "state") -> S:
    """Record the agent's state here and return the state to go on with.

    In a fork with a changed state that is the changed one. A dictionary, list or
    dataclass is changed in place too, so `checkpoint(state)` alone is enough for it.

    Args:
        state: Anything that can be written as JSON (see `model.natives`).
        name: Tells several states of one run apart.

    Raises:
        ResultTypeError: The changed state cannot become the state's type.
    """
    if not intercept.active():
        return state
    was = to_json(state)
    opened = intercept.open_call(
        Call(kind="checkpoint", name=name, inputs={"state": was}),
    )
    answer = opened.answer
    opened.close(answer or Outcome(value=was))
    if answer is None or answer.value == was:
        return state
    return _changed(state, from_json(answer.value, type(state), like=state))


def _changed(state: S, new: object) -> S:
    if isinstance(state, dict) and isinstance(new, dict):
        state.clear()
        state.update(new)
        return state
    if isinstance(state, list) and isinstance(new, list):
        state[:] = new
        return state
    if dataclasses.is_dataclass(state) and type(new) is type(state):
        for field in dataclasses.fields(state):
            object.__setattr__(state, field.name, getattr(new, field.name))
        return state
    return cast("S", new)


def approval(
    name: str,
    *,
    ask: Callable[[], T] | Callable[[], Awaitable[T]],
    **details: object,
) -> T:
    """Ask a person and return the decision; a replay returns the recorded one.

    If `ask` is async, what is returned must be awaited.

    Args:
        name: What is to be approved, such as `send_refund`.
        ask: Asks and returns the decision.
        details: What the person is shown; recorded.
    """
    if not intercept.active():
        return cast("T", ask())
    opened = intercept.open_call(
        Call(
            kind="approval",
            name=name,
            inputs={key: to_json(value) for key, value in details.items()},
        ),
    )
    if opened.answer is not None:
        return cast("T", _answered(opened, opened.answer, ask))
    try:
        with opened.running():
            decision = ask()
    except BaseException as error:
        opened.close(Outcome(error=record_exception(error)))
        raise
    if inspect.iscoroutinefunction(ask):
        return cast("T", hand_on_awaited(opened, cast("Awaitable[T]", decision)))
    return cast("T", hand_on(opened, decision))


def _answered(
    opened: intercept.OpenCall,
    answer: Outcome,
    ask: Callable[[], object],
) -> object:
    def native(value: JsonValue) -> object:
        return from_json(value, return_annotation(ask))

    if inspect.iscoroutinefunction(ask):
        return answered_later(opened, answer, native)
    return answered(opened, answer, native)
