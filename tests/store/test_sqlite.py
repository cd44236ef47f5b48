"""What only a file can get wrong: processes, forks, other files, leftover bytes."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import zlib
from itertools import count
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from otel_agent_replay.errors import (
    StoreAccessError,
    StoreSchemaError,
    StoreUnavailableError,
)
from otel_agent_replay.model.content import PackedBatch
from otel_agent_replay.model.run import Retention, RunFilter
from otel_agent_replay.store import open_store
from otel_agent_replay.testing.store_samples import (
    AT_NS,
    chat_span,
    growing_run,
    hex_id,
    packed_once,
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
    """After an erase neither the file nor its log holds a byte of the run."""
    store = open_store(f"{tmp_path}/runs.db")
    for number in range(20):
        store.write(sample_run(f"kept {number}", text=f"keepsake {number}"))
    said = [{"content": f"secret {n} " * 400} for n in range(30)]
    store.write([chat_span("run-gone", n, messages=said[:n]) for n in range(30)])
    store.write([chat_span("run-gone", 50, messages="tiny secret")])
    store.write([root_span("run-gone", attributes={"user.id": "user-secret"})])
    words = [b"run-gone", b"user-secret", *_stored_data(tmp_path, "run-gone")]
    found_before = _found(tmp_path, words)
    store.erase("run-gone")
    found_after = _found(tmp_path, words)
    store.close()

    assert found_before == words
    assert found_after == []
    assert _found(tmp_path, [hex_id("kept 19").encode()])


def _stored_data(directory: Path, scope: str) -> list[bytes]:
    """Return pieces of the compressed data of a scope, short enough for a page."""
    with sqlite3.connect(directory / "runs.db") as db:
        rows = db.execute(
            """SELECT "Data" FROM segments JOIN names ON "Scope" = names."Id"
            WHERE "Name" = ?""",
            (scope,),
        ).fetchall()
    db.close()
    return [data[at : at + 24] for (data,) in rows for at in (24, len(data) - 24)]


def _found(directory: Path, words: list[bytes]) -> list[bytes]:
    held = b"".join(path.read_bytes() for path in directory.iterdir())
    return [word for word in words if word in held]


def test_a_smaller_store_is_a_smaller_file(tmp_path: Path):
    """Erasing and pruning give pages back; a purge leaves no free ones."""
    store = open_store(f"{tmp_path}/runs.db")
    for number in range(20):
        store.write(growing_run(f"run {number}", 40))
    full = store.stats().stored_bytes
    for number in range(10):
        store.erase(hex_id(f"run {number}"))
    half = store.stats().stored_bytes
    store.prune(Retention(success=1), now_ns=AT_NS + 10**18)
    store.purge()
    empty = store.stats().stored_bytes
    store.close()

    assert half < 0.8 * full
    assert empty < 0.3 * full


def test_a_long_conversation_costs_little(tmp_path: Path):
    """A step that repeats all before it costs less than a quarter of its own blob."""
    run = growing_run("long", 400)
    store = open_store(f"{tmp_path}/runs.db")
    packed = packed_once(run)
    for at in range(0, len(packed), 100):
        batch = PackedBatch(token=f"{at}", spans=packed[at : at + 100])
        store.write_packed(batch)
    store.close()
    bodies = [
        event.attributes.get("http.request.body.content", "").encode()
        for span in run
        for event in span.events
    ]
    blobs = sum(len(zlib.compress(body, 1)) for body in bodies)

    assert (tmp_path / "runs.db").stat().st_size < blobs / 4
    new = sum(len(text) for each in packed for text in each.contents.values())
    assert (tmp_path / "runs.db").stat().st_size < 2 * new


def test_small_batches_share_segments(tmp_path: Path):
    """Spans that are written one by one take hardly more than those of one batch."""
    sizes = []
    for name, step in (("one.db", 1), ("all.db", 1000)):
        store = open_store(f"{tmp_path}/{name}")
        packed = packed_once(growing_run("run", 150))
        for at in range(0, len(packed), step):
            batch = PackedBatch(token=f"{at}", spans=packed[at : at + step])
            store.write_packed(batch)
        store.purge()
        sizes.append(store.stats().stored_bytes)
        store.close()

    assert sizes[0] < 1.3 * sizes[1]


def test_a_long_run_has_few_segments(tmp_path: Path):
    """Full segments of a run are merged; what is read is the same."""
    run = growing_run("long", 800)
    packed = packed_once(run)
    store = open_store(f"{tmp_path}/runs.db")
    for at in range(0, len(packed), 25):
        batch = PackedBatch(token=f"{at}", spans=packed[at : at + 25])
        store.write_packed(batch)
    found = store.spans(hex_id("long"))
    (segments,) = [t for t in store.stats().tables if t.name == "segments"]
    check = store.check()
    store.close()

    assert {each.span_id: each.events for each in found} == {
        each.span_id: each.events for each in run
    }
    assert segments.raw_bytes > 1 << 20
    assert segments.rows <= 4
    assert check.spans == len(run)
    assert check.contents == len({key for each in packed for key in each.contents})


def test_a_batch_that_was_erased_does_not_come_back(tmp_path: Path):
    """A sender that repeats a batch after an erase brings nothing back."""
    store = open_store(f"{tmp_path}/runs.db")
    batch = PackedBatch(token="t", spans=packed_once(sample_run("gone")))
    store.write_packed(batch)
    store.erase(hex_id("gone"))
    store.write_packed(batch)

    assert store.runs() == []
    store.close()


def test_a_damaged_segment_is_said(tmp_path: Path):
    """A run whose data was changed is no run that reads as something else."""
    store = open_store(f"{tmp_path}/runs.db")
    store.write(sample_run("r"))
    with sqlite3.connect(tmp_path / "runs.db") as db:
        (data,) = db.execute('SELECT "Data" FROM segments').fetchone()
        changed = data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]
        db.execute('UPDATE segments SET "Data" = ?', (changed,))
    db.close()

    with pytest.raises(StoreUnavailableError, match="damaged"):
        store.spans(hex_id("r"))
    store.write([chat_span(hex_id("r"), 9)])
    assert store.runs()[0].step_count == 4
    assert store.runs(RunFilter(text="hello")) == []
    store.close()


def test_a_file_of_the_development_layout_is_refused(tmp_path: Path):
    """A file with our tables of another layout is neither read nor changed."""
    with sqlite3.connect(tmp_path / "runs.db") as db:
        db.execute(
            "CREATE TABLE agent_replay_migrations (Version INTEGER PRIMARY KEY,"
            " Name TEXT NOT NULL, AppliedAt TEXT NOT NULL)"
        )
        db.execute("INSERT INTO agent_replay_migrations VALUES (1, 'initial', '')")
    db.close()

    with pytest.raises(StoreUnavailableError, match="development version"):
        open_store(f"{tmp_path}/runs.db")


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


def test_a_writer_killed_in_the_middle_leaves_a_sound_file(tmp_path: Path):
    """A SIGKILL while batches are written leaves whole batches and no damage."""
    url = f"sqlite:///{tmp_path}/runs.db"
    for number in range(3):
        began = _SPAWN.Event()
        child = _SPAWN.Process(target=_write_for_ever, args=(url, number, began))
        child.start()
        assert began.wait(60)
        child.kill()
        child.join()
    with sqlite3.connect(tmp_path / "runs.db") as db:
        (sound,) = db.execute("PRAGMA integrity_check").fetchone()
    db.close()
    store = open_store(url)
    runs = store.runs()

    assert sound == "ok"
    assert runs
    for run in runs:
        assert run.step_count % 50 == 0
        assert len(store.spans(run.run_id)) == run.step_count
    store.close()


def _write_for_ever(url: str, number: int, began: Event) -> None:
    store = open_store(url)
    for batch in count():
        said = [{"content": f"word {batch} " * 99}]
        spans = [
            chat_span(f"killed {number}", batch * 50 + n, messages=[*said, n])
            for n in range(50)
        ]
        store.write(spans)
        if batch == 3:
            began.set()
