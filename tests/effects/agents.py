"""Agents that read the world, and how they are recorded and replayed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import otel_agent_replay
from otel_agent_replay import DivergenceError, agent, open_store, record, replay
from otel_agent_replay.model.run import Run

T = TypeVar("T")


def recorded(
    code: Callable[[], T], *effects: str, files: tuple[str, ...] = ()
) -> tuple[T, Run]:
    """Run code as an agent with these reads recorded; return its result and run."""
    otel_agent_replay.configure()
    with record(effects=effects, files=files):
        result = agent(name="reader")(code)()
    with open_store() as store:
        return result, store.load(store.runs()[0].run_id)


def replayed(run: Run, code: Callable[[], T], **options: object) -> T:
    """Run code as an agent that is answered from a run; return its result."""
    with replay(run, **options) as session:  # type: ignore[arg-type]
        result = agent(name="reader")(code)()
    assert session.report.ok
    return result


def divergence(run: Run, code: Callable[[], object]) -> str:
    """Return what the report says of code that reads otherwise than the run."""
    try:
        with replay(run):
            agent(name="reader")(code)()
    except DivergenceError as error:
        return str(error)
    return ""


def both(code: Callable[[], T], *effects: str, **options: object) -> tuple[T, T]:
    """Return what code gives when recorded, and when replayed."""
    first, run = recorded(code, *effects)
    return first, replayed(run, code, **options)
