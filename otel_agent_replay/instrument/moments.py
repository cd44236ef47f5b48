"""`checkpoint(state)` and `approval(…)`: moments of a run, called in line."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from otel_agent_replay import intercept
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.exceptions import rebuild_exception, record_exception
from otel_agent_replay.model.natives import from_json, to_json

__all__ = ["approval", "checkpoint"]

S = TypeVar("S")
T = TypeVar("T")


def checkpoint(state: S, *, name: str = "state") -> S:
    """Record the agent's state here and return the state to go on with.

    In a fork with a changed state that is the changed one. A dictionary or
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
    return _changed(state, from_json(answer.value, type(state)))


def _changed(state: S, new: object) -> S:
    if isinstance(state, dict) and isinstance(new, dict):
        state.clear()
        state.update(new)
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
    if inspect.isawaitable(decision):
        return cast("T", _awaited(opened, decision))
    opened.close(Outcome(value=to_json(decision)))
    return decision


def _answered(
    opened: intercept.OpenCall,
    answer: Outcome,
    ask: Callable[[], Any],
) -> object:
    opened.close(answer)
    if inspect.iscoroutinefunction(ask):
        return _later(answer)
    return _decision(answer)


async def _later(answer: Outcome) -> object:
    return _decision(answer)


def _decision(answer: Outcome) -> object:
    if answer.error is not None:
        raise rebuild_exception(answer.error)
    return from_json(answer.value)


async def _awaited(opened: intercept.OpenCall, decision: Awaitable[T]) -> T:
    try:
        with opened.running():
            value = await decision
    except BaseException as error:
        opened.close(Outcome(error=record_exception(error)))
        raise
    opened.close(Outcome(value=to_json(value)))
    return value
