"""LangGraph's own conformance suite over our saver, on both stores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytest.importorskip("langgraph.checkpoint.conformance")

from langgraph.checkpoint.conformance.capabilities import ALL_CAPABILITIES
from langgraph.checkpoint.conformance.initializer import RegisteredCheckpointer
from langgraph.checkpoint.conformance.validate import validate

from otel_agent_replay.langgraph import AgentReplaySaver


async def conforms(url: str) -> None:
    """Run the suite; every capability must be there, and every test pass."""

    async def make() -> AsyncIterator[AgentReplaySaver]:
        with AgentReplaySaver(url) as saver:
            yield saver

    report = await validate(RegisteredCheckpointer(name="ours", factory=make))

    assert {*report.results} == {each.value for each in ALL_CAPABILITIES}
    failures = {name: found.failures for name, found in report.results.items()}
    assert not any(failures.values()), failures
    assert all(found.passed for found in report.results.values())
    assert sum(found.tests_passed for found in report.results.values()) >= 81


async def test_on_sqlite(tmp_path: Path):
    """Base and extended capabilities hold on a SQLite file."""
    await conforms(f"sqlite:///{tmp_path}/runs.db")


@pytest.mark.external_service
async def test_on_clickhouse(clickhouse_url: str):
    """Base and extended capabilities hold on a ClickHouse server."""
    await conforms(clickhouse_url)
