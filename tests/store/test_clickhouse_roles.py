"""Who may do what on a server: the roles that `deploy/clickhouse` gives out."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import otel_agent_replay
from otel_agent_replay import agent, resume, semconv, tool
from otel_agent_replay.errors import (
    RunNotFoundError,
    StoreAccessError,
    WriteNotBegunError,
)
from otel_agent_replay.model.run import RunFilter
from otel_agent_replay.store import open_store
from otel_agent_replay.testing.clickhouse import ABSENT, ClickHouseServer, available
from otel_agent_replay.testing.store_samples import hex_id, sample_run

pytestmark = pytest.mark.external_service

_SAMPLES = RunFilter(agent="triage")
_USERS = Path(__file__).parents[2] / "deploy" / "clickhouse" / "users.xml"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Return a server with the users of deploy/clickhouse and two tenants' runs."""
    if not available({}):
        pytest.skip(ABSENT)
    directory = tmp_path_factory.mktemp("roles")
    (directory / "users.d").mkdir()
    shutil.copy(_USERS, directory / "users.d" / "agent_replay.xml")
    with ClickHouseServer(directory=directory, environment={}) as running:
        store = open_store(f"{running.base_url}/agent_replay")
        for tenant in ("blue", "red"):
            store.write(_of(tenant, sample_run(tenant)))
        store.close()
        yield running


def _of(tenant, run):
    resource = {semconv.SERVICE_NAMESPACE: tenant}
    return [replace(span, resource={**span.resource, **resource}) for span in run]


@pytest.fixture
def url_of(server):
    """Return what gives the store's URL for a user."""
    port = server.base_url.rpartition(":")[2]
    return lambda user: f"clickhouse://{user}:change-me@127.0.0.1:{port}/agent_replay"


@pytest.fixture
def connect(url_of):
    """Return what opens the store as a user."""
    opened = []

    def connect_as(user):
        opened.append(open_store(url_of(user)))
        return opened[-1]

    yield connect_as
    for store in opened:
        store.close()


def test_a_writer_writes_and_cannot_read(server, connect):
    """Spans, payloads and sums arrive; every read is refused."""
    writer = connect("agent_replay_writer")
    writer.write(_of("green", sample_run("green")))
    key = writer.set_setting_once("key", "value")

    assert key == writer.setting("key") == "value"
    for read in (writer.runs, writer.check, writer.stats):
        with pytest.raises(StoreAccessError):
            read()
    for read in (writer.spans, writer.erase):
        with pytest.raises(StoreAccessError):
            read(hex_id("green"))
    owner = open_store(f"{server.base_url}/agent_replay")
    assert owner.runs(_SAMPLES)[0].step_count == 3
    assert len(owner.spans(hex_id("green"))) == 4
    owner.erase(hex_id("green"))
    owner.close()


@pytest.fixture
def pays():
    """Return an agent that pays with a key, and comes down once; what really happened."""
    paid = []

    @tool(effect="write", idempotency_key="order")
    def pay(order):
        paid.append(order)
        return f"paid {order}"

    @agent(name="pays")
    def act(order):
        said = pay(order)
        if paid.count("down"):
            paid.remove("down")
            raise RuntimeError("down")
        return said

    return act, paid


def test_writes_with_a_key_need_the_intender(url_of, pays):
    """A writer records, and is refused such a write; an intender makes it."""
    act, paid = pays
    otel_agent_replay.configure(store=url_of("agent_replay_writer"))
    with pytest.raises(WriteNotBegunError, match="agent_replay_intentions"):
        act("a")
    otel_agent_replay.configure(store=url_of("agent_replay_intender"))

    assert act("b") == "paid b"
    assert paid == ["b"]


def test_a_run_is_resumed_by_who_may_read_and_write_it(url_of, pays):
    """Writer, intender and payload reader together: nothing is paid twice."""
    act, paid = pays
    url = url_of("agent_replay_resumer")
    otel_agent_replay.configure(store=url)
    paid.append("down")
    with pytest.raises(RuntimeError):
        act("c")
    with otel_agent_replay.open_store(url) as store:
        run = store.load(store.runs(agent="pays", status="failed")[0].run_id)
        with resume(run):
            assert act("c") == "paid c"
        (write,) = store.writes(run.run_id)

    assert paid == ["c"]
    assert (write.key, write.state) == ("c", "done")


def test_a_saver_keeps_threads_and_sees_no_run(url_of, connect):
    """Checkpoints are stored, found and deleted; runs and payloads are refused."""
    langgraph = pytest.importorskip("otel_agent_replay.langgraph")
    graph = pytest.importorskip("langgraph.graph")
    builder = graph.StateGraph(dict)
    builder.add_node("count", lambda state: {"number": state["number"] + 1})
    builder.add_edge(graph.START, "count")
    config = {"configurable": {"thread_id": "t"}}
    with langgraph.AgentReplaySaver(url_of("agent_replay_saver")) as saver:
        app = builder.compile(checkpointer=saver)
        said = app.invoke({"number": 1}, config)
        kept = [*app.get_state_history(config)]
        saver.delete_thread("t")
        left = [*app.get_state_history(config)]
    store = connect("agent_replay_saver")

    assert (said, len(kept), left) == ({"number": 2}, 3, [])
    for read in (store.runs, store.check, lambda: store.spans(hex_id("red"))):
        with pytest.raises(StoreAccessError):
            read()
    with pytest.raises(StoreAccessError):
        store.write(sample_run("more"))
    with pytest.raises(StoreAccessError):
        connect("agent_replay_writer").states().count()


def test_a_reader_lists_runs_and_sees_no_payload(server, connect):
    """Sums are there, also of a run that came twice; payloads are refused."""
    reader = connect("agent_replay_reader")
    owner = open_store(f"{server.base_url}/agent_replay")
    owner.write(_of("red", sample_run("red"))[:2])

    assert reader.runs() == owner.runs()
    assert {run.step_count for run in reader.runs(_SAMPLES)} == {3}
    with pytest.raises(StoreAccessError):
        reader.spans(hex_id("red"))
    with pytest.raises(StoreAccessError):
        reader.write(sample_run("more"))
    for column in ("SpanAttributes", "Events.Attributes", "StatusMessage"):
        with pytest.raises(StoreAccessError):
            reader._server.rows(
                "SELECT {column:Identifier} FROM otel_traces", column=column
            )
    with pytest.raises(StoreAccessError):
        reader._server.rows("SELECT Content FROM agent_replay_contents")
    owner.close()


def test_a_tenant_sees_its_own_runs_only(connect):
    """Run list, spans, payloads and sums stop at the tenant's rows."""
    blue = connect("agent_replay_blue")

    assert [run.run_id for run in blue.runs()] == [hex_id("blue")]
    assert len(blue.spans(hex_id("blue"))) == 4
    assert blue.check().spans == 4
    with pytest.raises(RunNotFoundError):
        blue.spans(hex_id("red"))
    assert blue._server.rows("SELECT DISTINCT Tenant FROM agent_replay_contents") == [
        ("blue",)
    ]
