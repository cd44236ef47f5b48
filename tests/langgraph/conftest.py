"""Savers on both stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("langgraph")

from otel_agent_replay.langgraph import AgentReplaySaver


@pytest.fixture(
    params=["sqlite", pytest.param("clickhouse", marks=pytest.mark.external_service)]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty store, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/runs.db"
    return request.getfixturevalue("clickhouse_url")


@pytest.fixture
def open_saver(url: str) -> Iterator[Callable[..., AgentReplaySaver]]:
    """Return what opens a new saver on the store, as another process would."""
    opened: list[AgentReplaySaver] = []

    def make(**options) -> AgentReplaySaver:
        opened.append(AgentReplaySaver(url, **options))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.fixture
def saver(open_saver) -> AgentReplaySaver:
    return open_saver()
