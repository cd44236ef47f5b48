"""Stores for writes."""

from __future__ import annotations

from pathlib import Path

import pytest

import otel_agent_replay


@pytest.fixture(params=["sqlite", "clickhouse"])
def url(request, tmp_path: Path) -> str:
    """Record into a new store."""
    found = f"sqlite:///{tmp_path}/runs.db"
    if request.param == "clickhouse":
        found = request.getfixturevalue("clickhouse_url")
    otel_agent_replay.configure(store=found, spool=str(tmp_path / "spool"))
    return found


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    """Record into a new file."""
    found = f"sqlite:///{tmp_path}/runs.db"
    otel_agent_replay.configure(store=found)
    return found
