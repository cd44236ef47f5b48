"""Batches with a token: sent twice, cut short, or sent to a table of a Collector."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from otel_agent_replay import semconv
from otel_agent_replay.errors import StoreUnavailableError
from otel_agent_replay.model.content import PackedBatch, Packer
from otel_agent_replay.model.run import RunFilter
from otel_agent_replay.store import open_store
from otel_agent_replay.store.clickhouse_schema import KNOWN, statements
from otel_agent_replay.testing.store_samples import (
    AT_NS,
    growing_run,
    hex_id,
    root_span,
    sample_run,
)

pytestmark = pytest.mark.external_service

_COLLECTORS = Path(__file__).with_name("collector_tables")
_COUNTS = """SELECT (SELECT count() FROM otel_traces),
    (SELECT count() FROM agent_replay_contents),
    (SELECT sum(Rows) FROM agent_replay_runs),
    (SELECT sum(InputTokens) FROM agent_replay_runs)"""


def _batch(token, spans):
    packer = Packer()
    return PackedBatch(token=token, spans=tuple(map(packer.pack, spans)))


@pytest.mark.parametrize("made_by", ["us", "v0.100", "v0.160"])
def test_a_batch_that_comes_again_changes_no_table(client, clickhouse_url, made_by):
    """Whoever sends it, and whatever came between, a token counts once."""
    if made_by != "us":
        client.command((_COLLECTORS / f"{made_by}.sql").read_text())
    batch = _batch("one", growing_run("again", 20))
    store, other = open_store(clickhouse_url), open_store(clickhouse_url)
    store.write_packed(batch)
    once = client.query(_COUNTS).result_rows
    for number in range(20):
        store.write_packed(_batch(f"between {number}", sample_run(str(number))))
    between = client.query(_COUNTS).result_rows
    store.write_packed(batch)
    other.write_packed(batch)

    assert once[0][2:] == (21, 2000)
    assert client.query(_COUNTS).result_rows == between
    assert store.check().problems == ()
    store.close()
    other.close()


def test_a_batch_across_days_counts_once(client, store):
    """One token covers the parts of several days."""
    day_ns = 86_400_000_000_000
    spans = [s for n in range(4) for s in sample_run(str(n), start_ns=n * day_ns)]
    for _ in range(2):
        store.write_packed(_batch("days", spans))

    assert client.query(_COUNTS).result_rows[0][2:] == (16, 1200)


@pytest.mark.parametrize("lost", ["otel_traces", "agent_replay_runs_mv"])
def test_a_batch_that_was_cut_short_is_completed(client, store, lost):
    """Contents without spans, or spans without sums: sending again adds the rest."""
    batch = _batch("cut", growing_run("cut", 9))
    store.write_packed(_batch("first", sample_run("first")))
    if lost == "otel_traces":
        client.command("RENAME TABLE otel_traces TO away")
    else:
        client.command("RENAME TABLE agent_replay_runs TO away")
    with pytest.raises(StoreUnavailableError):
        store.write_packed(batch)
    back = "otel_traces" if lost == "otel_traces" else "agent_replay_runs"
    client.command(f"RENAME TABLE away TO {back}")
    store.write_packed(batch)
    store.write_packed(batch)

    (run,) = [run for run in store.runs() if run.run_id == hex_id("cut")]
    assert (run.step_count, run.input_tokens) == (9, 900)
    assert client.query(_COUNTS).result_rows[0][2:] == (10 + 4, 900 + 300)
    assert len(store.spans(hex_id("cut"))) == 10


def test_a_run_that_came_twice_is_listed_by_what_it_is(client, store):
    """Cost and steps are those of its spans, in lists and in ranges of cost."""
    for _ in range(2):
        store.write(sample_run("double"))
    store.write(sample_run("single"))

    assert client.query("SELECT sum(Rows) FROM agent_replay_runs").result_rows == [
        (12,)
    ]
    for where in (RunFilter(), RunFilter(min_cost_usd=0.7, max_cost_usd=0.8)):
        assert {run.cost_usd for run in store.runs(where)} == {0.75}
        assert {run.step_count for run in store.runs(where)} == {3}
    assert store.stats().spans == 8


def test_a_run_list_reads_the_summary_only(client, store):
    """Runs are listed while otel_traces is away."""
    store.write(sample_run("listed"))
    client.command("RENAME TABLE otel_traces TO away")

    assert [run.step_count for run in store.runs(RunFilter(agent="triage"))] == [3]
    client.command("RENAME TABLE away TO otel_traces")


def test_an_older_database_is_brought_up_to_date(client, clickhouse_url):
    """Spans stored under schema 1 are summed up when the store is opened."""
    run = growing_run("old", 6)
    for statement in statements(KNOWN[0]):
        client.command(statement, settings={"flatten_nested": 1})
    client.command(
        "CREATE TABLE agent_replay_migrations (Version UInt32, Name String, AppliedAt"
        " DateTime DEFAULT now()) ENGINE = ReplacingMergeTree ORDER BY Version"
    )
    client.command("INSERT INTO agent_replay_migrations VALUES (1, 'initial', now())")
    reader = open_store(clickhouse_url, create=False)
    old = [run.step_count for run in reader.runs()]
    client.command(
        "INSERT INTO otel_traces (Timestamp, TraceId, SpanId, SpanAttributes) VALUES"
        " (now64(9), 't', 's', map('agent_replay.run.id', 'r',"
        " 'agent_replay.step.kind', 'model'))"
    )
    unlisted = [run.step_count for run in reader.runs()]
    store = open_store(clickhouse_url)
    store.write(run)

    assert (old, unlisted) == ([], [1])
    assert {each.run_id: each.step_count for each in store.runs()} == {
        "r": 1,
        hex_id("old"): 6,
    }
    assert store.check().schema == KNOWN[-1].version
    reader.close()
    store.close()


def test_a_span_that_is_seen_has_its_payload(clickhouse_url, store):
    """Whenever a run is read while it goes on, no step lacks what it said."""
    run = growing_run("live", 40)
    packer = Packer()
    store.write([run[0]])
    writer = open_store(clickhouse_url)

    def write():
        for span in run[1:]:
            batch = PackedBatch(token=span.span_id, spans=(packer.pack(span),))
            writer.write_packed(batch)

    seen = []
    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write)
        while not writing.done():
            seen += store.spans(hex_id("live"))
        writing.result()
    writer.close()

    assert not any(semconv.STEP_DROPPED in span.attributes for span in seen)
    assert {*map(_said, seen)} <= {*map(_said, run)}


def _said(span):
    return (
        span.span_id,
        *(text for e in span.events for text in e.attributes.values()),
    )


def test_a_run_in_two_traces_is_listed_by_what_it_is(store):
    """A span that came twice in the trace of an earlier root counts once as well."""
    earlier = sample_run("resumed")
    later = root_span(
        hex_id("resumed"), trace_id=hex_id("later"), number=1, start_ns=AT_NS * 2
    )
    store.write(earlier)
    once = store.runs()
    store.write([later])
    for _ in range(2):
        store.write(earlier)

    (run,) = store.runs()
    assert run.trace_id == hex_id("later")
    assert (run.step_count, run.cost_usd) == (once[0].step_count, once[0].cost_usd)


def test_a_span_that_came_twice_does_not_hide_a_run(store):
    """Nor show one: ranges of cost are about what runs cost."""
    for _ in range(2):
        store.write(sample_run("double"))

    for low, high, found in ((0.7, 0.8, 1), (None, 0.8, 1), (0.7, None, 1)):
        where = RunFilter(min_cost_usd=low, max_cost_usd=high)
        assert len(store.runs(where)) == found
    for low, high in ((1.0, None), (1.4, 1.6), (None, 0.7)):
        assert store.runs(RunFilter(min_cost_usd=low, max_cost_usd=high)) == []
