"""`export`, `import`, `push`, `doctor`, `completion`, and how quickly all starts."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from otel_agent_replay import open_store, semconv
from otel_agent_replay._setup.push import requests_of
from otel_agent_replay.model.span import EventRecord, LinkRecord, SpanRecord
from otel_agent_replay.testing import LocalServer, Reply


class Sink(LocalServer):
    """Takes what is sent to it and gives one answer."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__()

    def respond(self, request):
        """Give the answer."""
        del request
        return self.reply

    def spans(self) -> list:
        """Return the spans that came in, with their resource and scope."""
        found = []
        for request in self.requests:
            message = ExportTraceServiceRequest.FromString(request.body)
            for resource in message.resource_spans:
                for scope in resource.scope_spans:
                    found += [
                        (each, resource.resource, scope.scope) for each in scope.spans
                    ]
        return found


TAKEN = Reply(body=ExportTraceServiceResponse().SerializeToString())


def test_a_run_travels_in_a_file(recorded, invoke, monkeypatch):
    """Exported, imported into another store, replayed there, and the same bytes."""
    monkeypatch.chdir(recorded.folder)
    (run,) = recorded.runs()

    wrote = invoke("export", "last", "-o", "run.json")
    stored = invoke("import", "run.json", "--store", "other.db", "--json")
    again = invoke("import", "run.json", "--store", "other.db")
    text = invoke("export", run.run_id[:6], "--store", "other.db").stdout
    done = recorded.agent("replay", "last", "--store", "other.db", "--", "one", "two")

    assert (wrote.exit_code, wrote.stdout) == (0, "")
    assert json.loads(stored.stdout) == {"run_id": run.run_id, "spans": 5}
    assert again.exit_code == 0
    assert text == (recorded.folder / "run.json").read_text()
    assert done.returncode == 0, done.stderr


def test_a_file_that_cannot_be_written(recorded, invoke, monkeypatch):
    """A wrong path is a wrong command line."""
    monkeypatch.chdir(recorded.folder)

    assert invoke("export", "last", "-o", "nowhere/run.json").exit_code == 2


# --- push -------------------------------------------------------------------------


def test_stored_spans_are_pushed_as_they_are(recorded, invoke, monkeypatch):
    """Their own ids, times, names, and numbers as numbers."""
    monkeypatch.chdir(recorded.folder)
    monkeypatch.setenv(
        "OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x,tenant=a"
    )
    with open_store() as store:
        stored = {s.span_id: s for s in store.recording(store.runs()[0].run_id).spans}

    with Sink(TAKEN) as sink:
        done = invoke("push", "last", "--otlp", sink.url, "--json")
        (request,) = sink.requests
        sent = sink.spans()

    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["spans"] == len(stored) == len(sent) == 5
    assert (request.method, request.path) == ("POST", "/v1/traces")
    assert dict(request.headers)["Authorization"] == "Bearer x"
    for span, resource, scope in sent:
        record = stored.pop(span.span_id.hex())
        assert span.trace_id.hex() == record.trace_id
        assert span.parent_span_id.hex() == record.parent_span_id
        times = (record.start_ns, record.end_ns)
        assert (span.start_time_unix_nano, span.end_time_unix_nano) == times
        assert {each.key for each in span.attributes} == set(record.attributes)
        assert {each.key for each in resource.attributes} == set(record.resource)
        assert scope.name == record.scope_name
        assert [each.name for each in span.events] == [e.name for e in record.events]


def record(**changed: object) -> SpanRecord:
    """Return a span."""
    given = {
        "trace_id": "0" * 31 + "1",
        "span_id": "0" * 15 + "2",
        "name": "chat",
        "start_ns": 5,
        "end_ns": 7,
    }
    return SpanRecord(**given | changed)


def test_every_field_of_a_span_is_sent():
    """With the types that the conventions give the attributes."""
    span = record(
        kind="Client",
        status_code="Error",
        status_message="no",
        trace_state="a=b",
        attributes={
            semconv.USAGE_INPUT_TOKENS: "12",
            semconv.REQUEST_TEMPERATURE: "0.5",
            semconv.REQUEST_STREAM: "true",
            semconv.RESPONSE_FINISH_REASONS: '["stop"]',
            semconv.REQUEST_SEED: "no number",
            semconv.RUN_DROPPED + "queue": "3",
            "lone": "\ud800",
        },
        events=(EventRecord(name="e", time_ns=6, attributes={"k": "v"}),),
        links=(LinkRecord(trace_id="0" * 31 + "3", span_id="0" * 15 + "4"),),
    )

    (request,) = requests_of([span])

    sent = request.resource_spans[0].scope_spans[0].spans[0]
    values = {each.key: MessageToDict(each.value) for each in sent.attributes}
    assert values == {
        semconv.USAGE_INPUT_TOKENS: {"intValue": "12"},
        semconv.REQUEST_TEMPERATURE: {"doubleValue": 0.5},
        semconv.REQUEST_STREAM: {"boolValue": True},
        semconv.RESPONSE_FINISH_REASONS: {
            "arrayValue": {"values": [{"stringValue": "stop"}]}
        },
        semconv.REQUEST_SEED: {"stringValue": "no number"},
        semconv.RUN_DROPPED + "queue": {"intValue": "3"},
        "lone": {"stringValue": "?"},
    }
    assert (sent.kind, sent.trace_state) == (sent.SPAN_KIND_CLIENT, "a=b")
    assert (sent.status.code, sent.status.message) == (2, "no")
    assert [(e.name, e.time_unix_nano) for e in sent.events] == [("e", 6)]
    assert sent.links[0].span_id.hex() == "0" * 15 + "4"


def test_requests_stay_below_the_limit():
    """Many spans go out in parts, in order; a big one goes alone."""
    small = [record(span_id=f"{n:016x}", attributes={"a": "x" * 90}) for n in range(50)]
    big = record(
        span_id="f" * 16, attributes={"a": "x" * 5000}, resource={"r": "y" * 9}
    )

    parts = list(requests_of([*small, big], limit=1000))

    sizes = [part.ByteSize() for part in parts]
    ids = [
        span.span_id.hex()
        for part in parts
        for resource in part.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert max(sizes[:-1]) < 1000 < sizes[-1]
    assert ids == [each.span_id for each in [*small, big]]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (
            Reply(status=401, body=b"who are you?"),
            "it answers 401 Unauthorized who are",
        ),
        (Reply(status=413), "as too large"),
        (
            Reply(
                body=ExportTraceServiceResponse(
                    partial_success={"rejected_spans": 2, "error_message": "too old"}
                ).SerializeToString()
            ),
            "it refuses 2 spans: too old",
        ),
    ],
)
def test_a_receiver_that_refuses(recorded, invoke, monkeypatch, reply, said):
    """The message says what it said."""
    monkeypatch.chdir(recorded.folder)

    with Sink(reply) as sink:
        done = invoke("push", "last", "--otlp", f"{sink.url}/v1/traces")

    assert done.exit_code == 92
    assert said in done.stderr


def test_a_receiver_that_is_not_there(recorded, invoke, monkeypatch):
    """Or an address that is none."""
    monkeypatch.chdir(recorded.folder)

    refused = invoke("push", "last", "--otlp", "http://127.0.0.1:1")
    none = invoke("push", "last", "--otlp", "127.0.0.1:4318")

    assert (refused.exit_code, none.exit_code) == (92, 92)
    assert "Connection refused" in refused.stderr
    assert "does not begin with http://" in none.stderr


# --- doctor -----------------------------------------------------------------------


def findings(invoke, *words: str) -> dict[str, list[str]]:
    """Return what doctor found, by grade."""
    found: dict[str, list[str]] = {}
    for each in json.loads(invoke("doctor", "--json", *words).stdout):
        found.setdefault(each["grade"], []).append(f"{each['area']}: {each['text']}")
    return found


def test_doctor_finds_nothing_wrong(recorded, invoke, monkeypatch):
    """It says what is installed, and that the store's schema is current."""
    monkeypatch.chdir(recorded.folder)

    found = findings(invoke)

    text = "\n".join(found["ok"])
    assert set(found) <= {"ok", "note"}
    assert "model sdks: openai " in text
    assert "http clients: httpx" in text
    assert "store: 1 run, 5 spans" in text
    assert "settings: redaction is on" in text


def test_doctor_warns(invoke, monkeypatch):
    """Of limits that cut payloads, of an SDK and of redaction that are off."""
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "1000")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "True")
    monkeypatch.setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "128")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp, agent_replay")
    monkeypatch.setenv("AGENT_REPLAY_REDACT", "off")

    found = findings(invoke)
    code = invoke("doctor").exit_code

    assert code == 0
    warned = "\n".join(found["warning"])
    assert "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT=1000 cuts or drops" in warned
    assert "EVENT_COUNT" not in warned
    assert "redaction is off" in warned
    assert "OTEL_SDK_DISABLED is set: nothing would be recorded" in warned
    assert "OTEL_TRACES_EXPORTER names agent_replay" in "\n".join(found["ok"])


@pytest.mark.parametrize(
    ("name", "value"),
    [("REDACT", "perhaps"), ("EFFECTS", "clok"), ("REDACT_PATTERNS", "(")],
)
def test_doctor_names_a_setting_without_meaning(invoke, monkeypatch, name, value):
    """As a problem, with the exit code of its error."""
    monkeypatch.setenv(f"AGENT_REPLAY_{name}", value)

    done = invoke("doctor")

    assert done.exit_code == 2
    assert "✗ settings" in done.stdout


def test_doctor_warns_of_variables_that_are_nearly_settings(invoke, monkeypatch):
    """Nobody else would tell; others of ours are passed over."""
    monkeypatch.setenv("AGENT_REPLAY_STROE", "sqlite:///x.db")
    monkeypatch.setenv("AGENT_REPLAY_CORPUS", "x")

    (warned,) = findings(invoke)["warning"]

    assert warned.endswith("STROE is no setting; did you mean AGENT_REPLAY_STORE?")


# --- completion, start-up -----------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(invoke, shell):
    """For each shell, and only the script on standard output."""
    done = invoke("completion", shell)

    assert done.exit_code == 0
    assert "_AGENT_REPLAY_COMPLETE" in done.stdout


def test_completion_guesses_the_shell(invoke, monkeypatch):
    """And then says how to install it; without a guess it asks."""
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    guessed = invoke("completion")
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    unknown = invoke("completion")

    assert (guessed.exit_code, unknown.exit_code) == (0, 2)
    assert "~/.config/fish" in guessed.stderr
    assert "Name a shell: bash, fish, zsh." in unknown.stderr


def test_run_ids_are_completed(recorded):
    """From the store of the settings, `last` among them."""
    (run,) = recorded.runs()
    asked = {"_AGENT_REPLAY_COMPLETE": "bash_complete", "COMP_CWORD": "2"}

    done = recorded.run(COMP_WORDS="agent-replay show ", **asked)
    partly = recorded.run(COMP_WORDS=f"agent-replay show {run.run_id[:4]}", **asked)

    assert done.stdout.split() == ["plain,last", f"plain,{run.run_id}"]
    assert partly.stdout.split() == [f"plain,{run.run_id}"]


def test_help_imports_little():
    """What lists the commands knows nothing of tables, stores and SDKs."""
    code = """
import sys
import otel_agent_replay
before = set(sys.modules)
from otel_agent_replay.cli.app import cli
try:
    cli.main(["--help"])
except SystemExit:
    pass
print(*sorted(set(sys.modules) - before), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    imported = done.stderr.split()
    assert "click" in imported
    assert "rich" not in imported
    assert [name for name in imported if name.startswith("otel_agent_replay")] == [
        "otel_agent_replay.cli",
        "otel_agent_replay.cli.app",
        "otel_agent_replay.cli.exit_codes",
    ]
