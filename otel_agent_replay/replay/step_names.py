"""A step of a run as people name it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias, get_args

from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.model.call import Kind
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step

__all__ = ["StepName", "named_step"]

StepName: TypeAlias = "int | str | Callable[[Step], bool]"
"""A step's index; `search`, `tool:search`, `search#2`, `model`; or what tells it."""

_MOST: Final = 8
_KINDS: Final[tuple[str, ...]] = get_args(Kind)
_NAMED: Final = re.compile(
    rf"(?:(?P<kind>{'|'.join(_KINDS)}):)?(?P<name>.+?)(?:#(?P<number>[1-9][0-9]*))?",
    re.DOTALL,
)


def named_step(run: Run, at: StepName) -> int:
    """Return the index of the step that is meant.

    `search` is the first step of that name, `search#2` the second one, `tool:search`
    the first tool of that name, and `model` the first step of that kind. Steps that a
    resume made again do not count.

    Raises:
        ConfigurationError: The run has no such step.
    """
    if isinstance(at, int):
        return at
    if isinstance(at, str) and at.isascii() and at.isdecimal():
        return int(at)
    steps = [step for step in run.steps if not step.superseded]
    if not isinstance(at, str):
        found = next((step for step in steps if at(step)), None)
        if found is None:
            raise ConfigurationError("at", "no step of the run is the one asked for")
        return found.index
    return _named(steps, at)


def _named(steps: list[Step], text: str) -> int:
    match = _NAMED.fullmatch(text)
    if match is None:
        raise ConfigurationError("at", f"{text!r} names no step")
    kind, name, number = match["kind"], match["name"], int(match["number"] or 1)
    fitting = [
        step
        for step in steps
        if (kind is None or step.call.kind == kind) and _is_called(step, name, kind)
    ]
    if len(fitting) < number:
        has = f"{len(fitting)} such" if fitting else "no such"
        kinds = dict.fromkeys(step.call.name for step in steps)
        known = ", ".join([*kinds][:_MOST])
        raise ConfigurationError(
            "at", f"{text!r}: the run has {has} step; its steps are called {known}"
        )
    return fitting[number - 1].index


def _is_called(step: Step, name: str, kind: str | None) -> bool:
    model = step.request.model if step.request is not None else None
    is_kind = kind is None and step.call.kind == name
    return is_kind or name in {step.call.name, model}
