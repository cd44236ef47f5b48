"""Runs that went through a real Collector into ClickHouse.

The Collector is that of AGENT_REPLAY_TEST_COLLECTOR; `make collector` builds one.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import httpx
import pytest
from openai import OpenAI

import otel_agent_replay
from otel_agent_replay import agent, checkpoint, open_store, replay, semconv, tool
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.store import open_store as open_spans
from otel_agent_replay.testing import Answer, ScriptedProvider, ToolCall

pytestmark = pytest.mark.external_service

CONFIG = Path(__file__).parents[2] / "collector-config" / "otel-collector.yaml"
BINARY = os.environ.get("AGENT_REPLAY_TEST_COLLECTOR", "")
if not shutil.which(BINARY):
    pytest.skip(
        "no Collector: `make collector` (needs Go), then set "
        "AGENT_REPLAY_TEST_COLLECTOR to what it built",
        allow_module_level=True,
    )

BESIDE = semconv.CONTENT_PREFIX
"""What begins the name of a payload that stands beside our row."""

READY_SECONDS = 30.0
STORED_SECONDS = 30.0


@tool(effect="read")
def search_docs(query: str) -> dict[str, object]:
    """Return a page with what JSON finds hard: NUL, other scripts, long text."""
    return {"text": f"{query} \x00 é 漢字 " * 400, "n": [1.5, None, True]}


@tool(effect="read")
def broken() -> None:
    """Fail."""
    raise LookupError("nothing there")


@agent(name="collected", version="1")
def answer(client: OpenAI) -> str | None:
    """Ask, search, fail, note the state, ask again."""
    messages = [{"role": "user", "content": "what is a refund? " * 50}]
    client.chat.completions.create(model="scripted", messages=messages)
    found = search_docs("refunds")
    try:
        broken()
    except LookupError:
        checkpoint({"found": len(found["text"]), "messages": messages})
    messages.append({"role": "user", "content": found["text"]})
    done = client.chat.completions.create(model="scripted", messages=messages)
    return done.choices[0].message.content


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def _collector(
    clickhouse, database_url: str, folder: Path, *, create: bool
) -> Iterator[str]:
    """Run the Collector on our configuration; give the address of its OTLP receiver."""
    url = urlsplit(database_url)
    http, health = _free_port(), _free_port()
    changes = {
        "receivers": {
            "otlp": {
                "protocols": {
                    "grpc": {"endpoint": f"127.0.0.1:{_free_port()}"},
                    "http": {"endpoint": f"127.0.0.1:{http}"},
                }
            }
        },
        "exporters": {
            "clickhouse": {
                "endpoint": f"tcp://127.0.0.1:{clickhouse.tcp_port}",
                "database": url.path.strip("/"),
                "create_schema": create,
                "sending_queue": {"batch": {"flush_timeout": "100ms"}},
            }
        },
        "extensions": {"health_check": {"endpoint": f"127.0.0.1:{health}"}},
        "service": {"telemetry": {"metrics": {"level": "none"}}},
    }
    over = folder / "over.yaml"
    over.write_text(json.dumps(changes))
    environment = {
        **os.environ,
        "CLICKHOUSE_USER": url.username or "",
        "CLICKHOUSE_PASSWORD": url.password or "",
        "COLLECTOR_QUEUE": str(folder / "queue"),
    }
    log = folder / "collector.log"
    with log.open("wb") as said:
        running = subprocess.Popen(
            [BINARY, "--config", str(CONFIG), "--config", str(over)],
            env=environment,
            stdout=said,
            stderr=said,
        )
    try:
        _await(lambda: _answers(f"http://127.0.0.1:{health}"), READY_SECONDS, log)
        yield f"http://127.0.0.1:{http}"
    finally:
        running.terminate()
        running.wait(READY_SECONDS)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def _await(holds, seconds: float, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(log.read_text(errors="replace")[-4000:])
        time.sleep(0.05)


def _rows(client, run_id: str) -> list[dict[str, Any]]:
    said = client.query(
        "SELECT * FROM otel_traces WHERE TraceId = %(run)s ORDER BY Timestamp, SpanId",
        parameters={"run": run_id},
    )
    return [*said.named_results()]


def _spans(url: str, run_id: str) -> tuple[SpanRecord, ...]:
    store = open_spans(url)
    try:
        return store.spans(run_id)
    finally:
        store.close()


@pytest.fixture
def recorded(clickhouse, clickhouse_url, tmp_path, request):
    """Record a run into SQLite and, by OTLP, through a Collector into ClickHouse."""
    if clickhouse.tcp_port is None:
        pytest.skip("the Collector needs the native protocol of our own server")
    made_by_us = request.param == "our table"
    if made_by_us:
        open_store(clickhouse_url).close()
    answers = [Answer(text="one moment"), Answer(tool_calls=[ToolCall("x", {"y": 1})])]
    with (
        _collector(clickhouse, clickhouse_url, tmp_path, create=not made_by_us) as otlp,
        ScriptedProvider(answers=answers) as provider,
    ):
        otel_agent_replay.configure(store="here.db", otlp_endpoint=otlp)
        client = OpenAI(base_url=provider.base_url, api_key="sk-any", max_retries=0)
        answer(client)
        otel_agent_replay.shutdown()
        with open_store("here.db") as here:
            run = here.load(here.runs()[0].run_id)
        spans = _spans("here.db", run.run_id)
        reader = clickhouse_connect.get_client(
            dsn=clickhouse_url.replace("clickhouse://", "http://")
        )
        _await(
            lambda: (
                reader.command("EXISTS otel_traces")
                and len(_rows(reader, run.run_id)) == len(spans)
            ),
            STORED_SECONDS,
            tmp_path / "collector.log",
        )
        yield run, spans, client, reader
        reader.close()
        client.close()


@pytest.mark.parametrize(
    "recorded", ["our table", "the Collector's table"], indirect=True
)
def test_a_run_through_a_collector_is_the_run(recorded, clickhouse_url):
    """Its spans are equal to those stored directly, and it replays as they do."""
    run, spans, client, _ = recorded
    with open_store(clickhouse_url) as store:
        (listed,) = store.runs()
        there = store.load(run.run_id)
    assert _spans(clickhouse_url, run.run_id) == spans
    assert (listed.run_id, listed.agent_name) == (run.run_id, "collected")
    assert [each.call for each in there.steps] == [each.call for each in run.steps]

    with replay(there) as session:
        answer(client)
    assert session.report.ok


@pytest.mark.parametrize("recorded", ["our table"], indirect=True)
def test_our_rows_are_encoded_as_the_collector_encodes_them(recorded, clickhouse_url):
    """All 22 columns are equal, but for the payloads that stand beside our rows."""
    run, spans, _, reader = recorded
    theirs = _rows(reader, run.run_id)
    store = open_spans(clickhouse_url)
    store.erase(run.run_id)
    store.write(spans)
    store.close()

    ours = _rows(reader, run.run_id)
    assert [_inline(row) for row in ours] != ours
    assert [_inline(row) for row in ours] == [
        _without(row, payloads_of=ours[at]) for at, row in enumerate(theirs)
    ]


def _inline(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of ours without the names of payloads, and without their size."""
    attributes = {**row["SpanAttributes"]}
    del attributes[semconv.SPAN_BYTES]
    events = [
        {name: text for name, text in each.items() if not name.startswith(BESIDE)}
        for each in row["Events.Attributes"]
    ]
    return {**row, "SpanAttributes": attributes, "Events.Attributes": events}


def _without(row: dict[str, Any], payloads_of: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the Collector's without what ours keeps beside it."""
    events = []
    for theirs, ours in zip(
        row["Events.Attributes"], payloads_of["Events.Attributes"], strict=True
    ):
        beside = {n.removeprefix(BESIDE) for n in ours if n.startswith(BESIDE)}
        assert beside <= theirs.keys()
        events.append({n: text for n, text in theirs.items() if n not in beside})
    return {**row, "Events.Attributes": events}
