"""What the tests of the stores share: a ClickHouse store, and a plain client beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from otel_agent_replay.store import Store, open_store
from otel_agent_replay.store.states import HoldsStates, States


def _client_of(url: str) -> Client:
    parts = urlsplit(url)
    return clickhouse_connect.get_client(
        host=parts.hostname,
        port=parts.port,
        username=parts.username,
        password=parts.password,
        database=parts.path[1:],
    )


@pytest.fixture
def client_of() -> Callable[[str], Client]:
    """Return what gives a plain client of the database at a URL."""
    return _client_of


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    """Return a plain client of the test's database."""
    with _client_of(clickhouse_url) as opened:
        yield opened


@pytest.fixture
def store(clickhouse_url: str) -> Iterator[Store]:
    """Return the ClickHouse store of the test's database."""
    opened = open_store(clickhouse_url)
    yield opened
    opened.close()


@pytest.fixture(
    params=["sqlite", pytest.param("clickhouse", marks=pytest.mark.external_service)]
)
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Return what opens a new store, of either kind, as another process would."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/runs.db"
    else:
        url = request.getfixturevalue("clickhouse_url")
    return lambda: open_store(url)


@pytest.fixture
def opened(connect: Callable[[], Store]) -> Iterator[Store]:
    """Return a new store of either kind."""
    made = connect()
    yield made
    made.close()


@pytest.fixture
def states(opened: Store) -> States:
    """Return the states in a new store of either kind."""
    assert isinstance(opened, HoldsStates)
    return opened.states()
