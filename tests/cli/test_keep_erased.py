"""What `erase` reaches: all that a run left in a store, of whatever kind it is."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import pytest

pytest.importorskip("langgraph")

from langgraph.graph import START, StateGraph

import otel_agent_replay
from otel_agent_replay import agent, fork, open_store, tool
from otel_agent_replay import store as base
from otel_agent_replay.langgraph import AgentReplaySaver
from otel_agent_replay.model.run import Retention
from otel_agent_replay.store.sqlite_segments import read
from otel_agent_replay.store.sqlite_state_rows import unpacked

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SECRET = "aubergine"
DAY_NS = 86_400_000_000_000


@pytest.fixture(
    params=["sqlite", pytest.param("clickhouse", marks=pytest.mark.external_service)]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty store of either kind, which is recorded into."""
    if request.param == "sqlite":
        found = f"sqlite:///{tmp_path}/stored/runs.db"
    else:
        found = request.getfixturevalue("clickhouse_url")
    otel_agent_replay.configure(store=found)
    return found


@tool(effect="write", idempotency_key="word")
def order(word: str) -> str:
    """Order something."""
    return f"ordered {word}"


def answer(state: dict[str, Any]) -> dict[str, Any]:
    """Add what was ordered to a state."""
    return {"said": [*state["said"], order(state["said"][-1])]}


@pytest.fixture
def ask(url: str) -> Iterator[Callable[..., str]]:
    """Return an agent that keeps a thread; it returns the id of its run."""
    saver = AgentReplaySaver(url)
    graph = StateGraph(dict)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    app = graph.compile(checkpointer=saver)

    @agent(name="shop")
    def shop(word: str, thread: str, user: str | None) -> list[str]:
        otel_agent_replay.describe_run(user=user)
        config = {"configurable": {"thread_id": thread}}
        return app.invoke({"said": [word]}, config)["said"]

    def act(word: str, thread: str = "t", user: str | None = None) -> str:
        shop(word, thread, user)
        with open_store(url) as store:
            return store.runs(limit=1)[0].run_id

    yield act
    saver.close()


def everything(url: str) -> str:
    """Return all that stands in a store's files, deleted rows included."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as db:
            db.text_factory = bytes
            assert db.execute("PRAGMA freelist_count").fetchone() == (0,)
            tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            names = [name.decode() for (name,) in tables.fetchall()]
            rows = [r for n in names for r in db.execute(f"SELECT * FROM {n}")]  # noqa: S608 - our own names
        db.close()
        return " ".join(t for row in rows for value in row for t in _readable(value))
    parts = urlsplit(url)
    with clickhouse_connect.get_client(
        host=parts.hostname,
        port=parts.port,
        username=parts.username,
        password=parts.password,
        database=parts.path[1:],
        settings={"apply_deleted_mask": 0},
    ) as client:
        tables = client.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase()"
            " AND engine LIKE '%MergeTree'"
        ).result_columns[0]
        query = "SELECT * FROM {}"
        return " ".join(
            client.raw_query(query.format(each), fmt="JSONEachRow").decode(
                errors="replace"
            )
            for each in tables
        )


def _readable(value: object) -> Iterator[str]:
    yield value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    if isinstance(value, bytes):
        for reading in (unpacked, read):
            with suppress(ValueError, zstd.ZstdError):  # it is no such value
                yield str(reading(value))


def test_nothing_of_an_erased_run_is_left(invoke, url, ask):
    """Spans, payloads, states of threads, intentions and sums: in no row of the files."""
    gone, kept = ask(SECRET, "one"), ask("leek", "two")
    before = everything(url)
    done = invoke("erase", gone, "--yes", "--purge", "--json", "--store", url)
    after = everything(url)

    assert done.exit_code == 0, done.stderr
    assert before.count(SECRET) > 3
    assert (gone in before, gone in after) == (True, False)
    assert SECRET not in after
    assert (kept in after, after.count("leek")) == (True, before.count("leek"))


def test_what_went_on_from_an_erased_run_is_named(invoke, url, ask):
    """A fork holds what it shares, a thread what it took over: the receipt says so."""
    gone, later = ask(SECRET), ask("leek")
    alone = ask("chard", "alone")
    with (
        open_store(url) as store,
        fork(store.load(gone), at=0) as its,
    ):
        ask(SECRET)
    forked = its.run.run_id
    words = ("--yes", "--purge", "--json", "--store", url)
    one = invoke("erase", gone, *words)
    rest = invoke("erase", later, forked, alone, *words)

    assert one.exit_code == 93, one.stderr
    receipt = json.loads(one.stdout)
    assert (receipt["forks"], receipt["threads"]) == ([forked], ["t"])
    assert receipt["verified"] is False
    assert f"run {forked}, which came from it" in receipt["found_in"]
    receipt = json.loads(rest.stdout)
    assert (receipt["forks"], receipt["threads"], rest.exit_code) == ([], [], 0)
    assert SECRET not in everything(url)


def test_what_a_run_that_was_left_out_intended_goes_with_it(url, ask):
    """Sampling leaves its payloads out; its line and intentions go by its days."""
    otel_agent_replay.configure(store=url, sample_success=0)
    run_id = ask(SECRET)
    with open_store(url) as store:
        there = store.writes(run_id)
    low = base.open_store(url)
    low.prune(Retention(), now_ns=time.time_ns() + 8 * DAY_NS)
    low.purge()
    low.close()

    assert [each.key for each in there] == [SECRET]
    log = base.open_intentions(url)
    assert log.of_run(run_id) == ()
    log.close()
