"""A store that is not there while a process records."""

from __future__ import annotations

import socket

import pytest

import otel_agent_replay
from tests.setup.agents import run


@pytest.fixture
def closed_port():
    """Return a port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_store_that_is_down_costs_the_agent_nothing(closed_port):
    """It hears nothing of it."""
    otel_agent_replay.configure(store=f"clickhouse://127.0.0.1:{closed_port}/runs")

    for _ in range(20):
        assert run("one") == "ONE"

    otel_agent_replay.shutdown(timeout=0.1)


def test_a_program_ends_though_its_store_is_down(place, closed_port):
    """Soon, as it would, and with how much was lost."""
    place.write(
        "program.py",
        """
    import otel_agent_replay
    from otel_agent_replay import agent, tool

    otel_agent_replay.configure()

    @tool
    def look_up(word):
        return word

    @agent
    def run(word):
        return look_up(word)

    print(run("one"))
    """,
    )

    done = place.run(
        "program.py",
        AGENT_REPLAY_STORE=f"clickhouse://me:secret-word@127.0.0.1:{closed_port}/runs",
    )

    assert (done.code, done.out.strip()) == (0, "one")
    assert "Not everything was recorded: spans lost: 2 by store." in done.err
    assert "secret-word" not in done.err
    assert "Unexpected Http Driver Exception" not in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("absolute", [True, False])
def test_a_working_directory_that_is_gone(place, absolute):
    """A store with a whole path is found; else a clear error says what is missing."""
    place.write(
        "program.py",
        """
    import os, pathlib
    gone = pathlib.Path("gone")
    gone.mkdir()
    os.chdir(gone)
    os.rmdir(os.pardir + "/gone")

    import otel_agent_replay
    from otel_agent_replay import agent, tool

    otel_agent_replay.configure()
    agent(name="adrift")(tool(name="look")(lambda: 1))()
    """,
    )
    store = {} if absolute else {"AGENT_REPLAY_STORE": "runs.db"}

    done = place.run("program.py", **store)

    if absolute:
        assert (done.code, done.err) == (0, "")
        assert place.only_run().agent_name == "adrift"
    else:
        assert "is relative to a working directory that is gone" in done.err
