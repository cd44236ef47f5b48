"""Names of payload pieces: those of databases made before, and pieces that changed."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace

import pytest

from otel_agent_replay import semconv
from otel_agent_replay.model.content import Packer
from otel_agent_replay.store import open_store
from otel_agent_replay.store.clickhouse_schema import KNOWN, statements
from otel_agent_replay.store.clickhouse_sql import SPAN_COLUMNS
from otel_agent_replay.store.rows import to_row
from otel_agent_replay.testing.store_samples import growing_run, hex_id

pytestmark = pytest.mark.external_service


def test_pieces_with_the_names_of_schema_2_are_read(client, clickhouse_url):
    """A database whose pieces have the whole SHA-256 for a name is read, and goes on."""
    run = growing_run("old", 60)
    _make_schema_2(client)
    packed = [*map(Packer().pack, run[:40])]
    texts = {key: text for each in packed for key, text in each.contents.items()}
    recipes = {key for each in packed for key in each.recipes}
    names = _OldNames(texts, recipes)
    rows = [to_row(names.span(each.span)) for each in packed]
    contents = [
        (hex_id("old"), key, text, is_recipe)
        for key, (text, is_recipe) in names.contents.items()
    ]
    client.insert("otel_traces", rows, column_names=[*SPAN_COLUMNS])
    client.insert(
        "agent_replay_contents",
        contents,
        column_names=["Scope", "Hash", "Content", "Recipe"],
    )
    store = open_store(clickhouse_url)
    before = store.spans(hex_id("old"))
    store.write(run[40:])
    after = store.spans(hex_id("old"))
    store.close()

    assert recipes
    assert {*map(_comparable, before)} == {*map(_comparable, run[:40])}
    assert {*map(_comparable, after)} == {*map(_comparable, run)}


def test_an_older_database_compresses_as_a_new_one(client, clickhouse_url):
    """A table of pieces that was made before has the blocks of a new one."""
    _make_schema_2(client)
    open_store(clickhouse_url).close()
    made = client.command("SHOW CREATE TABLE agent_replay_contents")

    assert "`Content` String CODEC(ZSTD(9))" in made
    assert "max_compress_block_size = 6291456" in made


def test_a_piece_that_was_changed_is_missing(client, clickhouse_url):
    """What is not what its name says is never given back."""
    store = open_store(clickhouse_url)
    store.write(growing_run("forged", 5))
    client.command(
        "ALTER TABLE agent_replay_contents UPDATE Content = concat(Content, ' and more')"
        " WHERE NOT Recipe",
        settings={"mutations_sync": 2},
    )
    found = store.spans(hex_id("forged"))
    store.close()

    said = [text for s in found for e in s.events for text in e.attributes.values()]
    assert not any("and more" in text for text in said)
    assert any(semconv.STEP_DROPPED in span.attributes for span in found)


class _OldNames:
    """Spans and contents as they were named before: by 43 characters."""

    def __init__(self, texts, recipes):
        self.contents = {}
        self._texts = texts
        self._recipes = recipes

    def span(self, span):
        return replace(
            span,
            attributes=self._attributes(span.attributes),
            events=tuple(
                replace(each, attributes=self._attributes(each.attributes))
                for each in span.events
            ),
        )

    def _attributes(self, attributes):
        return {
            key: self._recipe(value)
            if key.startswith(semconv.CONTENT_PREFIX)
            else value
            for key, value in attributes.items()
        }

    def _recipe(self, text):
        return re.sub(r'(?<=")([#@])([\w-]{22})(?=")', self._name, text)

    def _name(self, found):
        key = base64.urlsafe_b64decode(f"{found[2]}==")
        text, is_recipe = self._texts[key], key in self._recipes
        text = self._recipe(text) if is_recipe else text
        digest = hashlib.sha256(text.encode()).digest()
        self.contents[digest] = (text, is_recipe)
        return found[1] + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _make_schema_2(client):
    for migration in KNOWN[:2]:
        for statement in statements(migration):
            client.command(statement, settings={"flatten_nested": 1})
    client.command(
        "CREATE TABLE agent_replay_migrations (Version UInt32, Name String, AppliedAt"
        " DateTime DEFAULT now()) ENGINE = ReplacingMergeTree ORDER BY Version"
    )
    client.command("INSERT INTO agent_replay_migrations VALUES (2, 'runs', now())")


def _comparable(span):
    return str(to_row(span))
