"""What the server drops by itself, what prune deletes, and what marks keep."""

from __future__ import annotations

import pytest

from otel_agent_replay import semconv
from otel_agent_replay.errors import RunNotFoundError, StoreUnavailableError
from otel_agent_replay.model.intention import Intention
from otel_agent_replay.model.run import Retention, RunFilter
from otel_agent_replay.store import open_intentions, open_store
from otel_agent_replay.store.clickhouse import ClickHouseStore
from otel_agent_replay.store.clickhouse_schema import KNOWN
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


def test_the_limit_outlives_an_upgrade(client, clickhouse_url):
    """Whoever opens the store, and brings it up to date, leaves its days as they are."""
    ClickHouseStore.init(clickhouse_url, keep_days=400).close()
    client.command(
        "DELETE FROM agent_replay_migrations WHERE Version = {newest:UInt32}",
        {"newest": KNOWN[-1].version},
    )
    store = open_store(clickhouse_url)
    store.write(sample_run("kept"))
    found = client.query("SELECT KeepUntil - today() FROM otel_traces LIMIT 1")
    store.close()

    assert found.result_rows == [(401,)]


def test_intentions_go_when_the_server_drops_runs(client, clickhouse_url):
    """Their days are those of their run; golden ones have no end."""
    store = ClickHouseStore.init(clickhouse_url, keep_days=5)
    log = open_intentions(clickhouse_url)
    for name in ("golden", "plain"):
        store.write(sample_run(name))
        log.intend(_intention(hex_id(name)))
    store.mark(hex_id("golden"), "golden", on=True)
    ends = client.query(
        "SELECT RunId, KeepUntil - today() FROM agent_replay_intentions"
    ).result_rows
    client.command(
        "ALTER TABLE agent_replay_intentions UPDATE KeepUntil = today() - 1"
        " WHERE KeepUntil < '2149-01-01'",
        settings={"mutations_sync": 2},
    )
    client.command("OPTIMIZE TABLE agent_replay_intentions FINAL")

    assert dict(ends)[hex_id("plain")] == 6
    assert dict(ends)[hex_id("golden")] > 40_000
    assert [len(log.of_run(hex_id(name))) for name in ("golden", "plain")] == [1, 0]
    log.close()
    store.close()


def _intention(run_id):
    return Intention(
        run_id=run_id,
        tool="send",
        key="key",
        digest="digest",
        token=run_id,
        process="host 1 2",
        began_ns=AT_NS,
    )


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


def test_an_older_database_is_erased_and_pruned_whole(client, clickhouse_url, store):
    """Also for who opens it without bringing it up to date: payloads go, marks hold."""
    for name in ("golden", "pruned", "erased"):
        store.write(sample_run(name))
    store.mark(hex_id("golden"), "golden", on=True)
    client.command(
        "DELETE FROM agent_replay_migrations WHERE Version = {newest:UInt32}",
        {"newest": KNOWN[-1].version},
    )
    older = open_store(clickhouse_url, create=False)
    erased = older.erase(hex_id("erased"))
    pruned = older.prune(Retention(), now_ns=AT_NS + 999 * _DAY_NS)
    scopes = client.query("SELECT DISTINCT Scope FROM agent_replay_contents")
    older.close()

    assert (erased, pruned.runs) == (4, {"success": 1})
    assert [run.run_id for run in store.runs()] == [hex_id("golden")]
    assert scopes.result_rows == [(hex_id("golden"),)]


def test_an_erasure_that_was_cut_short_is_done_by_the_next(client, store):
    """A run is found until all that is its own is gone."""
    store.write(sample_run("cut"))
    client.command("RENAME TABLE agent_replay_intentions TO away")
    with pytest.raises(StoreUnavailableError):
        store.erase(hex_id("cut"))
    client.command("RENAME TABLE away TO agent_replay_intentions")
    store.erase(hex_id("cut"))
    with pytest.raises(RunNotFoundError):
        store.erase(hex_id("cut"))

    counts = client.query(
        """SELECT (SELECT count() FROM otel_traces),
        (SELECT count() FROM agent_replay_contents),
        (SELECT count() FROM agent_replay_runs)"""
    )
    assert counts.result_rows == [(0, 0, 0)]
