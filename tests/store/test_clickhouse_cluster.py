"""The layout of a cluster, as far as one server can be one.

One server has no Keeper, so ON CLUSTER and replication are taken out of the
statements before they run; the shards' tables and the Distributed ones are real.
"""

from __future__ import annotations

import re

import pytest

pytest.register_assert_rewrite(
    "otel_agent_replay.testing.store_contract",
    "otel_agent_replay.testing.store_contract_runs",
    "otel_agent_replay.testing.store_contract_upkeep",
)

from otel_agent_replay.model.content import PackedBatch, Packer  # noqa: E402
from otel_agent_replay.store import open_store  # noqa: E402
from otel_agent_replay.store.clickhouse_schema import ddl  # noqa: E402
from otel_agent_replay.testing.clickhouse import (  # noqa: E402
    ABSENT,
    ClickHouseServer,
    available,
)
from otel_agent_replay.testing.store_contract import StoreContract  # noqa: E402
from otel_agent_replay.testing.store_samples import sample_run  # noqa: E402

pytestmark = pytest.mark.external_service

_CONFIGURATION = """
  <macros><shard>01</shard><replica>one</replica></macros>
  <remote_servers><agents><shard><replica>
    <host>127.0.0.1</host><port>TCP_PORT</port><user>default</user>
  </replica></shard></agents></remote_servers>
  <zookeeper><implementation>testkeeper</implementation></zookeeper>
"""


@pytest.fixture(scope="module")
def server():
    """Return a server that is the only one of the cluster `agents`."""
    if not available({}):
        pytest.skip(ABSENT)
    with ClickHouseServer(environment={}, configuration=_CONFIGURATION) as running:
        yield running


@pytest.fixture
def cluster_url(server, client_of):
    """Return the URL of a database that has the tables of a cluster."""
    with server.database() as url:
        with client_of(url) as client:
            for statement in _statements():
                client.command(_alone(statement))
        yield url


def _statements():
    return [each for each in ddl(cluster="agents").split(";\n\n") if each.strip()]


def _alone(statement):
    statement = statement.replace(" ON CLUSTER 'agents'", "")
    statement = re.sub(r"Replicated(\w+)\('[^']*', '[^']*'(?:, )?", r"\1(", statement)
    return re.sub(
        r"replicated_deduplication_window = (\d+), \w+ = \d+",
        r"non_replicated_deduplication_window = \1",
        statement,
    )


class TestCluster(StoreContract):
    @pytest.fixture
    def connect(self, cluster_url):
        return lambda: open_store(cluster_url)


def test_a_batch_that_comes_again_changes_nothing_on_the_shards(cluster_url, client_of):
    """A token counts once, through the Distributed tables as well."""
    packed = tuple(map(Packer().pack, sample_run("twice")))
    batch = PackedBatch(token="one", spans=packed)
    store = open_store(cluster_url)
    for _ in range(3):
        store.write_packed(batch)
    query = """SELECT (SELECT count() FROM otel_traces_local),
        (SELECT sum(Rows) FROM agent_replay_runs_local)"""

    with client_of(cluster_url) as client:
        assert client.query(query).result_rows == [(4, 4)]
    store.close()


def test_every_table_is_made_on_the_whole_cluster(server, client_of):
    """The statements are valid ones of a replicated table, for each server."""
    statements = _statements()
    made = [each for each in statements if not each.startswith("INSERT")]
    with server.database() as url, client_of(url) as client:
        assert all(" ON CLUSTER 'agents'" in each for each in made)
        for statement in made:
            if " ENGINE = Replicated" in statement:
                client.command(statement.replace(" ON CLUSTER 'agents'", ""))
        engines = client.query(
            "SELECT DISTINCT engine FROM system.tables"
            " WHERE database = currentDatabase() ORDER BY engine"
        ).result_columns[0]

    assert engines == [
        "ReplicatedAggregatingMergeTree",
        "ReplicatedMergeTree",
        "ReplicatedReplacingMergeTree",
    ]
