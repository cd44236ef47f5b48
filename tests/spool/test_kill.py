"""Processes that are killed in the middle of a run: what is stored of them after.

`AGENT_REPLAY_TEST_KILLS` says how many are killed, by default 20.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from otel_agent_replay import open_store
from otel_agent_replay.model.run import Run
from otel_agent_replay.testing import Answer, ScriptedProvider
from tests.spool.agents import BEGAN, RETURNED, SHAPES, WARM

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("AGENT_REPLAY_TEST_KILLS", "20"))
BOUND = 0.25
"""Seconds after which a step that has returned outlives its process."""
AT_ONCE = 4


@dataclass(frozen=True, kw_only=True)
class Killed:
    """An agent that was killed, and what it had done by then.

    Attributes:
        name: Its name, unlike any other's.
        shape: What it did.
        at: When it was killed.
        began, returned: The moment, by label.
    """

    name: str
    shape: str
    at: float
    began: dict[str, float] = field(default_factory=dict)
    returned: dict[str, float] = field(default_factory=dict)


def kill_one(name: str, log: Path, model_url: str, url: str) -> Killed:
    """Start an agent, and kill it and its children at some moment."""
    number = int(name.rpartition("-")[2])
    shape = [*SHAPES][number % len(SHAPES)]
    program = [sys.executable, "-m", "tests.spool.agents", shape, name]
    process = subprocess.Popen(
        [*program, str(log), model_url],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "AGENT_REPLAY_STORE": url,
            "AGENT_REPLAY_SPOOL": str(log.parent / "spool"),
        },
        cwd=log.parent,
        start_new_session=True,
    )
    try:
        while not log.exists() or log.stat().st_size == 0:
            assert process.poll() is None
            time.sleep(0.005)
        time.sleep(random.uniform(0.0, 1.5))  # noqa: S311 - any moment will do
    finally:
        at = time.time()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    found = Killed(name=name, shape=shape, at=at)
    for line in log.read_text().splitlines():
        what, label, when = line.split()
        {BEGAN: found.began, RETURNED: found.returned}[what][label] = float(when)
    return found


def label_of(step) -> str:
    if step.call.kind == "model":
        return json.loads(step.call.request.body)["messages"][-1]["content"].split()[0]
    return str(step.call.inputs["label"])


def check(killed: Killed, runs: list[Run]) -> float:
    """Check what is stored of an agent; return how late the latest loss was."""
    early = {k for k, at in killed.returned.items() if at < killed.at - BOUND}
    if not runs:
        assert not early, killed
        return max((killed.at - at for at in killed.returned.values()), default=0.0)
    (run,) = runs
    steps = [each for each in run.steps if each.call.kind in {"tool", "model"}]
    done = Counter(label_of(each) for each in steps if not each.is_open)
    lost = killed.returned.keys() - done.keys()
    late = max((killed.at - killed.returned[each] for each in lost), default=0.0)
    assert run.status == "interrupted"
    assert set(done.values()) <= {1}
    assert not lost & early, (killed.shape, f"lost after {late * 1000:.0f} ms")
    assert done.keys() <= killed.began.keys()
    if killed.shape in {"sequential", "stuck", "model"}:
        assert run.gaps == (), killed.shape
    if killed.shape == "stuck":
        check_open(killed, run, steps)
    return late


def check_open(killed: Killed, run: Run, steps) -> None:
    """The call it was killed in is there, without an outcome."""
    open_ = [label_of(each) for each in steps if each.is_open]
    for label, at in killed.began.items():
        if label.endswith("stuck") and at < killed.at - BOUND:
            assert open_ == [label]
            assert run.steps[-1].outcome.value is None


@pytest.fixture(params=["sqlite", "clickhouse"])
def url(request, tmp_path) -> str:
    """The URL of a store that real processes can share."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/runs.db"
    return request.getfixturevalue("clickhouse_url")


@pytest.mark.timeout(60 + KILLS * 3)
def test_a_killed_process_loses_next_to_nothing(
    url, tmp_path, monkeypatch, record_property
):
    """What had returned 250 ms before is there once, and the run says it was cut."""
    monkeypatch.setenv("AGENT_REPLAY_SPOOL", str(tmp_path / "spool"))
    count = -(-KILLS // 2)

    def one(number: int) -> Killed:
        name = f"killed-{number}"
        killed = kill_one(name, tmp_path / f"log-{number}", provider.base_url, url)
        with open_store(url) as store:  # others are alive meanwhile
            store.recover()
        return killed

    with (
        ScriptedProvider(script=lambda _: Answer(text="yes")) as provider,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        killed = [*pool.map(one, range(count))]

    by_name: dict[str, list[Run]] = {each.name: [] for each in killed}
    with open_store(url) as store:
        for line in store.runs(limit=10_000):
            if line.agent_name == WARM:
                assert line.status == "success"
                continue
            run = store.load(line.run_id)
            by_name[run.agent_name].append(run)
            assert line.step_count == len(run.steps)
            assert line.status == "interrupted"
    late = [check(each, by_name[each.name]) for each in killed]
    known = sum(bool(each) for each in by_name.values())
    said = (
        f"{count} killed, {known} known, latest loss {max(late) * 1000:.0f} ms before"
    )
    record_property("kills", said)
    sys.stdout.write(said + "\n")
    assert known > count // 2
    assert not [*(tmp_path / "spool").glob("*/[0-9]*")]
