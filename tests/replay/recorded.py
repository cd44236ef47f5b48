"""What the agents of these tests live in, and the runs they leave."""

from __future__ import annotations

from collections.abc import Iterator

import otel_agent_replay
from otel_agent_replay import open_store, tool
from otel_agent_replay.model.run import Run

URL = "sqlite:///runs.db"
CHILD = """
import otel_agent_replay
from otel_agent_replay import tool

otel_agent_replay.configure(store="sqlite:///runs.db")

@tool
def touch(name):
    open(name, "a").close()
    return name

touch("touched")
"""


class BoomError(Exception):
    """What goes wrong."""


class World:
    """What really happens, and what it gives."""

    def __init__(self) -> None:
        self.happened: list[object] = []
        self.failures = 0
        self.results: Iterator[object] = iter(range(100))
        self.gives: dict[str, object] = {}
        self.ticks = 0

    def tick(self) -> int:
        """Give a number more each time."""
        self.ticks += 1
        return self.ticks


def newest(index: int = 0) -> Run:
    """Return the last run, or one before it."""
    otel_agent_replay.flush()
    with open_store(URL) as store:
        return store.load(store.runs()[index].run_id)


def told(session) -> list[str]:
    """Return what a session's report tells."""
    return [str(each) for each in session.report.divergences]


def tools_of(world: World):
    @tool
    def look_up(word: str) -> object:
        world.happened.append(word)
        return next(world.results)

    return look_up
