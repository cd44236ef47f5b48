"""The server for tests starts, keeps what it should, and leaves nothing running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import otel_agent_replay.errors
from otel_agent_replay.errors import ConfigurationError, StoreUnavailableError
from otel_agent_replay.store import open_store
from otel_agent_replay.testing import clickhouse as module
from otel_agent_replay.testing.clickhouse import ClickHouseServer

pytestmark = pytest.mark.external_service

_VARIABLE = "AGENT_REPLAY_TEST_CLICKHOUSE"
_ROOT = Path(otel_agent_replay.errors.__file__).absolute().parents[1]


@pytest.fixture(autouse=True)
def _package(monkeypatch):
    if not module.available({}):
        pytest.skip(module.ABSENT)
    monkeypatch.delenv(_VARIABLE, raising=False)


def test_it_ends_with_its_context_and_keeps_a_given_directory(tmp_path):
    """After the context nobody answers; a directory of one's own keeps its data."""
    with ClickHouseServer(directory=tmp_path / "kept", environment={}) as server:
        server.execute("CREATE DATABASE kept")
        url = server.base_url
    with ClickHouseServer(directory=tmp_path / "kept", environment={}) as again:
        assert "kept" in again.execute("SHOW DATABASES").split()

    with pytest.raises(StoreUnavailableError):
        open_store(f"{url}/kept")


def test_an_external_server_is_used_instead(clickhouse):
    """With the variable set nothing is started, and databases are dropped."""
    external = {_VARIABLE: f"{clickhouse.base_url}/?secure=false"}
    with ClickHouseServer(environment=external) as server, server.database() as url:
        name = urlsplit(url).path[1:]
        open_store(url).close()
        assert server.base_url == clickhouse.base_url
    assert name not in clickhouse.execute("SHOW DATABASES").split()


def test_without_the_package_it_says_what_to_install(monkeypatch):
    """The error names the extra and the variable."""
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda _: None)

    with (
        pytest.raises(ConfigurationError, match="clickhouse-server.*" + _VARIABLE),
        ClickHouseServer(environment={}),
    ):
        pass


def test_the_command_serves_and_a_killed_parent_leaves_no_server(tmp_path):
    """`python -m` prints a URL that works; after SIGKILL the engine is gone too."""
    command = subprocess.Popen(
        [sys.executable, "-m", module.__name__, "--directory", str(tmp_path / "data")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    )
    with command:
        url = command.stdout.readline().strip()
        open_store(url).close()
        command.send_signal(signal.SIGKILL)

    assert _is_gone(urlsplit(url).port)


def _is_gone(port: int) -> bool:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1):
                pass
        except (urllib.error.URLError, OSError):
            return True
    return False
