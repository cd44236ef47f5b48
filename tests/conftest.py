"""Every test starts with a clean environment and an empty directory."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import otel_agent_replay
from otel_agent_replay._setup.redaction import use_policy
from otel_agent_replay.testing.clickhouse import ABSENT, ClickHouseServer, available


def pytest_collection_finish() -> None:
    """Spare the collector what was imported until now: it stays."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def clean_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No settings from outside, nothing left recording."""
    for name in list(os.environ):
        if name.startswith("AGENT_REPLAY_") and name not in {
            "AGENT_REPLAY_CORPUS",
            "AGENT_REPLAY_TEST_CLICKHOUSE",
            "AGENT_REPLAY_TEST_COLLECTOR",
        }:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    yield
    otel_agent_replay.shutdown()
    use_policy(None)


@pytest.fixture(autouse=True, scope="module")
def what_is_left_open_is_told_here() -> Iterator[None]:
    """Collect garbage with each module, so that none of it fails another module's test."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def clickhouse() -> Iterator[ClickHouseServer]:
    """Return a running server; one a session."""
    if not available():
        pytest.skip(ABSENT)
    with ClickHouseServer() as server:
        yield server


@pytest.fixture
def clickhouse_url(clickhouse: ClickHouseServer) -> Iterator[str]:
    """Return the URL of an empty database."""
    with clickhouse.database() as url:
        yield url
