"""Runs of one agent in worlds that give other things."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from otel_agent_replay import (
    tool,
)
from otel_agent_replay.model.run import Run
from otel_agent_replay.replay.bisection import Bisection
from tests.replay.recorded import World, newest


def getter(world: World):
    @tool
    def get(key: str) -> object:
        world.happened.append(key)
        found = world.gives[key]
        return found.pop(0) if isinstance(found, list) else found

    return get


def ran(world: World, act: Callable[[], object], **gives: object) -> Run:
    """Return the run of an agent in a world that gives this."""
    world.gives = {
        key: [*value] if isinstance(value, list) else value
        for key, value in gives.items()
    }
    with contextlib.suppress(ValueError):
        act()
    world.happened.clear()
    return newest()


def steps(found: Bisection) -> list[int | None]:
    return [each.step for each in found.changes]
