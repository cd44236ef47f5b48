"""One program, never edited, started in three ways: the recordings are the same."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from otel_agent_replay import open_store
from otel_agent_replay.model.run import Run
from otel_agent_replay.testing import Answer, ScriptedProvider, ToolCall

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "examples" / "plain_agent.py"
TOOL = "__main__:opening_hours"
INSTRUMENT = Path(sys.executable).with_name("opentelemetry-instrument")
CONFIGURED = f"""
import runpy
import otel_agent_replay

otel_agent_replay.configure(tools=["{TOOL}"], agent_name="plain_agent")
runpy.run_path({str(PROGRAM)!r}, run_name="__main__")
"""
NAMES = {each.name for each in entry_points(group="opentelemetry_traces_exporter")}


def answer(request) -> Answer:
    """Ask for the hours, then say them."""
    if request.json.get("previous_response_id"):
        return Answer(text="The shop in Oslo opens at 10.")
    return Answer(tool_calls=[ToolCall("opening_hours", {"city": "Oslo"})])


def record(folder: Path, command: list[str], **settings: str) -> Run:
    """Run a command in a directory of its own; return the one run it recorded."""
    folder.mkdir()
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    # The same address each time: it is a part of what is sent.
    with ScriptedProvider(script=answer, port=PORT.number) as provider:
        PORT.number = provider.port
        environment = {
            **os.environ,
            "PYTHONPATH": path,
            "OPENAI_BASE_URL": provider.base_url,
            "OPENAI_API_KEY": "any",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            **settings,
        }
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stdout) == (0, "The shop in Oslo opens at 10.\n"), (
        done.stderr
    )
    with open_store(f"sqlite:///{folder}/.agent-replay/runs.db") as store:
        (summary,) = store.runs()
        return store.load(summary.run_id)


class PORT:
    """The provider's port, free at first."""

    number = 0


def what_happened(run: Run) -> list[object]:
    """Return all of a run but times, ids and headers."""
    steps = [
        (
            step.call.kind,
            step.call.name,
            step.call.arguments,
            step.call.effect,
            step.parent,
            step.fidelity,
            step.outcome.value,
            step.outcome.error,
            step.outcome.response and step.outcome.response.body,
            step.outcome.response and len(step.outcome.response.chunks),
            step.request,
            step.response,
            step.cost_usd,
        )
        for step in run.steps
    ]
    return [run.agent_name, run.status, run.gaps, run.input, run.output, *steps]


def record_command(*command: str) -> list[str]:
    """Return the command under the launcher."""
    cli = [sys.executable, "-m", "otel_agent_replay.cli"]
    return [*cli, "record", "-q", "--tool", TOOL, "--", *command]


@pytest.mark.skipif(
    not INSTRUMENT.exists() or "agent_replay" not in NAMES,
    reason="needs the extra `auto`, and this package installed",
)
def test_three_ways_to_record_give_the_same_steps(tmp_path):
    """`record --`, `opentelemetry-instrument`, and `configure()`."""
    program = [sys.executable, str(PROGRAM)]

    launched = record(tmp_path / "launched", record_command(*program))
    instrumented = record(
        tmp_path / "instrumented",
        [str(INSTRUMENT), *program],
        OTEL_TRACES_EXPORTER="agent_replay",
        AGENT_REPLAY_TOOLS=TOOL,
    )
    configured = record(tmp_path / "configured", [sys.executable, "-c", CONFIGURED])
    both = record(
        tmp_path / "both",
        record_command(str(INSTRUMENT), *program),
        OTEL_TRACES_EXPORTER="none",
    )

    steps = [(step.call.kind, step.call.name) for step in launched.steps]
    assert [kind for kind, _ in steps] == ["model", "tool", "model"]
    assert steps[1] == ("tool", "opening_hours")
    assert launched.steps[1].outcome.value == "10-18"
    for other in (instrumented, configured, both):
        assert what_happened(other) == what_happened(launched)


@pytest.mark.skipif(not INSTRUMENT.exists(), reason="needs the extra `auto`")
@pytest.mark.parametrize("exporter", ["agent_replay", "none"])
def test_under_opentelemetry_instrument_a_replay_stays_offline(tmp_path, exporter):
    """Its `sitecustomize` hides ours; the session is opened all the same."""
    program = [str(INSTRUMENT), sys.executable, str(PROGRAM)]
    folder = tmp_path / "runs"
    record(folder, record_command(*program), OTEL_TRACES_EXPORTER=exporter)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
        "OPENAI_API_KEY": "any",
        "OTEL_TRACES_EXPORTER": exporter,
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }

    done = subprocess.run(
        [*record_command()[:3], "replay", "last", "--", *program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "The shop in Oslo opens at 10.\n"), (
        done.stderr
    )
