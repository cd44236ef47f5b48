"""What an operator can get wrong: each is said clearly, or mended."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from otel_agent_replay.errors import StoreAccessError, StoreUnavailableError
from otel_agent_replay.model.run import Retention, RunFilter
from otel_agent_replay.store import open_store
from otel_agent_replay.store.clickhouse import ClickHouseStore
from otel_agent_replay.testing.store_samples import (
    AT_NS,
    hex_id,
    sample_run,
    with_attributes,
)

pytestmark = pytest.mark.external_service


@pytest.mark.parametrize("create", [True, False])
def test_a_table_that_is_no_collectors_is_said(client, clickhouse_url, create):
    """Which columns it lacks, and nothing is made beside it."""
    client.command(
        "CREATE TABLE otel_traces (TraceId Int32) ENGINE = MergeTree ORDER BY ()"
    )

    with pytest.raises(StoreUnavailableError, match=r"lacks .*SpanAttributes"):
        open_store(clickhouse_url, create=create)
    assert client.query("SHOW TABLES").result_rows == [("otel_traces",)]


def test_one_who_may_only_read_is_refused_every_change(
    clickhouse, clickhouse_url, store
):
    """It is a matter of access, not of reach; nothing has changed."""
    store.write(sample_run("a"))
    reader = open_store(
        clickhouse_url.replace(clickhouse.base_url, clickhouse.reader_url)
    )
    for change in (
        lambda: reader.erase(hex_id("a")),
        lambda: reader.mark(hex_id("a"), "flagged", on=True),
        lambda: reader.prune(Retention(), now_ns=AT_NS * 2),
        lambda: reader.write(sample_run("b")),
    ):
        with pytest.raises(StoreAccessError, match="may only read"):
            change()

    assert [(run.run_id, run.run_class) for run in reader.runs()] == [
        (hex_id("a"), "success")
    ]
    reader.close()


@pytest.mark.parametrize(
    "gone", ["agent_replay_runs_mv", "agent_replay_runs", "agent_replay_steps"]
)
def test_what_somebody_dropped_is_made_again(client, clickhouse_url, store, gone):
    """`check` names it; after `init` the list has every run, also those since then."""
    store.write(sample_run("before"))
    client.command(f"DROP TABLE {gone} SYNC")
    refused = gone == "agent_replay_runs"
    with pytest.raises(StoreUnavailableError) if refused else nullcontext():
        store.write(sample_run("since"))
    lacking = open_store(clickhouse_url, create=False)
    if not refused:
        assert f"{gone}: not there any more" in " ".join(lacking.check().problems)
    repaired = ClickHouseStore.init(clickhouse_url)
    if refused:
        repaired.write(sample_run("since"))

    assert {run.run_id: run.step_count for run in repaired.runs()} == {
        hex_id("before"): 3,
        hex_id("since"): 3,
    }
    assert repaired.check().problems == ()
    lacking.close()
    repaired.close()


@pytest.mark.parametrize(
    "odd",
    ["it's", 'say "x"', "back\\slash", "a\nb", "{id:String}", "%(x)s", "\\N", "\0"],
)
def test_a_run_id_may_be_any_text(store, odd):
    """It is found, marked and erased; nothing in it is taken for SQL."""
    run = [
        with_attributes(span, {"agent_replay.run.id": odd}) for span in sample_run("x")
    ]
    store.write(sample_run("other"))
    store.write(run)
    store.mark(odd, "flagged", on=True)
    listed = store.runs(RunFilter(run_id_prefix=odd))

    assert [(each.run_id, each.run_class) for each in listed] == [(odd, "flagged")]
    assert len(store.spans(odd)) == store.erase(odd) == 4
    assert [each.run_id for each in store.runs()] == [hex_id("other")]


@pytest.mark.parametrize("start_ns", [-1, 0, 4_294_967_296 * 10**9, 9_000 * 10**15])
def test_times_of_three_centuries_come_back(store, start_ns):
    """Before 1970, after 2106, and nearly to 2262."""
    run = sample_run("when", start_ns=start_ns)
    store.write(run)

    assert {*map(_when, store.spans(hex_id("when")))} == {*map(_when, run)}
    assert store.runs()[0].start_ns == min(span.start_ns for span in run)
    assert store.erase(hex_id("when")) == 4


def _when(span):
    return span.span_id, span.start_ns, span.end_ns, *(e.time_ns for e in span.events)
