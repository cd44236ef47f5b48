"""Agents that are killed while they write, and resumed: no write happens twice.

`AGENT_REPLAY_TEST_KILLS` says how many are killed, by default 6.
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
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from otel_agent_replay import open_store
from otel_agent_replay.cli.exit_codes import ExitCode
from tests.writes.agents import SHAPES, WRITES

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("AGENT_REPLAY_TEST_KILLS", "6"))
AT_ONCE = 2
LONGEST = 0.4
"""Seconds after its first write at which an agent is killed at the latest."""


@dataclass(kw_only=True)
class Trial:
    """An agent that was killed and resumed until it came to its end.

    Attributes:
        shape: What it did.
        kills: How often it was killed; a resume may be killed as well.
        doubts: Writes that were reported in doubt.
        ledger: How often each write happened.
    """

    shape: str
    kills: int = 0
    doubts: set[str] = field(default_factory=set)
    ledger: Counter[str] = field(default_factory=Counter)


def environment(folder: Path, url: str) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "AGENT_REPLAY_STORE": url,
        "AGENT_REPLAY_SPOOL": str(folder / "spool"),
        "AGENT_REPLAY_TAGS": folder.name,
    }


def killed(command: list[str], folder: Path, url: str, seen: int) -> bool:
    """Start a program and kill it once it has written; tell if it was still there."""
    ledger = folder / "ledger"
    process = subprocess.Popen(
        command,
        env=environment(folder, url),
        cwd=folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while lines(ledger) <= seen and process.poll() is None:
            time.sleep(0.002)
        time.sleep(random.uniform(0.0, LONGEST))  # noqa: S311 - any moment will do
        return process.poll() is None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def lines(ledger: Path) -> int:
    return ledger.read_text().count("\n") if ledger.exists() else 0


def resumed(
    program: list[str], run_id: str, folder: Path, url: str, *options: str
) -> tuple[int, dict]:
    """Resume a run to its end; return the exit code and the report."""
    ended = subprocess.run(
        [*resume_command(run_id, *options, "--json"), "--", *program],
        env=environment(folder, url),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout, ended.stderr
    said = json.loads(ended.stdout)
    return ended.returncode, {**said, "stderr": ended.stderr[-4000:]}


def resume_command(run_id: str, *options: str) -> list[str]:
    command = [sys.executable, "-m", "otel_agent_replay.cli", "resume", run_id]
    return [*command, *options]


def one_trial(number: int, folder: Path, url: str) -> Trial:
    folder.mkdir()
    trial = Trial(shape=[*SHAPES][number % len(SHAPES)])
    ledger = folder / "ledger"
    program = [sys.executable, "-m", "tests.writes.agents", trial.shape, str(ledger)]
    trial.kills += killed(program, folder, url, seen=0)
    run_id = run_of(url, folder)
    if number % 3 == 0:  # a resume is killed like any other process
        again = [*resume_command(run_id, "--in-doubt", "assume_done"), "--", *program]
        trial.doubts |= doubts_of(url, run_id)
        trial.kills += killed(again, folder, url, seen=lines(ledger))
    code, said = resumed(program, run_id, folder, url)
    if code == ExitCode.WRITE_IN_DOUBT:
        named = {each["write"] for each in said["report"]["in_doubt"]}
        open_ = doubts_of(url, run_id)
        assert named
        assert named <= open_
        trial.doubts |= open_
        assumed = [f"--in-doubt={name}=assume_done" for name in open_]
        code, said = resumed(program, run_id, folder, url, *assumed)
    assert code == 0, f"{trial}\n{json.dumps(said, indent=1)}"
    assert said["report"]["ok"], said
    trial.ledger = Counter(each.split()[0] for each in ledger.read_text().splitlines())
    remote = [each.split()[1] for each in ledger.read_text().splitlines()]
    assert len({*remote}) == len(remote)
    return trial


def run_of(url: str, folder: Path) -> str:
    recover = [sys.executable, "-m", "otel_agent_replay.cli", "recover"]
    subprocess.run(recover, env=environment(folder, url), cwd=folder, check=True)
    with open_store(url) as store:
        (run,) = [each for each in store.runs(limit=1000) if folder.name in each.tags]
    return run.run_id


def doubts_of(url: str, run_id: str) -> set[str]:
    """Return the names of the writes that have begun and not ended."""
    with open_store(url) as store:
        return {each.name for each in store.writes(run_id) if each.state == "open"}


@pytest.fixture(params=["sqlite", "clickhouse"])
def url(request, tmp_path) -> str:
    """The URL of a store that real processes can share."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/runs.db"
    return request.getfixturevalue("clickhouse_url")


@pytest.mark.timeout(120 + KILLS * 20)
def test_no_write_happens_twice_and_none_is_lost(url, tmp_path, record_property):
    """After the resume each write happened once, or was reported in doubt."""
    count = -(-KILLS // 2)

    def one(number: int) -> Trial:
        return one_trial(number, tmp_path / f"trial-{number}", url)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        trials = [*pool.map(one, range(count))]

    expected = {f"k{number}" for number in range(WRITES)}
    twice = sum(times > 1 for each in trials for times in each.ledger.values())
    lost = sum(
        len(expected - each.ledger.keys() - {d.partition(":")[2] for d in each.doubts})
        for each in trials
    )
    said = (
        f"{count} agents, {sum(each.kills for each in trials)} killed at work, "
        f"{sum(len(each.doubts) for each in trials)} writes in doubt, "
        f"{twice} twice, {lost} lost"
    )
    record_property("crash_resume", said)
    sys.stdout.write(said + "\n")
    assert (twice, lost) == (0, 0)
    assert all(each.ledger.keys() <= expected for each in trials)
