"""A full disk, a full spool, a full queue."""

from __future__ import annotations

import logging
import os
import subprocess

import pytest

from otel_agent_replay import flush, open_store
from tests.spool.looking import numbers, play

KEY = "k" * 32
"""With a key of their own, settings need no store to redact with."""


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB."""
    where = tmp_path / "small"
    where.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(where)]
    if os.getuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield where
    subprocess.run(["/bin/umount", "-l", str(where)], check=True)


def test_a_full_disk(configure, small_disk, locked, ended, caplog):
    """What does not fit there waits in memory, and is stored in the end, once."""
    configure(spool=str(small_disk), redaction_key=KEY)
    with caplog.at_level(logging.WARNING):
        assert play(300, 2000) == "done"
        flush(0.5)
        locked()
        run, line = ended()

    assert sorted(numbers(run)) == [*range(300)]
    assert (run.status, run.gaps, run.dropped, line.dropped) == ("success", (), {}, 0)
    assert caplog.text.count("is lost if this process is killed") == 1
    assert caplog.text.count("The spool cannot be written") <= 1


def test_a_disk_that_has_room_again(configure, small_disk, locked, ended, place):
    """The next run is written there again, so that it outlives its process."""
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 200_000)
    configure(spool=str(small_disk), redaction_key=KEY)
    play(60, 2000)
    flush(0.5)
    filler.unlink()
    locked()
    run, _ = ended()

    assert sorted(numbers(run)) == [*range(60)]
    assert run.gaps == ()


def test_a_full_spool(configure, locked, ended, place):
    """The newest are dropped and counted; the run still says how it ended."""
    configure(spool_bytes=120_000, redaction_key=KEY)
    play(500, 300)
    flush(0.5)
    locked()
    run, line = ended()

    lost = run.dropped["spool"]
    assert run.status == "success"
    assert 0 < lost <= 500
    assert len(run.steps) + lost == 500
    assert line.dropped == lost
    assert f"{lost} lost while recording: spool" in [each.text for each in run.gaps]
    assert len({*numbers(run)}) == len(run.steps)


def test_a_full_spool_in_the_batch_of_a_runs_end(configure, locked, place):
    """Each of many short runs tells of its own losses."""
    configure(spool_bytes=2_000_000, redaction_key=KEY)
    for _ in range(60):
        play(6, 10_000)
    flush(0.5)
    locked()
    assert flush(60)

    with open_store(place.store) as store:
        lines = [each for each in store.runs(limit=200) if each.status == "success"]
        runs = [store.load(each.run_id) for each in lines]
    for run, line in zip(runs, lines, strict=True):
        assert run.dropped.get("spool", 0) == 6 - len(run.steps)
        assert line.dropped == 6 - len(run.steps)
    assert sum(line.dropped for line in lines) > 0


def test_a_spool_that_cannot_be_made(configure, ended, tmp_path, caplog):
    """A file stands where it should be: it works without, and says so once."""
    (tmp_path / "file").write_text("not a folder")
    with caplog.at_level(logging.WARNING):
        configure(spool=str(tmp_path / "file"))
        play(5)
        assert flush()
        play_on = play(5)
        assert play_on == "done"
        assert flush()

    with open_store(f"sqlite:///{tmp_path}/runs.db") as store:
        runs = [store.load(each.run_id) for each in store.runs()]
    assert [len(each.steps) for each in runs] == [5, 5]
    assert caplog.text.count("is lost if this process is killed") == 1


def test_no_spool_at_all(configure, ended, tmp_path):
    """Where it is switched off nothing is written beside the store."""
    configure(spool="off")
    play(5)
    run, _ = ended()

    assert numbers(run) == [*range(5)]
    assert not (tmp_path / "spool").exists()


def test_a_dropped_step_is_not_shown_as_open(configure, locked, ended):
    """It has ended: it is counted as lost, and nothing else."""
    configure(queue_bytes=20_000)
    play(3000)
    locked()
    run, line = ended()

    lost = run.dropped["queue"]
    assert [each for each in run.steps if each.is_open] == []
    assert len(run.steps) + lost == 3000
    assert line.dropped >= lost


def test_waiting_for_room_loses_nothing(configure, ended):
    """With `block` the agent waits as long as the writer makes room."""
    configure(queue_bytes=20_000, when_full="block", block_ms=60_000)
    play(1000)
    run, line = ended()

    assert sorted(numbers(run)) == [*range(1000)]
    assert (run.gaps, run.dropped, line.dropped) == ((), {}, 0)
    assert all(each.dropped is None for each in run.steps)


def test_waiting_for_room_ends(configure, locked, ended):
    """Nobody makes room: the call goes on after its time, and is counted."""
    configure(queue_bytes=20_000, when_full="block", block_ms=20)
    assert play(100) == "done"
    locked()
    run, _ = ended()

    assert len(run.steps) + run.dropped.get("queue", 0) == 100
    assert [each for each in run.steps if each.dropped == "queue"]
