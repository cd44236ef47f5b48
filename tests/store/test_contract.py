"""Both back ends pass the contract suite that the package publishes."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.register_assert_rewrite(
    "otel_agent_replay.testing.store_contract",
    "otel_agent_replay.testing.store_contract_runs",
    "otel_agent_replay.testing.store_contract_upkeep",
)

from otel_agent_replay.store import open_store  # noqa: E402
from otel_agent_replay.testing.store_contract import (  # noqa: E402
    Connect,
    StoreContract,
)


class TestSqlite(StoreContract):
    @pytest.fixture
    def connect(self, tmp_path: Path) -> Connect:
        return lambda: open_store(f"sqlite:///{tmp_path}/new/runs.db")


@pytest.mark.external_service
class TestClickHouse(StoreContract):
    @pytest.fixture
    def connect(self, clickhouse_url: str) -> Connect:
        return lambda: open_store(clickhouse_url)
