"""A secret of each kind, planted in every place, is found nowhere; runs replay."""

from __future__ import annotations

import gzip
import json
import logging
import sqlite3
import sys
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

import clickhouse_connect
import pytest
from click.testing import CliRunner
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import otel_agent_replay
from otel_agent_replay import (
    DivergenceError,
    open_store,
    replay,
)
from otel_agent_replay._setup.redaction import use_policy
from otel_agent_replay.cli.app import cli
from otel_agent_replay.replay.codec import dump_recording
from otel_agent_replay.testing import (
    LocalServer,
    Reply,
    ScriptedRequest,
)
from tests.loop.planted import Plants, policy

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd
from tests.loop.places import PLACES, Scene, played, player


class OtlpSink(LocalServer):
    """Keeps what an OTLP exporter sends."""

    def respond(self, _: ScriptedRequest) -> Reply:
        return Reply(headers=(("content-type", "application/x-protobuf"),))

    @property
    def received(self) -> bytes:
        """Everything that came, as it was before compression."""
        return b"".join(
            gzip.decompress(each.body)
            if each.header("content-encoding") == "gzip"
            else each.body
            for each in self.requests
        )


@dataclass(frozen=True)
class Recorded:
    """All runs, what can be seen of them, and what their replays said."""

    runs: dict[str, object]
    sinks: dict[str, bytes]
    reports: dict[tuple[str, str], object]


class Lines(logging.Handler):
    """Keeps log records as text, tracebacks included."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(logging.Formatter().format(record))


@pytest.fixture(scope="module")
def patched():
    """Changes that last as long as the recordings of a store."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module", params=["sqlite", "clickhouse"])
def recorded(request, tmp_path_factory, patched) -> Recorded:
    """Record every place into a store, replay it, and look everywhere."""
    folder = tmp_path_factory.mktemp("secrets")
    patched.chdir(folder)
    for name in [*PLACES, "resource"]:
        patched.setenv(f"{name.upper()}_API_TOKEN", Plants(name)["literal"])
    plants = Plants("resource")
    resource = Resource(
        {"service.name": "agent", "note": plants.texts, "all": plants.text}
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    patched.setattr(trace, "_TRACER_PROVIDER", provider)
    log = Lines()
    logging.getLogger("otel_agent_replay").addHandler(log)
    with ExitStack() as stack:
        sink = stack.enter_context(OtlpSink())
        if request.param == "sqlite":
            url = f"sqlite:///{folder}/runs.db"
        else:
            server = request.getfixturevalue("clickhouse")
            url = stack.enter_context(server.database())
        otel_agent_replay.configure(
            store=url, otlp_endpoint=sink.url, policy=policy(), agent_version="1"
        )
        try:
            yield everything(url, folder, sink, log)
        finally:
            otel_agent_replay.shutdown()
            use_policy(None)
            logging.getLogger("otel_agent_replay").removeHandler(log)


def everything(url: str, folder: Path, sink: OtlpSink, log: Lines) -> Recorded:
    """Play and replay each place."""
    scenes = {
        name: Scene(name, plants := Plants(name), answers(plants))
        for name, (_, answers) in PLACES.items()
    }
    runs, reports = {}, {}
    for scene in scenes.values():
        with scene:
            played(player(scene), scene.given)
    assert otel_agent_replay.flush()
    with open_store(url) as store:
        for name, scene in scenes.items():
            [found] = store.runs(agent=name)
            run = runs[name] = store.load(found.run_id)
            for way, given in (("original", scene.given), ("recorded", run.input)):
                with suppress(DivergenceError), replay(run) as session:
                    played(player(scene), given)
                reports[name, way] = session.report
            scene.client.close()
        sinks = {
            "export": b"".join(
                dump_recording(store.recording(run.run_id)).encode()
                for run in runs.values()
            ),
            "cli": shown(url, [run.run_id for run in runs.values()]),
            "log": "\n".join(log.lines).encode(),
            "otlp": sink.received,
            "store": stored(url, folder),
        }
    return Recorded(runs, sinks, reports)


def shown(url: str, run_ids: list[str]) -> bytes:
    """Return what the command line shows of runs."""
    runner = CliRunner(env={"COLUMNS": "100000"})
    commands = [
        ["runs"],
        *(["show", run_id, "--payloads"] for run_id in run_ids),
        *(["show", run_id, "--payloads", "--json"] for run_id in run_ids),
    ]
    results = [runner.invoke(cli, [*command, "--store", url]) for command in commands]
    assert [each.exit_code for each in results] == [0] * len(commands)
    return "".join(each.output for each in results).encode()


def stored(url: str, folder: Path) -> bytes:
    """Return what a store holds: the bytes of its files, or all rows of its tables.

    Compressed ones too, and what waits in the spool.
    """
    if url.startswith("sqlite"):
        files = [*folder.glob("runs.db*"), *folder.rglob("*.segment")]
        with closing(sqlite3.connect(folder / "runs.db")) as db:
            segments = [data for (data,) in db.execute('SELECT "Data" FROM segments')]
        assert segments
        return b"".join(
            [path.read_bytes() for path in files] + [*map(zstd.decompress, segments)]
        )
    client = clickhouse_connect.get_client(dsn=url.replace("clickhouse://", "http://"))
    with client:
        tables = [row[0] for row in client.query("SHOW TABLES").result_rows]
        return b"".join(
            client.raw_query(f"SELECT * FROM `{table}`", fmt="JSONEachRow")  # noqa: S608
            for table in tables
        )


def leaks(plants: Plants, sinks: dict[str, bytes]) -> dict[str, list[str]]:
    """Return what kinds of secrets can be seen where."""
    found = {
        sink: [
            kind
            for kind, each in plants.kinds.items()
            if any(form.encode() in content for form in forms(each.secret))
        ]
        for sink, content in sinks.items()
    }
    return {sink: kinds for sink, kinds in found.items() if kinds}


def forms(secret: str) -> set[str]:
    """Return the ways to write a secret."""
    return {
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        secret.replace(" ", ""),
    }


@pytest.mark.parametrize("place", [*PLACES, "resource"])
def test_no_secret_is_found_anywhere(recorded, place):
    """Store, OTLP, exported file, command line and log show no secret of a place."""
    assert leaks(Plants(place), recorded.sinks) == {}


@pytest.mark.parametrize("sink", ["cli", "export", "otlp", "store"])
def test_what_is_no_secret_is_there(recorded, sink):
    """Each place can be seen in each of them: the search looks at the right thing."""
    missing = [
        name
        for name in PLACES
        if f"marker of {name}".encode() not in recorded.sinks[sink]
    ]

    assert missing == []


@pytest.mark.parametrize("way", ["original", "recorded"])
@pytest.mark.parametrize("place", PLACES)
def test_redacted_runs_replay(recorded, place, way):
    """A replay matches, whether the code has the secrets or what was recorded."""
    report = recorded.reports[place, way]
    run = recorded.runs[place]

    assert run.gaps == ()
    assert report.divergences == ()
    assert report.unused == ()
    assert report.live == ()


def test_a_secret_has_one_pseudonym_in_a_run(recorded):
    """The arguments a model asks for are those that the tool is called with."""
    run = recorded.runs["streamed_tool_call"]
    asking, called, telling = run.steps

    [part] = [
        p
        for message in asking.response.messages
        for p in message.parts
        if p["type"] == "tool_call"
    ]
    assert part["arguments"] == called.call.inputs
    assert called.outcome.value["note"] == called.call.inputs["note"]
    sent = telling.call.arguments["messages"][-1]["content"]
    assert json.loads(sent) == called.outcome.value
