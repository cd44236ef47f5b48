"""A URL names a store; what it cannot name is said."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from otel_agent_replay.errors import ConfigurationError, StoreUnavailableError
from otel_agent_replay.store import Store, open_store


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///sub/runs.db", "sub/runs.db"),
        ("sqlite:///{tmp}/abs/runs.db", "abs/runs.db"),
        ("plain/runs.db", "plain/runs.db"),
        ("{tmp}/with space.db", "with space.db"),
    ],
)
def test_sqlite_urls(url, path, tmp_path, monkeypatch):
    """Relative, absolute and plain paths open a file, made with its directories."""
    monkeypatch.chdir(tmp_path)
    store = open_store(url.format(tmp=tmp_path))

    assert isinstance(store, Store)
    assert (tmp_path / path).is_file()
    store.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgres://me:secret@host/db", "postgres:// is not known; use sqlite:///"),
        ("sqlite://runs.db", "sqlite:///relative/path"),
        ("sqlite:///", "path is empty"),
        ("", "path is empty"),
        ("clickhouse://", "names no host"),
        ("clickhouse://u:secret@host:port/db", "no valid host and port"),
        ("clickhouse://u:secret@host/db?colour=red", "does not take colour=red"),
        ("clickhouse://u:secret@host/db?connect_timeout=soon", "connect_timeout"),
    ],
)
def test_what_names_no_store_is_said(url, said):
    """The message says what is wrong and what is allowed, never the password."""
    with pytest.raises(ConfigurationError) as caught:
        open_store(url)

    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_nothing_is_made_without_create(tmp_path: Path):
    """Reading from a store that is not there leaves nothing behind."""
    with pytest.raises(StoreUnavailableError, match="no such file"):
        open_store(f"sqlite:///{tmp_path}/none/runs.db", create=False)

    assert not [*tmp_path.iterdir()]


def test_files_are_the_owners_alone(tmp_path: Path):
    """File, log and new directories can be read by nobody else."""
    store = open_store(f"{tmp_path}/new/deep/runs.db")
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")
    }
    store.close()

    assert modes["runs.db"] == modes["runs.db-wal"] == 0o600
    assert modes["new"] == modes["deep"] == 0o700


def test_opening_sqlite_does_not_import_clickhouse(tmp_path: Path):
    """The client of a back end that is not used costs no import time."""
    code = (
        "import sys; from otel_agent_replay.store import open_store;"
        f"open_store('sqlite:///{tmp_path}/runs.db');"
        "print([n for n in sys.modules if 'clickhouse' in n])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
