"""Agents that are killed: `python -m tests.spool.agents SHAPE NAME LOG [MODEL_URL]`.

Each writes into its log what it has begun and what has returned, and when, before it
goes on.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import urllib3

import otel_agent_replay
from otel_agent_replay import agent, tool

BEGAN = "began"
RETURNED = "returned"
POOL = urllib3.PoolManager()
WARM = "warm"
"""A first run, after which the store has been opened and the prices are read."""


class Log:
    """Lines that are there when `note` has returned."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, what: str, label: str) -> None:
        os.write(self._file, f"{what} {label} {time.time()}\n".encode())


@tool
def look(label: str, seconds: float = 0.0) -> str:
    """Take a moment."""
    LOG.note(BEGAN, label)
    time.sleep(seconds)
    return f"{label} " + "x" * 700


@tool
async def listen(label: str) -> str:
    """Take a moment, beside others."""
    LOG.note(BEGAN, label)
    await asyncio.sleep(0.004)
    return label * 50


def labels(what: str) -> Iterator[str]:
    return (f"{what}-{os.getpid()}-{number}" for number in itertools.count())


def sequential() -> None:
    for label in labels("tool"):
        look(label, 0.003)
        LOG.note(RETURNED, label)


def stuck() -> None:
    for label in itertools.islice(labels("tool"), 20):
        look(label, 0.002)
        LOG.note(RETURNED, label)
    look(f"tool-{os.getpid()}-stuck", 60.0)


def ask(said: list[dict[str, str]]) -> None:
    body = json.dumps({"model": "scripted", "messages": said})
    answer = POOL.request("POST", f"{sys.argv[4]}/chat/completions", body=body)
    assert answer.status == 200, answer.data


def model() -> None:
    said = []
    for label in labels("model"):
        said.append({"role": "user", "content": f"{label} " + "y" * 200})
        LOG.note(BEGAN, label)
        ask(said)
        LOG.note(RETURNED, label)
        time.sleep(0.004)


def threads() -> None:
    def work(what: str) -> None:
        for label in labels(what):
            look(label, 0.01)
            LOG.note(RETURNED, label)

    started = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(4)]
    for each in started:
        each.start()
    for each in started:
        each.join()


def gather() -> None:
    async def one(label: str) -> None:
        await listen(label)
        LOG.note(RETURNED, label)

    async def main() -> None:
        found = labels("async")
        while True:
            await asyncio.gather(*map(one, itertools.islice(found, 4)))

    asyncio.run(main())


def child() -> None:
    arguments = [sys.executable, "-m", "tests.spool.agents", "part", *sys.argv[2:]]
    started = subprocess.Popen(arguments)
    sequential()
    started.wait()


SHAPES: dict[str, Callable[[], None]] = {
    each.__name__: each for each in (sequential, stuck, model, threads, gather, child)
}

if __name__ == "__main__":
    LOG = Log(sys.argv[3])
    otel_agent_replay.configure()
    if sys.argv[1] == "part":
        sequential()
    else:
        agent(ask, name=WARM)([{"role": "user", "content": "Hello."}])
        assert otel_agent_replay.flush(60)
        agent(SHAPES[sys.argv[1]], name=sys.argv[2])()
