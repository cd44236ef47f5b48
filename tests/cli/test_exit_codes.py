"""Bad input: a clear message, an exit code of its own, no traceback."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import click
import pytest

from otel_agent_replay import errors, open_store
from otel_agent_replay.cli.app import COMMANDS, cli
from otel_agent_replay.cli.exit_codes import ExitCode, exit_code_of
from otel_agent_replay.cli.teaching import TeachingCommand
from tests.cli.conftest import CLI, environment

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def commands() -> dict[str, click.Command]:
    """Return every command by name, those of groups too."""
    context = click.Context(cli)
    found = {
        name: cli.get_command(context, name) for name in cli.list_commands(context)
    }
    known = {name: each for name, each in found.items() if each is not None}
    inner = {
        f"{name} {word}": command
        for name, each in known.items()
        if isinstance(each, click.Group)
        for word, command in each.commands.items()
    }
    return known | inner


def test_a_newer_store_is_refused(invoke, tmp_path):
    """The message says what to do."""
    url = f"sqlite:///{tmp_path}/runs.db"
    open_store(url).close()
    db = sqlite3.connect(tmp_path / "runs.db")
    with db:
        db.execute("INSERT INTO agent_replay_migrations VALUES (9999, 'later', '')")
    db.close()

    done = invoke("runs", "--store", url)

    assert (done.exit_code, done.stdout) == (85, "")
    assert "Upgrade otel-agent-replay" in done.stderr


def test_a_store_that_cannot_be_reached(invoke):
    """Whichever command asks for it."""
    for words in (["runs"], ["show", "last"], ["doctor"]):
        done = invoke(*words, "--store", "clickhouse://127.0.0.1:1/agents")

        assert done.exit_code == 83
        assert "cannot be reached" in done.stderr + done.stdout


def test_a_wrong_password(invoke, clickhouse_url):
    """The message does not hold it."""
    parts = urlsplit(clickhouse_url)
    host = parts.netloc.rpartition("@")[2]
    url = urlunsplit(parts._replace(netloc=f"default:not-the-password@{host}"))

    done = invoke("runs", "--store", url)

    assert (done.exit_code, done.stdout) == (84, "")
    assert "refuses access" in done.stderr
    assert "not-the-password" not in done.stderr


def test_a_url_that_names_no_store(invoke):
    """A setting without a meaning counts as usage."""
    done = invoke("runs", "--store", "mysql://x")

    assert done.exit_code == 2
    assert "mysql:// is not known" in done.stderr


def test_a_file_that_is_no_store(invoke, tmp_path):
    """Said, not shown as a traceback."""
    (tmp_path / "text.db").write_text("no database at all, but long enough" * 100)

    done = invoke("runs", "--store", f"sqlite:///{tmp_path}/text.db")

    assert done.exit_code == 83
    assert done.stderr.startswith("error: ")


def test_a_folder_is_no_store(invoke, tmp_path):
    """The message is about files, not about servers."""
    done = invoke("runs", "--store", f"sqlite:///{tmp_path}")

    assert done.exit_code == 83
    assert "it is no file. Check the path" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["reply"], "Did you mean 'replay'?"),
        (["goldn", "list"], "Did you mean 'golden'?"),
        (["runs", "--stat", "failed"], "--status"),
        (["replay", "last", "--bisect", "--", "x"], "agent-replay bisect GOOD BAD --"),
    ],
)
def test_what_is_misspelt_or_looked_for_elsewhere(invoke, words, said):
    """The message names what may have been meant."""
    done = invoke(*words)

    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_command_that_is_nothing_like_any(invoke):
    """It is no such command, and that is all; an option of none is none."""
    assert "No such command 'zzz'.\n" in invoke("zzz").stderr
    assert "No such option" in invoke("--zzz").stderr


def test_an_interrupted_command(desk):
    """A line and the exit code for it, no traceback."""
    process = desk.start("import", "-", start_new_session=True)
    # More than a pipe holds: this ends when the command is at work.
    process.stdin.write("{" * 300_000)
    process.stdin.flush()

    process.send_signal(signal.SIGINT)

    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.strip() == "Interrupted."


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a full device")
def test_a_full_disk_is_said(recorded):
    """Where the output goes to; no traceback."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*CLI, "runs", "--json"],
            cwd=recorded.folder,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "No space left on device" in done.stderr


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b'{"format": "agent-replay/recording"}']
)
def test_a_damaged_recording(invoke, tmp_path, content):
    """Nothing is stored, not even a store."""
    (tmp_path / "damaged.json").write_bytes(content)

    done = invoke("import", "damaged.json", "--store", "sqlite:///new.db")

    assert (done.exit_code, done.stdout) == (86, "")
    assert "damaged.json is no readable recording" in done.stderr
    assert not (tmp_path / "new.db").exists()


def test_a_recording_that_was_changed(recorded, invoke, monkeypatch):
    """Its digest says so."""
    monkeypatch.chdir(recorded.folder)
    text = invoke("export", "last").stdout
    (recorded.folder / "changed.json").write_text(text.replace("page 1", "page 7"))

    done = invoke("import", "changed.json", "--store", "sqlite:///new.db")

    assert done.exit_code == 86
    assert "was changed or damaged" in done.stderr


def test_a_recording_that_is_not_there(invoke):
    """A wrong file name is a wrong command line."""
    assert invoke("import", "nowhere.json").exit_code == 2


def test_every_error_that_a_command_meets_has_its_exit_code():
    """Those of stores, files, sessions, programs and receivers; a new one of a store too."""
    met = [
        *errors.StoreError.__subclasses__(),
        errors.ConfigurationError,
        errors.DivergenceError,
        errors.LaunchError,
        errors.PushError,
        errors.RecordingError,
        errors.RunIncompleteError,
        errors.StepNotFoundError,
        errors.WriteBlockedError,
    ]

    codes = [exit_code_of(cls.__new__(cls)) for cls in met]

    assert ExitCode.UNEXPECTED not in codes
    assert len(codes) == len(set(codes))


def test_exit_codes_are_distinct_and_documented():
    """Each number stands for one thing, and stands in the page."""
    codes = [int(code) for code in ExitCode]
    page = PAGE.read_text(encoding="utf-8")

    assert len(codes) == len(set(codes))
    assert all(f"\n| {code} | " in page for code in codes)


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_and_option_is_documented(name):
    """In its own part of the page, with every spelling."""
    page = PAGE.read_text(encoding="utf-8")
    start = page.index(f"### agent-replay {name}\n")
    part = page[start:].split("\n## ")[0].split("\n### ")[0]

    for parameter in commands()[name].params:
        spellings = parameter.opts if isinstance(parameter, click.Option) else []
        for spelling in spellings:
            assert f"`{spelling}" in part, f"{name} {spelling}"


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_help_teaches(name, invoke):
    """A paragraph more than a line, examples, a word on every option, 80 columns."""
    command = commands()[name]
    done = invoke(*name.split(), "--help", env={"COLUMNS": "80"})

    assert isinstance(command, TeachingCommand)
    assert done.exit_code == 0
    assert (
        "Examples:\n  agent-replay " in done.stdout or "Examples:\n  e" in done.stdout
    )
    assert len((command.help or "").split()) > 20
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert all(each.help for each in options)
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_overview_names_what_the_commands_are():
    """Each command is under one heading, and its line says what its help begins with."""
    listed = [name for part in COMMANDS.values() for name in part]

    outer = [name for name in commands() if " " not in name]

    assert sorted(listed) == sorted(outer)


def test_unexpected_errors_are_not_hidden(invoke, monkeypatch):
    """They keep their traceback: whoever reports them needs it."""
    monkeypatch.setattr("otel_agent_replay.cli.found.load_settings", lambda: 1 / 0)

    done = invoke("runs")

    assert isinstance(done.exception, ZeroDivisionError)


def test_a_run_id_of_a_file_can_do_no_harm(recorded, invoke, monkeypatch):
    """Control characters of an imported run's id are not printed."""
    from otel_agent_replay import semconv
    from otel_agent_replay.replay.codec import dump_recording

    monkeypatch.chdir(recorded.folder)
    evil = "\x1b]0;owned\x07"
    with open_store() as store:
        recording = store.recording(store.runs()[0].run_id)
    spans = tuple(
        replace(span, attributes={**span.attributes, semconv.RUN_ID: evil})
        for span in recording.spans
    )
    text = dump_recording(replace(recording, run_id=evil, spans=spans))
    (recorded.folder / "evil.json").write_text(text)

    said = [
        invoke("import", "evil.json", "--store", "evil.db"),
        invoke("runs", "--store", "evil.db"),
        invoke("show", "last", "--store", "evil.db"),
        invoke("compare", "last", "last", "--store", "evil.db"),
        invoke("erase", "last", "--yes", "--store", "evil.db"),
    ]

    assert [done.exit_code for done in said] == [0] * len(said)
    assert not any("\x1b" in done.stdout + done.stderr for done in said)
