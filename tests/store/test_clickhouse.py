"""What only a server can get wrong, and what others write to the same table."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from otel_agent_replay import semconv
from otel_agent_replay.errors import (
    RunNotFoundError,
    StoreAccessError,
    StoreSchemaError,
    StoreUnavailableError,
)
from otel_agent_replay.store import open_store
from otel_agent_replay.store.clickhouse_sql import SPAN_COLUMNS
from otel_agent_replay.store.rows import to_row
from otel_agent_replay.testing.store_samples import (
    chat_span,
    foreign_trace,
    growing_run,
    hex_id,
    odd_span,
    root_span,
    sample_run,
)

pytestmark = pytest.mark.external_service

_SPAWN = multiprocessing.get_context("spawn")
_COLLECTORS = Path(__file__).with_name("collector_tables")


def _insert_as_collector(client, spans):
    """Insert as the exporter does: the 22 columns, everything inline, no token."""
    rows = [to_row(span) for span in spans]
    client.insert("otel_traces", rows, column_names=[*SPAN_COLUMNS])


@pytest.mark.parametrize("made_by", ["us", "v0.100", "v0.160"])
def test_rows_of_a_collector_read_the_same(client, clickhouse_url, made_by):
    """Rows that a Collector wrote, into our table or its own, are equal spans."""
    if made_by == "us":
        open_store(clickhouse_url).close()
    else:
        client.command((_COLLECTORS / f"{made_by}.sql").read_text())
    run = [*growing_run("inline", 10), odd_span(hex_id("inline"), ["a\x00b", "é"])]
    foreign = foreign_trace("foreign")
    _insert_as_collector(client, [*run, *foreign])
    store = open_store(clickhouse_url)

    assert store.spans(hex_id("inline")) == tuple(sorted(run, key=_order))
    assert store.spans(hex_id("foreign")) == tuple(foreign)
    assert {each.run_id: each.step_count for each in store.runs()} == {
        hex_id("inline"): 10,
        hex_id("foreign"): 2,
    }
    store.close()


@pytest.mark.parametrize("made_by", ["v0.100", "v0.160"])
def test_a_table_of_a_collector_is_used_as_it_is(client, clickhouse_url, made_by):
    """We add tables beside it, write into it, and change none of its columns."""
    client.command((_COLLECTORS / f"{made_by}.sql").read_text())
    before = client.query("DESCRIBE otel_traces").result_rows
    run = sample_run("ours")
    store = open_store(clickhouse_url)
    store.write(run)
    store.write(run)

    assert client.query("DESCRIBE otel_traces").result_rows == before
    assert store.spans(hex_id("ours")) == tuple(sorted(run, key=_order))
    assert store.runs()[0].step_count == 3
    assert store.erase(hex_id("ours")) == len(run)
    assert store.check().problems == ()
    store.close()


def test_one_who_may_only_read_can_read(clickhouse, client, clickhouse_url):
    """Without create, nothing is made, and a read-only user is enough."""
    reader = clickhouse_url.replace(clickhouse.base_url, clickhouse.reader_url)
    with pytest.raises(StoreUnavailableError, match="no table otel_traces"):
        open_store(reader, create=False)
    client.command((_COLLECTORS / "v0.100.sql").read_text())
    _insert_as_collector(client, sample_run("seen"))
    store = open_store(reader, create=False)

    assert [run.run_id for run in store.runs()] == [hex_id("seen")]
    assert len(store.spans(hex_id("seen"))) == 4
    assert store.setting("any") is None
    assert "made by something else" in " ".join(store.check().problems)
    assert client.query("SHOW TABLES").result_rows == [("otel_traces",)]
    with pytest.raises(StoreAccessError):
        store.write(sample_run("more"))
    store.close()


def test_a_missing_database_is_made_or_said(clickhouse):
    """A new database is made when stores may be made; else the error names it."""
    name = f"agent_replay_new_{os.getpid()}"
    url = f"{clickhouse.base_url}/{name}"
    with pytest.raises(StoreUnavailableError, match=name):
        open_store(url, create=False)
    try:
        store = open_store(url)
        store.write(sample_run("a"))
        assert len(store.runs()) == 1
        store.close()
    finally:
        clickhouse.execute(f"DROP DATABASE IF EXISTS {name}")


def test_a_wrong_password_is_said_and_not_shown(clickhouse_url):
    """Access is told apart from reach, and no message holds a password."""
    parts = urlsplit(clickhouse_url)
    wrong = clickhouse_url.replace(parts.password, "wr0ng-w0rd%21")
    with pytest.raises(StoreAccessError) as caught:
        open_store(wrong)
    unknown = clickhouse_url.replace(f"//{parts.username}:", "//nobody:")
    with pytest.raises(StoreAccessError) as unknown_user:
        open_store(unknown)

    for error in (caught.value, unknown_user.value):
        assert "***" in str(error)
        assert "wr0ng" not in str(error) + repr(error)
        assert parts.password not in str(error) + repr(error)
        assert error.__cause__ is None


def test_an_unreachable_server_is_said():
    """Nobody listens: the error says where and what to check."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        url = f"clickhouse://me:s3cret@127.0.0.1:{port}/db?connect_timeout=2"
        with pytest.raises(StoreUnavailableError) as caught:
            open_store(url)

    assert f"clickhouse://me:***@127.0.0.1:{port}/db" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_newer_schema_is_refused(client, clickhouse_url):
    """A store of a later version is not touched."""
    open_store(clickhouse_url).close()
    client.command("INSERT INTO agent_replay_migrations VALUES (99, 'later', now())")

    with pytest.raises(StoreSchemaError, match="version 99"):
        open_store(clickhouse_url)


def test_four_processes_open_and_write_at_once(clickhouse_url):
    """Processes that start on a new database together lose and double nothing."""
    processes = [
        _SPAWN.Process(target=_open_and_write, args=(clickhouse_url, number))
        for number in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    store = open_store(clickhouse_url, create=False)

    assert [process.exitcode for process in processes] == [0] * 4
    assert store.check().schema == store.check().known_schema
    assert len(store.runs()) == 4 + 1
    assert len(store.spans("shared")) == 4
    store.close()


def _open_and_write(url: str, number: int) -> None:
    store = open_store(url)
    value = store.set_setting_once("key", f"value {number}")
    store.write(sample_run(f"process {number}"))
    store.write([root_span("shared", trace_id=hex_id("s"), number=number)])
    same = value == store.setting("key")
    store.close()
    os._exit(0 if same else 1)


def test_a_fork_has_its_own_connection(clickhouse_url):
    """A forked child writes, and both go on."""
    store = open_store(clickhouse_url)
    store.write([root_span("before")])
    child = os.fork()
    if child == 0:
        status = 1
        try:
            store.write([root_span("child")])
            status = 0
        finally:
            os._exit(status)
    store.write([root_span("parent")])
    _, status = os.waitpid(child, 0)

    assert status == 0
    assert {run.run_id for run in store.runs()} == {"before", "child", "parent"}
    store.close()


def test_doubled_rows_are_merged_away(client, clickhouse_url):
    """A batch that came twice shrinks to one when the server merges its parts."""
    store = open_store(clickhouse_url)
    run = sample_run("twice")
    store.write(run)
    store.write(run)
    client.command("OPTIMIZE TABLE otel_traces FINAL")

    assert client.query("SELECT count() FROM otel_traces").result_rows == [(4,)]
    assert store.spans(hex_id("twice")) == tuple(sorted(run, key=_order))
    store.close()


def test_erased_words_are_in_no_row(client, clickhouse_url):
    """After an erase no row of any table holds a word of the run."""
    store = open_store(clickhouse_url)
    said = [{"content": f"secret-word {n} " * 90} for n in range(20)]
    store.write([chat_span("gone", n, messages=said[:n]) for n in range(20)])
    store.write([root_span("gone", attributes={semconv.USER_ID: "secret-word"})])
    store.write(sample_run("kept"))
    store.erase("gone")

    for table in ("otel_traces", "agent_replay_contents"):
        rows = client.query(
            "SELECT * FROM {table:Identifier}", {"table": table}
        ).result_rows
        assert rows
        assert "secret-word" not in str(rows)
    with pytest.raises(RunNotFoundError):
        store.spans("gone")
    store.close()


def test_a_run_list_reads_no_payload(client, clickhouse_url):
    """Listing runs touches neither events nor contents."""
    store = open_store(clickhouse_url)
    store.write(sample_run("a"))
    store.runs()
    client.command("ALTER TABLE otel_traces RENAME COLUMN Links.TraceId TO Links.Was")
    client.command("DROP TABLE agent_replay_contents SYNC")

    assert len(store.runs()) == 1
    store.close()


def test_jaeger_reads_the_views(clickhouse, client, clickhouse_url, deploy):
    """The views of deploy/jaeger give Jaeger's columns, payloads put together."""
    database = urlsplit(clickhouse_url).path[1:]
    store = open_store(clickhouse_url)
    run = growing_run("jaeger", 120)
    store.write([*run, *foreign_trace("other")])
    views = (deploy / "jaeger" / "views.sql").read_text()
    views = views.replace("'jaeger.", f"'{database}_j.")
    views = views.replace(" jaeger.", f" {database}_j.")
    views = views.replace("EXISTS jaeger;", f"EXISTS {database}_j;")
    views = views.replace("agent_replay.otel", f"{database}.otel")
    views = views.replace("DB 'agent_replay'", f"DB '{database}'")
    for _ in range(2):
        for statement in _statements(views):
            client.command(statement)
    client.database = f"{database}_j"
    rows = client.query(
        """SELECT id, `str_attributes.value`[indexOf(`str_attributes.key`,
            {key:String})], arrayFlatten(`events.str_attributes`)
        FROM spans WHERE trace_id = {id:String} ORDER BY start_time""",
        {"key": semconv.INPUT_MESSAGES, "id": hex_id("jaeger")},
    ).result_rows
    counts = client.query(
        """SELECT (SELECT count() FROM services), (SELECT count() FROM operations),
        (SELECT count() FROM trace_id_timestamps),
        (SELECT count() FROM attribute_metadata WHERE attribute_key =
            'gen_ai.input.messages'), (SELECT count() FROM dependencies)"""
    ).result_rows
    clickhouse.execute(f"DROP DATABASE {database}_j")
    store.close()

    wanted = {
        span.span_id: [dict(event.attributes) for event in span.events]
        for span in sorted(run, key=_order)
    }
    assert [row[0] for row in rows] == [*wanted]
    for span_id, messages, events in rows[1:]:
        details, exchange = wanted[span_id]
        assert messages == details[semconv.INPUT_MESSAGES]
        assert dict(map(_pair, events)) == {**details, **exchange}
    assert counts == [(1, 5, 2, 1, 0)]


def _pair(item):
    return (item["key"], item["value"]) if isinstance(item, dict) else item


def test_grafana_queries_run(client, clickhouse_url, deploy):
    """Every query of the dashboard, and the trace panel's own, give rows."""
    store = open_store(clickhouse_url)
    store.write(sample_run("shown"))
    for statement in _statements((deploy / "grafana" / "views.sql").read_text()):
        client.command(statement)
    window = client.query(
        "SELECT TraceId, Start <= End FROM otel_traces_trace_id_ts"
    ).result_rows

    assert window == [(hex_id("shown"), True)]
    for title, query in _dashboard(deploy):
        assert client.query(query).result_rows, title
    store.close()


def _dashboard(deploy):
    path = deploy / "grafana" / "dashboards" / "agent-runs.json"
    for panel in json.loads(path.read_text())["panels"]:
        query = panel["targets"][0]["rawSql"]
        query = query.replace("${agent}", "").replace("${trace}", hex_id("shown"))
        query = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 > '2020-01-01'", query)
        query = re.sub(r"\$__timeInterval\((\w+)\)", r"toStartOfMinute(\1)", query)
        assert "$" not in query
        yield panel["title"], query


def _statements(text):
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [each for each in "\n".join(lines).split(";\n") if each.strip()]


def _order(span):
    return (span.start_ns, span.span_id)


@pytest.fixture
def deploy():
    """Return the directory `deploy` of the repository."""
    return Path(__file__).parents[2] / "deploy"
