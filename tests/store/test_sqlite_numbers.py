"""Pieces that a SQLite file names by number, and those that it names by hash."""

from __future__ import annotations

import sqlite3
import sys
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from otel_agent_replay import semconv
from otel_agent_replay.model.content import PackedBatch, PackedSpan, Packer
from otel_agent_replay.model.payload import dump_json
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.store import open_store
from otel_agent_replay.store.rows import to_row
from otel_agent_replay.testing.store_samples import (
    growing_run,
    hex_id,
    packed_once,
    root_span,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def test_rows_may_come_before_the_pieces_they_name(tmp_path: Path):
    """Whoever is first, the spans or their pieces: what is read is the same."""
    run = growing_run("late", 300)
    store = open_store(f"{tmp_path}/runs.db")
    packed = packed_once(run)
    bare = tuple(replace(each, contents={}) for each in packed)
    store.write_packed(PackedBatch(token="rows", spans=bare))
    lost = store.spans(hex_id("late"))
    store.write_packed(PackedBatch(token="pieces", spans=packed))
    found = store.spans(hex_id("late"))
    store.close()

    assert any(semconv.STEP_DROPPED in span.attributes for span in lost)
    assert {*map(_comparable, found)} == {*map(_comparable, run)}


def test_a_text_that_is_a_recipe_too_stays_a_text(tmp_path: Path):
    """A payload that reads like what the store itself writes comes back as it was."""
    run = growing_run("forged", 60)
    packed = packed_once(run)
    recipes = [each.contents[key] for each in packed for key in each.recipes]
    texts = [text for text in recipes if len(text) < 512]
    forged = [
        root_span(hex_id("forged"), number=n, attributes={"said": text})
        for n, text in enumerate(texts, 1)
    ]
    store = open_store(f"{tmp_path}/runs.db")
    store.write_packed(PackedBatch(token="", spans=packed))
    store.write(forged)
    found = store.spans(hex_id("forged"))
    store.close()

    assert texts
    assert {*map(_comparable, found)} == {*map(_comparable, [*run, *forged])}


def test_pieces_that_have_no_number_are_found(tmp_path: Path):
    """A file of the first schema is read, and goes on."""
    run, more = growing_run("old", 40), growing_run("old", 60)[40:]
    store = open_store(f"{tmp_path}/runs.db")
    packer = Packer()
    packed = [packer.pack(span) for span in run]
    bare = tuple(replace(each, contents={}) for each in packed)
    store.write_packed(PackedBatch(token="", spans=bare))
    _write_as_first_schema(tmp_path / "runs.db", packed)
    store.write_packed(PackedBatch(token="", spans=tuple(map(packer.pack, more))))
    found = store.spans(hex_id("old"))
    store.close()

    assert {*map(_comparable, found)} == {*map(_comparable, [*run, *more])}


def test_two_writers_of_one_run_agree(tmp_path: Path):
    """Stores that add to a run in turn name each other's pieces, and store none twice."""
    run = growing_run("both", 200)
    packed = packed_once(run)
    stores = [open_store(f"{tmp_path}/runs.db") for _ in range(2)]
    for number, at in enumerate(range(0, len(packed), 10)):
        batch = PackedBatch(token=f"{at}", spans=packed[at : at + 10])
        stores[number % 2].write_packed(batch)
    found = stores[0].spans(hex_id("both"))
    check = stores[0].check()
    for store in stores:
        store.close()

    assert {*map(_comparable, found)} == {*map(_comparable, run)}
    assert check.contents == len({key for each in packed for key in each.contents})


def test_a_writer_that_begins_anew_stores_nothing_twice(tmp_path: Path):
    """A process that goes on with a run finds the pieces that another one left."""
    run = growing_run("again", 200)
    packed = packed_once(run)
    for at in range(0, len(packed), 60):
        store = open_store(f"{tmp_path}/runs.db")
        whole = {key: each for each in packed[: at + 60] for key in each.contents}
        contents = {key: each.contents[key] for key, each in whole.items()}
        recipes = frozenset(key for each in packed for key in each.recipes)
        more = [*packed[at : at + 60]]
        more[0] = replace(more[0], contents=contents, recipes=recipes)
        store.write_packed(PackedBatch(token=f"{at}", spans=tuple(more)))
        store.close()
    store = open_store(f"{tmp_path}/runs.db")
    found = store.spans(hex_id("again"))
    check = store.check()
    store.close()

    assert {*map(_comparable, found)} == {*map(_comparable, run)}
    assert check.contents == len({key for each in packed for key in each.contents})


def test_pieces_that_another_process_erased_are_not_remembered(tmp_path: Path):
    """A run that is erased and written again elsewhere has pieces of its own numbers."""
    first, second = growing_run("run", 40), growing_run("run", 90)
    other = [
        root_span(hex_id("run"), number=n, attributes={"said": f"{n} " * 200})
        for n in range(200, 290)
    ]
    stores = [open_store(f"{tmp_path}/runs.db") for _ in range(2)]
    stores[0].write(first)
    stores[1].erase(hex_id("run"))
    stores[1].write(other)
    stores[0].write(second)
    found = stores[1].spans(hex_id("run"))
    for store in stores:
        store.close()

    assert {*map(_comparable, found)} == {*map(_comparable, [*other, *second])}


def test_pieces_of_a_batch_that_failed_are_not_remembered(tmp_path: Path):
    """Pieces that were not stored in the end are stored by the next batch."""
    run = growing_run("failed", 40)
    store = open_store(f"{tmp_path}/runs.db")
    store.write(run[:5])
    with pytest.raises(OverflowError):
        store.write([*run[5:], replace(run[20], span_id="f" * 16, start_ns=2**70)])
    store.write(run[5:])
    found = store.spans(hex_id("failed"))
    store.close()

    assert {*map(_comparable, found)} == {*map(_comparable, run)}


def test_a_file_with_an_index_of_hashes_is_brought_up_to_date(tmp_path: Path):
    """A file that kept the hashes of pieces in a table is read, and goes on without."""
    run = growing_run("indexed", 60)
    packed = packed_once(run)
    store = open_store(f"{tmp_path}/runs.db")
    store.write_packed(PackedBatch(token="1", spans=packed[:40]))
    store.close()
    with sqlite3.connect(tmp_path / "runs.db") as db:
        db.execute('CREATE TABLE content_keys ("Scope", "Hash", "Number")')
        db.execute("DELETE FROM agent_replay_migrations WHERE Version >= 30")
    db.close()
    store = open_store(f"{tmp_path}/runs.db")
    store.write_packed(PackedBatch(token="2", spans=packed[40:]))
    found = store.spans(hex_id("indexed"))
    store.close()
    with sqlite3.connect(tmp_path / "runs.db") as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    db.close()

    assert {*map(_comparable, found)} == {*map(_comparable, run)}
    assert "content_keys" not in tables


def test_a_recipe_that_lists_itself_is_no_trap(tmp_path: Path):
    """A changed file whose pieces list themselves and each other is read and goes on."""
    run = growing_run("loop", 30)
    store = open_store(f"{tmp_path}/runs.db")
    store.write(run[:10])
    store.close()
    lists = [dump_json([f"@{n}" for n in range(40)] * 5) for _ in range(40)]
    lines = ["0", *(f"@{dump_json(each)}" for each in lists)]
    data = zstd.compress("\n".join(lines).encode())
    with sqlite3.connect(tmp_path / "runs.db") as db:
        db.execute('UPDATE segments SET "Data" = ?, "Contents" = 40', (data,))
    db.close()
    store = open_store(f"{tmp_path}/runs.db")
    store.write(run[10:])
    found = store.spans(hex_id("loop"))
    store.close()

    assert {*map(_comparable, found)} == {*map(_comparable, run[10:])}


def _write_as_first_schema(path: Path, packed: list[PackedSpan]) -> None:
    pieces = {
        key: (b"@" if key in each.recipes else b"") + dump_json(text).encode()
        for each in packed
        for key, text in each.contents.items()
    }
    rows = [orjson.dumps(tuple(to_row(each.span))) for each in packed]
    data = zstd.compress(b"\n".join([*rows, *pieces.values()]))
    with sqlite3.connect(path) as db:
        db.execute(
            'UPDATE segments SET "Data" = ?, "Contents" = ?', (data, len(pieces))
        )
    db.close()


def _comparable(span: SpanRecord) -> bytes:
    return orjson.dumps(tuple(to_row(span)))
