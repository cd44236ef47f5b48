"""Agents that write, to be killed: `python -m tests.writes.agents SHAPE LEDGER`.

The ledger has a line for each time that the body of a write ran, on the disk before
the body goes on.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import otel_agent_replay
from otel_agent_replay import agent, current_idempotency_key, step, tool

WRITES = 20
SECONDS = 0.004
"""About how long a write takes on either side of the ledger."""


def enter(key: str) -> None:
    """Put a line into the ledger."""
    ledger = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(ledger, f"{key} {current_idempotency_key()}\n".encode())
    os.fsync(ledger)
    os.close(ledger)


def pause() -> float:
    return random.uniform(0, SECONDS)  # noqa: S311 - any moment will do


@tool
def look(number: int) -> str:
    """Take a moment."""
    time.sleep(pause())
    return f"item {number} " + "x" * 200


@tool(effect="write", idempotency_key="key")
def send(key: str, text: str) -> str:
    """Write into the ledger."""
    time.sleep(pause())
    enter(key)
    time.sleep(pause())
    return f"sent {text[:10]}"


@tool(name="asend", effect="write", idempotency_key=lambda key, **_: key)
async def asend(key: str, text: str) -> str:
    """Write into the ledger, beside others."""
    await asyncio.sleep(pause())
    enter(key)
    await asyncio.sleep(pause())
    return f"sent {text[:10]}"


@agent
def sequential() -> list[str]:
    return [send(f"k{number}", look(number)) for number in range(WRITES)]


@agent
def threads() -> list[str]:
    @step(name="lane")
    def lane(first: int) -> list[str]:
        return [send(f"k{n}", look(n)) for n in range(first, WRITES, 4)]

    with ThreadPoolExecutor(4) as pool:
        return [each for found in pool.map(lane, range(4)) for each in found]


@agent
def gather() -> list[str]:
    async def main() -> list[str]:
        found: list[str] = []
        for first in range(0, WRITES, 5):
            texts = [look(number) for number in range(first, first + 5)]
            several = (
                asend(f"k{first + n}", text=text) for n, text in enumerate(texts)
            )
            found += await asyncio.gather(*several)
        return found

    return asyncio.run(main())


SHAPES = {"sequential": sequential, "threads": threads, "gather": gather}

if __name__ == "__main__":
    otel_agent_replay.configure()
    result = SHAPES[sys.argv[1]]()
    assert len(result) == WRITES
