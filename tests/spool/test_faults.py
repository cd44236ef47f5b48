"""A ClickHouse server behind a line that fails: nothing is lost, nothing is there twice.

`AGENT_REPLAY_TEST_OUTAGE` says for how many seconds the server is away, by default 10;
the whole takes about twice as long.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from otel_agent_replay import open_store
from tests.spool.proxy import Fault, Proxy

ROOT = Path(__file__).parents[2]
OUTAGE = float(os.environ.get("AGENT_REPLAY_TEST_OUTAGE", "10"))
PROCESSES = 4
RATE = 50
FAULTS: tuple[Fault | None, ...] = (
    "before",
    "middle",
    "after",
    "after",
    "refused",
    "hang",
    None,
    None,
)

STEADY = """
import os, sys, time
import otel_agent_replay
from otel_agent_replay import agent, tool

otel_agent_replay.configure()
rate, seconds = float(sys.argv[1]), float(sys.argv[2])

@tool
def look(number):
    return f"{os.getpid()} {number} " + "x" * 400

@agent(name="steady")
def play(first, count):
    for number in range(first, first + count):
        look(number)
        time.sleep(1 / rate)

play(0, 25)
assert otel_agent_replay.flush(100)
print("ready", flush=True)
begun, first, runs = time.monotonic(), 25, 1
while time.monotonic() < begun + seconds:
    play(first, 25)
    first, runs = first + 25, runs + 1
done = otel_agent_replay.flush(100)
print(first, runs, done)
"""


@pytest.mark.timeout(150 + OUTAGE * 4)
def test_nothing_is_lost_or_doubled(
    clickhouse, clickhouse_url, tmp_path, record_property
):
    """Whatever happens to a connection, and whenever: each row is there once."""
    parts = urlsplit(clickhouse_url)
    with open_store(clickhouse_url):
        pass  # its tables are there
    chance = random.Random(3)  # noqa: S311 - any will do
    calm = [True]

    def choose() -> Fault | None:
        return None if calm[0] else chance.choice(FAULTS)

    with Proxy(parts.port, choose) as proxy:
        through = clickhouse_url.replace(f":{parts.port}/", f":{proxy.port}/")
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", STEADY, str(RATE / PROCESSES), str(OUTAGE * 2)],
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "AGENT_REPLAY_STORE": f"{through}?send_receive_timeout=2",
                    "AGENT_REPLAY_SPOOL": str(tmp_path / "spool"),
                    "AGENT_REPLAY_BATCH_MS": "300",
                },
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(PROCESSES)
        ]
        for each in processes:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        calm[0] = False
        proxy._closed.wait(OUTAGE / 2)
        proxy.away(OUTAGE)
        proxy._closed.wait(OUTAGE)
        calm[0] = True
        told = [each.communicate()[0].split() for each in processes]

    assert [each.returncode for each in processes] == [0] * PROCESSES
    assert {done for _, _, done in told} == {"True"}
    steps = sum(int(each) for each, _, _ in told)
    runs = sum(int(each) for _, each, _ in told)
    record_property("faults", str(dict(proxy.faults)))
    sys.stdout.write(f"{steps} steps of {runs} runs, {dict(proxy.faults)}\n")
    check_tables(clickhouse, parts.path.strip("/"), steps + runs, steps)
    check_runs(clickhouse_url, runs, steps)
    assert proxy.faults["after"] > 0
    assert not [*(tmp_path / "spool").glob("*/[0-9]*")]


def check_tables(clickhouse, database: str, spans: int, contents: int) -> None:
    """Count rows as they lie there, not as queries see them."""

    def rows(table: str, key: str) -> list[int]:
        asked = f"SELECT count(), uniqExact({key}) FROM {database}.{table}"  # noqa: S608 - ours
        return [int(each) for each in clickhouse.execute(asked).split()]

    assert rows("otel_traces", "TraceId, SpanId") == [spans, spans]
    found, unlike = rows("agent_replay_contents", "Scope, Hash")
    assert found == unlike >= contents


def check_runs(url: str, runs: int, steps: int) -> None:
    """The run list's sums, and each run's own steps."""
    with open_store(url) as store:
        listed = store.runs(limit=10_000)
        assert len(listed) == runs
        assert sum(each.step_count for each in listed) == steps
        assert {each.status for each in listed} == {"success"}
        assert sum(each.dropped for each in listed) == 0
        for each in listed:
            run = store.load(each.run_id)
            assert run.gaps == ()
            assert len(run.steps) == 25
