"""A world that is recorded, and tools in it."""

import asyncio

import pytest

import otel_agent_replay
from otel_agent_replay import tool
from tests.replay.recorded import URL, World


@pytest.fixture
def world():
    """Record into a new store."""
    otel_agent_replay.configure(store=URL)
    return World()


@pytest.fixture
def look_up(world):
    """A read."""

    @tool
    def look_up(word: str) -> str:
        return f"{word} {world.tick()}"

    return look_up


@pytest.fixture
def roll(world):
    """A read that gives something else each time."""

    @tool
    async def roll() -> int:
        await asyncio.sleep(0)
        return world.tick()

    return roll
