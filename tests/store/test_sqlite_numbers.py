"""Pieces that a SQLite file names by number, and those that it names by hash."""

from __future__ import annotations

import sqlite3
import sys
from dataclasses import replace
from pathlib import Path

import orjson

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
        db.executemany(
            'INSERT INTO content_keys ("Scope", "Hash") SELECT "Scope", ? FROM segments',
            [(key[:12],) for key in pieces],
        )
    db.close()


def _comparable(span: SpanRecord) -> bytes:
    return orjson.dumps(tuple(to_row(span)))
