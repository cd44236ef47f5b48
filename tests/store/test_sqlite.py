"""What only a file can get wrong: processes, forks, other files, leftover bytes."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
from pathlib import Path

import pytest

from otel_agent_replay.errors import (
    StoreAccessError,
    StoreSchemaError,
    StoreUnavailableError,
)
from otel_agent_replay.store import open_store
from otel_agent_replay.testing.store_samples import (
    AT_NS,
    chat_span,
    hex_id,
    root_span,
    sample_run,
)

_SPAWN = multiprocessing.get_context("spawn")


def _write_runs(url: str, number: int, batches: int) -> None:
    store = open_store(url)
    store.set_setting_once("key", f"value {number}")
    for batch in range(batches):
        store.write(sample_run(f"process {number} {batch}", steps=3))
        store.write([root_span("shared", number=number * 1000 + batch)])
    store.close()


def test_eight_processes_open_and_write_at_once(tmp_path: Path):
    """Processes that start on a new file together lose nothing and double nothing."""
    url = f"sqlite:///{tmp_path}/new/runs.db"
    processes = [
        _SPAWN.Process(target=_write_runs, args=(url, number, 15))
        for number in range(8)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    store = open_store(url, create=False)
    check = store.check()

    assert [process.exitcode for process in processes] == [0] * 8
    assert check.problems == ()
    assert (check.runs, check.spans) == (8 * 15 + 1, 8 * 15 * 5)
    assert len(store.spans("shared")) == 8 * 15
    assert store.spans(hex_id("process 7 14"))
    store.close()


def test_a_fork_uses_its_own_connection(tmp_path: Path):
    """A forked child writes to the store of its parent, and both go on."""
    store = open_store(f"{tmp_path}/runs.db")
    store.write([root_span("before")])
    child = os.fork()
    if child == 0:
        status = 1
        try:
            store.write([root_span("child")])
            store.close()
            status = 0
        finally:
            os._exit(status)
    store.write([root_span("parent")])
    _, status = os.waitpid(child, 0)

    assert status == 0
    assert {run.run_id for run in store.runs()} == {"before", "child", "parent"}
    assert store.check().problems == ()
    store.close()


def test_erased_bytes_are_nowhere_in_the_files(tmp_path: Path):
    """After an erase neither the file nor its log holds a word of the run."""
    store = open_store(f"{tmp_path}/runs.db")
    for number in range(20):
        store.write(sample_run(f"kept {number}", text=f"keepsake {number}"))
    words = ["tiny-secret", "user-secret", "big-secret"]
    said = [{"content": f"{words[2]} {n} " * 400} for n in range(30)]
    store.write([chat_span("gone", n, messages=said[:n]) for n in range(30)])
    store.write([chat_span("gone", 50, messages=words[0])])
    store.write([root_span("gone", attributes={"user.id": words[1], "x": words[2]})])
    found_before = _found(tmp_path, words)
    store.erase("gone")
    found_after = _found(tmp_path, words)
    store.close()

    assert found_before == words
    assert found_after == []
    assert _found(tmp_path, ["keepsake 19"])


def _found(directory: Path, words: list[str]) -> list[str]:
    held = b"".join(path.read_bytes() for path in directory.iterdir())
    return [word for word in words if word.encode() in held]


def test_a_newer_file_is_refused(tmp_path: Path):
    """A store of a later version is not touched."""
    open_store(f"{tmp_path}/runs.db").close()
    with sqlite3.connect(tmp_path / "runs.db") as db:
        db.execute("INSERT INTO agent_replay_migrations VALUES (99, 'later', '')")
    db.close()

    with pytest.raises(StoreSchemaError, match="version 99"):
        open_store(f"{tmp_path}/runs.db")


def test_a_file_of_another_program_is_refused(tmp_path: Path):
    """A database that is not ours, or no database, is left as it is."""
    with sqlite3.connect(tmp_path / "other.db") as db:
        db.execute("CREATE TABLE theirs (a)")
    db.close()
    (tmp_path / "text.db").write_text("not a database at all" * 99)

    with pytest.raises(StoreUnavailableError, match="another program"):
        open_store(f"{tmp_path}/other.db")
    with pytest.raises(StoreUnavailableError, match="not a database"):
        open_store(f"{tmp_path}/text.db")
    with pytest.raises(StoreUnavailableError):
        open_store(f"{tmp_path}/text.db/below.db")
    with sqlite3.connect(tmp_path / "other.db") as db:
        assert db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)
    db.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_may_not_be_written_is_said(tmp_path: Path):
    """Missing rights are told apart from a missing place."""
    tmp_path.chmod(0o500)

    with pytest.raises(StoreAccessError):
        open_store(f"{tmp_path}/sub/runs.db")


def test_a_failed_batch_leaves_nothing(tmp_path: Path):
    """A batch is stored whole or not at all."""
    store = open_store(f"{tmp_path}/runs.db")
    bad = chat_span("r", 1, start_ns=2**70)

    with pytest.raises(OverflowError):
        store.write([root_span("r", start_ns=AT_NS), bad])

    assert store.runs() == []
    store.write([root_span("r")])
    assert len(store.runs()) == 1
    store.close()


def test_a_killed_writer_leaves_whole_batches(tmp_path: Path):
    """What `write` returned from survives a SIGKILL right after it."""
    url = f"sqlite:///{tmp_path}/runs.db"
    child = _SPAWN.Process(target=_write_and_die, args=(url,))
    child.start()
    child.join()
    store = open_store(url)

    assert child.exitcode == -9
    assert store.runs()[0].step_count == 500
    assert store.check().problems == ()
    store.close()


def _write_and_die(url: str) -> None:
    store = open_store(url)
    said = [{"content": "word " * 99}]
    store.write([chat_span("killed", n, messages=said) for n in range(500)])
    os.kill(os.getpid(), 9)
