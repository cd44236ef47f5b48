"""`agent-replay demo`, as the README's first command runs it."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest

from otel_agent_replay.cli.demo.stage import Stage
from otel_agent_replay.cli.terminal import Screen

CHECKS = 19


def test_every_step_holds(desk):
    """Exit code 0, each check shown; settings from outside do not matter."""
    done = desk.run(
        "demo",
        "--keep",
        "kept",
        AGENT_REPLAY_STORE="clickhouse://nowhere:1/x",
        AGENT_REPLAY_REDACT="off",
        OPENAI_BASE_URL="http://127.0.0.1:1",
        CI="true",
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓ ") == CHECKS
    assert "✗" not in done.stdout
    assert f"All {CHECKS} checks hold." in done.stdout
    kept = desk.folder / "kept"
    assert {each.name for each in kept.iterdir()} >= {
        ".agent-replay",
        "incident_agent.py",
        "tests",
    }
    assert (kept / "tests" / "goldens" / "support.json").exists()
    test = [sys.executable, "-m", "pytest", "-q", "tests"]
    for fixed, code in (("1", 0), ("", 1)):
        environment = {**os.environ, "INCIDENT_FIXED": fixed}
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        again = subprocess.run(
            test, cwd=kept, env=environment, capture_output=True, check=False
        )
        assert again.returncode == code, again.stdout


def test_a_directory_that_is_in_use_is_left_alone(desk):
    """The demo wants a new one."""
    done = desk.run("demo", "--keep", ".")

    assert done.returncode == 2
    assert "is not empty" in done.stderr


def test_the_sdk_that_it_needs(invoke, monkeypatch):
    """Where it is missing, the message says what to install."""
    monkeypatch.setitem(sys.modules, "openai", None)

    done = invoke("demo")

    assert done.exit_code == 79
    assert "pip install 'otel-agent-replay[demo]'" in done.stderr


def test_a_check_that_fails_ends_the_demo(capsys):
    """With what was found, and an exit code of its own."""
    stage = Stage(Screen())
    stage.check("water is wet", holds=True)

    with pytest.raises(click.exceptions.Exit) as ended:
        stage.check("fire is cold", holds=False, found="900 degrees")

    assert ended.value.exit_code == 79
    assert stage.checks == 1
    assert capsys.readouterr().out.splitlines() == [
        "✓ water is wet",
        "✗ fire is cold",
        "  found: 900 degrees",
    ]
