"""Taking over: the same tokens whoever sends, and nothing twice however often."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agent_replay import semconv
from otel_agent_replay.capture.spool.backlog import Backlog, Limits
from otel_agent_replay.capture.spool.recovery import recover
from otel_agent_replay.errors import StoreUnavailableError
from otel_agent_replay.store import open_store
from tests.spool.shelves import TokenShelf, packed, root, send

ROOT = Path(__file__).parents[2]


def left_behind(
    root_of: Path, *, frames: int, sent: int, told: bool, rows: int = 3
) -> TokenShelf:
    """Leave a folder as a killed process does; return what it had sent.

    Args:
        root_of: The spool.
        frames: How many frames are in it, one span each.
        sent: How many batches it had sent.
        told: Whether it had noted that the last of them was stored.
        rows: How many spans went into a batch.
    """
    shelf = TokenShelf()
    backlog = Backlog(root_of, Limits(rows=rows, seconds=0.0, segment=400))
    backlog.carry(lambda: [root(999)])
    for number in range(frames):
        backlog.put([packed(number)])
    for each in range(sent):
        sending = send(backlog, shelf)
        if told or each < sent - 1:
            backlog.done(sending.last)
    folder = backlog._folder
    assert folder is not None
    folder.close(remove=False)  # what the kernel does for the dead
    backlog._folder = None
    return shelf


@settings(max_examples=60, deadline=None)
@given(
    frames=st.integers(min_value=1, max_value=14),
    sent=st.integers(min_value=0, max_value=4),
    told=st.booleans(),
    rows=st.integers(min_value=1, max_value=5),
)
def test_nothing_is_stored_twice_or_not_at_all(
    tmp_path_factory, frames, sent, told, rows
):
    """Wherever the process was: before, in or after sending a batch."""
    tmp_path = tmp_path_factory.mktemp("spool")
    sent = min(sent, -(-frames // rows))
    shelf = left_behind(tmp_path, frames=frames, sent=sent, told=told, rows=rows)

    recover(tmp_path, shelf.write_packed)

    names = [f"span {number}" for number in range(frames)]
    assert shelf.names == Counter([*names, "span 999"])


@pytest.mark.parametrize("tries", range(6))
def test_a_store_that_goes_away_in_between(tmp_path, tries):
    """What was stored stays so; the next one goes on there, with the same tokens."""
    shelf = left_behind(tmp_path, frames=12, sent=2, told=False)
    tries += shelf.writes

    def write(batch):
        if shelf.writes == tries:
            shelf.writes += 1
            shelf.write_packed(batch)  # it got it, and the answer was lost
            raise StoreUnavailableError("shelf:", "gone")
        shelf.write_packed(batch)

    for _ in range(3):
        try:
            recover(tmp_path, write)
        except StoreUnavailableError:
            continue
    assert shelf.names == Counter([*(f"span {n}" for n in range(12)), "span 999"])


KILLED = """
import os, signal, sys
from pathlib import Path
from otel_agent_replay.capture.spool import recovery
from otel_agent_replay.capture.spool.recovery import recover
from otel_agent_replay.store import open_store
recovery._ROWS = 3
store = open_store(sys.argv[2])
writes = int(sys.argv[3])

def write(batch):
    global writes
    if writes == 0 and sys.argv[4] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    store.write_packed(batch)
    if writes == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    writes -= 1

recover(Path(sys.argv[1]), write)
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_recovery_that_is_killed_is_done_again(tmp_path, when):
    """Between batches and after each: at the end every span is there once."""
    spool, url = tmp_path / "spool", f"sqlite:///{tmp_path}/runs.db"
    shelf = left_behind(spool, frames=10, sent=2, told=False)
    store = open_store(url)
    for batch in shelf.batches.values():
        store.write_packed(batch)
    codes = []
    for writes in range(2):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(spool), url, str(writes), when],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
        )
        codes.append(done.returncode)

    recover(spool, store.write_packed)

    (run,) = store.runs()
    spans = store.spans(run.run_id)
    store.close()
    assert codes == [-signal.SIGKILL] * 2
    assert Counter(each.name for each in spans) == Counter(
        [*(f"span {n}" for n in range(10)), "span 999"]
    )
    assert run.step_count == 10
    assert run.status == "interrupted"
    assert [*spool.glob("*")] == []


def test_many_recover_at_once(tmp_path):
    """A server's workers all start together; each folder is one's."""
    shelves = [left_behind(tmp_path, frames=5, sent=1, told=True) for _ in range(40)]
    shelf = TokenShelf()
    with ThreadPoolExecutor(8) as pool:
        found = [*pool.map(lambda _: recover(tmp_path, shelf.write_packed), range(8))]

    assert shelf.names == Counter({"span 3": 40, "span 4": 40, "span 999": 40})
    assert len(shelves) == sum(each.processes for each in found)
    assert [*tmp_path.glob("[0-9]*")] == []


def test_a_torn_end_is_told_of(tmp_path):
    """The run that was cut says so, and loses nothing before it."""
    left_behind(tmp_path, frames=6, sent=0, told=False)
    newest = max(tmp_path.rglob("*.segment"))
    newest.write_bytes(newest.read_bytes()[:-5])
    shelf = TokenShelf()

    found = recover(tmp_path, shelf.write_packed)

    (run,) = [
        each
        for batch in shelf.batches.values()
        for each in batch.spans
        if each.span.name == "span 999"
    ]
    assert found.torn == 1
    assert found.spans == 5
    assert run.span.attributes[f"{semconv.RUN_DROPPED}torn"] == "1"


def test_what_no_store_takes_keeps_nothing_else_back(tmp_path):
    """Neither the spans beside it nor the folders behind it, nor whoever asks."""
    left_behind(tmp_path, frames=6, sent=0, told=False)
    left_behind(tmp_path, frames=2, sent=0, told=False)
    shelf = TokenShelf()

    def write(batch):
        if any(each.span.name == "span 4" for each in batch.spans):
            raise ValueError("no store can hold it")
        shelf.write_packed(batch)

    recover(tmp_path, write)

    names = [0, 1, 2, 3, 5, 999, 0, 1, 999]
    assert shelf.names == Counter(f"span {number}" for number in names)


def test_what_waits_in_memory_has_a_token_of_its_own():
    """Unlike any other process's, a forked one's, or an earlier one's here."""
    tokens = set()
    for _ in range(20):
        backlog = Backlog(None, Limits(seconds=0.0))
        backlog.put([packed(1)])
        sending = backlog.next()
        assert sending is not None
        tokens.add(sending.batch.token)
        del backlog
        gc.collect()
    backlog = Backlog(None, Limits(seconds=0.0))
    reading, writing = os.pipe()
    for number in range(2):
        if os.fork() == 0:
            backlog.put([packed(number)])
            sending = backlog.next()
            os.write(writing, f"{sending and sending.batch.token}\n".encode())
            os._exit(0)
    for _ in range(2):
        os.wait()
    tokens |= {*os.read(reading, 1000).decode().split()}

    assert len(tokens) == 22


def test_a_spool_that_is_deleted_meanwhile(tmp_path):
    """What is in memory goes on; what was only in a file is lost, and said."""
    backlog = Backlog(tmp_path / "spool", Limits(memory=4000, rows=1, seconds=0.0))
    for number in range(10):
        assert backlog.put([packed(number, text="x" * 900)])
    shutil.rmtree(tmp_path / "spool")
    shelf = TokenShelf()
    for _ in range(10):
        sending = backlog.next()
        assert sending is not None
        shelf.write_packed(sending.batch)
        backlog.done(sending.last)

    assert shelf.names["span 0"] == 1
    assert 0 < sum(shelf.names.values()) < 10
    assert backlog.put([packed(11)])
    assert backlog.left() == 1
