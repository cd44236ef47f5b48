"""What the server drops by itself, what prune deletes, and what marks keep."""

from __future__ import annotations

from urllib.parse import urlsplit

import clickhouse_connect
import pytest

from otel_agent_replay import semconv
from otel_agent_replay.errors import RunNotFoundError
from otel_agent_replay.model.run import Retention, RunFilter
from otel_agent_replay.store import open_store
from otel_agent_replay.store.clickhouse import ClickHouseStore
from otel_agent_replay.testing.store_samples import (
    AT_NS,
    chat_span,
    foreign_trace,
    hex_id,
    root_span,
    sample_run,
)

pytestmark = pytest.mark.external_service

_DAY_NS = 86_400_000_000_000
_CLASSES = ("success", "failed", "flagged", "test")


@pytest.fixture
def client(clickhouse_url):
    """Return a plain client of the test's database."""
    parts = urlsplit(clickhouse_url)
    with clickhouse_connect.get_client(
        host=parts.hostname,
        port=parts.port,
        username=parts.username,
        password=parts.password,
        database=parts.path[1:],
    ) as opened:
        yield opened


@pytest.fixture
def store(clickhouse_url):
    """Return the store of the test's database."""
    opened = open_store(clickhouse_url)
    yield opened
    opened.close()


def _write_one_of_each(store):
    for name in _CLASSES:
        store.write(sample_run(name, root={semconv.RUN_CLASS: name}))


@pytest.mark.parametrize(
    ("days", "left"),
    [
        (0, set(_CLASSES)),
        (2, {"success", "failed", "flagged"}),
        (8, {"failed", "flagged"}),
        (31, {"flagged"}),
        (91, set()),
    ],
)
def test_runs_go_after_the_days_of_their_class(store, days, left):
    """Each class has its days, counted from the start of the run."""
    _write_one_of_each(store)
    now_ns = AT_NS + days * _DAY_NS + 1
    would = store.prune(Retention(), now_ns=now_ns, dry_run=True)
    before = len(store.runs())
    pruned = store.prune(Retention(), now_ns=now_ns)

    assert before == 4
    assert pruned == would
    assert set(pruned.runs) == set(_CLASSES) - left
    assert pruned.spans == 4 * (4 - len(left))
    assert {run.run_class for run in store.runs()} == left


def test_pruning_leaves_no_row_of_a_run(client, store):
    """Spans, payloads, sums and marks of a pruned run are in no table."""
    _write_one_of_each(store)
    store.write(foreign_trace("theirs"))
    store.mark(hex_id("success"), "flagged", on=True)
    store.mark(hex_id("success"), "flagged", on=False)
    store.prune(Retention(), now_ns=AT_NS + 200 * _DAY_NS)
    store.purge()

    for table in ("otel_traces", "agent_replay_contents", "agent_replay_runs"):
        query = "SELECT count() FROM {table:Identifier}"
        assert client.query(query, {"table": table}).result_rows == [(0,)], table
    assert store.stats().runs == store.stats().spans == 0
    assert store.stats().oldest_ns is None


def test_any_number_of_runs_is_listed_and_pruned(store):
    """More runs than one request has room for."""
    runs = [root_span(hex_id(str(number))) for number in range(1_200)]
    store.write(runs)
    store.write(runs[:700])

    assert len(store.runs(RunFilter(limit=5_000))) == 1_200
    pruned = store.prune(Retention(), now_ns=AT_NS + 99 * _DAY_NS)
    assert (pruned.runs, pruned.spans) == ({"success": 1_200}, 1_200)
    assert store.runs() == []


def test_golden_runs_are_dropped_by_nobody(client, store):
    """Prune passes them by, and the server's own limit does not hold for them."""
    for name in ("golden", "plain"):
        store.write(sample_run(name))
    store.mark(hex_id("golden"), "golden", on=True)
    late = chat_span(hex_id("golden"), 9, messages=["late " * 90])
    store.write([late])
    store.prune(Retention(), now_ns=AT_NS + 999 * _DAY_NS)
    # What remains has no end: as if its days were over, rows without one would go.
    ends = client.query(
        """SELECT min(KeepUntil) FROM (SELECT KeepUntil FROM otel_traces
        UNION ALL SELECT KeepUntil FROM agent_replay_contents)"""
    ).result_rows

    assert [run.run_id for run in store.runs()] == [hex_id("golden")]
    assert str(ends[0][0]) == "2149-06-06"
    store.mark(hex_id("golden"), "golden", on=False)
    assert store.prune(Retention(), now_ns=AT_NS + 999 * _DAY_NS).spans == 5


def test_the_server_drops_what_nobody_pruned(client, clickhouse_url):
    """Rows whose day is over go without any deletion; golden ones stay."""
    store = ClickHouseStore.init(clickhouse_url, keep_days=90)
    for name in ("golden", "plain"):
        store.write(sample_run(name))
    store.mark(hex_id("golden"), "golden", on=True)
    for table in ("otel_traces", "agent_replay_contents"):
        client.command(
            f"ALTER TABLE {table} UPDATE KeepUntil = today() - 1"
            " WHERE KeepUntil < '2149-01-01'",
            settings={"mutations_sync": 2},
        )
        client.command(f"OPTIMIZE TABLE {table} FINAL")

    assert len(store.spans(hex_id("golden"))) == 4
    with pytest.raises(RunNotFoundError):
        store.spans(hex_id("plain"))
    scopes = client.query("SELECT DISTINCT Scope FROM agent_replay_contents")
    assert scopes.result_rows == [(hex_id("golden"),)]
    store.close()


def test_a_limit_of_ones_own_holds_for_what_comes(client, clickhouse_url):
    """`init` may set the server's limit, and set it again."""
    ClickHouseStore.init(clickhouse_url, keep_days=5).close()
    store = ClickHouseStore.init(clickhouse_url, keep_days=400)
    store.write(sample_run("kept"))
    days = "SELECT DISTINCT KeepUntil - today() FROM {table:Identifier}"

    for table, wanted in (("otel_traces", 401), ("agent_replay_contents", 402)):
        assert client.query(days, {"table": table}).result_rows == [(wanted,)]
    store.close()


def test_a_text_index_finds_the_same(client, clickhouse_url):
    """With the index a search by text finds what it finds without."""
    wheres = [RunFilter(text=t) for t in ("NEEDLE", "größe", "ee", 'say "b"', "none")]
    store = open_store(clickhouse_url)
    store.write(sample_run("a", text="a Needle here"))
    store.write(sample_run("b", text='Größe say "b"'))
    without = [store.runs(where) for where in wheres]
    store.close()
    store = ClickHouseStore.init(clickhouse_url, text_index=True)
    client.command("ALTER TABLE agent_replay_contents MATERIALIZE INDEX idx_text")
    store.write(sample_run("c", text="no such word"))

    assert [store.runs(where) for where in wheres] == without
    assert [len(each) for each in without] == [1, 1, 1, 1, 0]
    store.close()
