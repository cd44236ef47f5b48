"""Both back ends keep intentions as the published contract says."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.register_assert_rewrite("otel_agent_replay.testing.store_contract_intentions")

from otel_agent_replay.errors import StoreUnavailableError  # noqa: E402
from otel_agent_replay.store import open_intentions, open_store  # noqa: E402
from otel_agent_replay.testing.store_contract_intentions import (  # noqa: E402
    IntentionContract,
)


class TestSqlite(IntentionContract):
    @pytest.fixture
    def connect(self, tmp_path: Path):
        return lambda: open_store(f"sqlite:///{tmp_path}/runs.db")

    @pytest.fixture
    def intentions(self, tmp_path: Path):
        return lambda: open_intentions(f"sqlite:///{tmp_path}/runs.db")


@pytest.mark.external_service
class TestClickHouse(IntentionContract):
    @pytest.fixture
    def connect(self, clickhouse_url: str):
        return lambda: open_store(clickhouse_url)

    @pytest.fixture
    def intentions(self, clickhouse_url: str):
        return lambda: open_intentions(clickhouse_url)


def test_a_store_that_is_not_there_is_said(tmp_path: Path):
    """No file is made by asking for its intentions."""
    with pytest.raises(StoreUnavailableError):
        open_intentions(f"sqlite:///{tmp_path}/none.db")

    assert not [*tmp_path.iterdir()]


def test_intentions_reach_the_disk_before_they_return(tmp_path: Path):
    """The connection waits for the disk at each commit, whatever the store's does."""
    url = f"sqlite:///{tmp_path}/runs.db"
    open_store(url).close()
    log = open_intentions(url)

    with log._file.reading() as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    log.close()
