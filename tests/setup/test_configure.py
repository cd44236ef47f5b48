"""`configure()`: once, again, and beside other providers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import otel_agent_replay
from otel_agent_replay import replay
from otel_agent_replay.errors import ConfigurationError
from tests.setup.agents import inputs_in, run, runs_of
from tests.setup.programs import tree


def test_the_same_settings_again_change_nothing():
    """A library and an application may both configure."""
    otel_agent_replay.configure(store="sqlite:///a.db")
    run("one")
    otel_agent_replay.configure(store="sqlite:///a.db")
    run("two")

    assert inputs_in("sqlite:///a.db") == ["one", "two"]


def test_other_settings_take_over():
    """What was recorded before is written where it belongs, and nothing twice."""
    otel_agent_replay.configure(store="sqlite:///a.db", user="mia")
    run("one")
    otel_agent_replay.configure(store="sqlite:///b.db")
    run("two")

    assert inputs_in("sqlite:///a.db") == ["one"]
    assert inputs_in("sqlite:///b.db") == ["two"]
    assert runs_of("sqlite:///a.db")[0].user == "mia"
    assert runs_of("sqlite:///b.db")[0].user is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"stroe": "x"},
        {"store": "postgres://host/db"},
        {"store": "sqlite://runs.db"},
        {"store": "clickhouse://"},
        {"store": "clickhouse://host:port/db"},
        {"store": "clickhouse://host/db?colour=red"},
        {"tools": ["search"]},
        {"redact_patterns": ["("]},
        {"redact_allow": ["("]},
        {"redact_keys": ["$.["]},
        {"otlp_endpoint": "collector"},
        {"queue_bytes": -1},
    ],
    ids=str,
)
def test_what_has_no_meaning_is_refused_at_once(wrong):
    """And what was in force stays in force."""
    otel_agent_replay.configure(store="sqlite:///a.db")

    with pytest.raises(ConfigurationError):
        otel_agent_replay.configure(**{"store": "sqlite:///b.db", **wrong})

    run("one")
    assert inputs_in("sqlite:///a.db") == ["one"]
    assert not Path("b.db").exists()


def test_inside_a_session_it_leaves_that_in_charge():
    """An agent that configures itself can be replayed."""
    otel_agent_replay.configure(store="sqlite:///a.db")
    run("one")
    (recorded,) = runs_of("sqlite:///a.db")

    with replay(recorded) as session:
        otel_agent_replay.configure(store="sqlite:///b.db")
        assert run("one") == "ONE"

    assert session.report.served == (0,)
    assert not Path("b.db").exists()


def test_shutdown_and_flush_may_be_called_at_any_time():
    """Before, after, twice; and recording may begin again."""
    assert otel_agent_replay.flush()
    assert otel_agent_replay.shutdown()
    otel_agent_replay.configure(store="sqlite:///a.db")
    run("one")
    assert otel_agent_replay.shutdown()
    assert otel_agent_replay.shutdown()
    assert otel_agent_replay.flush()
    run("unseen")
    otel_agent_replay.configure(store="sqlite:///a.db")
    run("two")

    assert inputs_in("sqlite:///a.db") == ["one", "two"]


def test_nothing_of_this_process_is_left_changed():
    """Hooks are in place once, however often recording begins."""
    otel_agent_replay.configure(store="sqlite:///a.db")
    hooks = (sys.excepthook, sys.exit)
    otel_agent_replay.shutdown()
    otel_agent_replay.configure(store="sqlite:///b.db")

    assert (sys.excepthook, sys.exit) == hooks


# --- providers ---------------------------------------------------------------------------

PROVIDER = """
    import otel_agent_replay
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from otel_agent_replay import agent, tool

    exporter = InMemorySpanExporter()
    mine = TracerProvider()
    mine.add_span_processor(SimpleSpanProcessor(exporter))
    BEFORE
    otel_agent_replay.configure()

    @tool
    def look_up(word):
        return word

    @agent
    def run(word):
        return look_up(word)

    run("secret@example.org")
    AFTER
"""


def test_beside_a_provider_of_the_application(place):
    """It is not replaced, and sees our spans too, without payloads."""
    place.write(
        "program.py",
        PROVIDER.replace("BEFORE", "trace.set_tracer_provider(mine)").replace(
            "AFTER",
            """assert trace.get_tracer_provider() is mine
    spans = exporter.get_finished_spans()
    print([span.name for span in spans])
    assert "secret@" not in "".join(span.to_json() for span in spans)""",
        ),
    )

    done = place.run("program.py")

    assert done.code == 0, done.err
    assert done.out.strip() == "['execute_tool look_up', 'invoke_agent run']"
    assert tree(place.only_run())[0].startswith("tool look_up")


def test_without_a_provider_one_is_set(place):
    """So that other instrumentation joins in."""
    after = """assert isinstance(trace.get_tracer_provider(), TracerProvider)
    assert trace.get_tracer_provider() is not mine
    print("set")"""
    place.write(
        "program.py", PROVIDER.replace("BEFORE", "pass").replace("AFTER", after)
    )

    done = place.run("program.py")

    assert (done.code, done.out.strip()) == (0, "set"), done.err


def test_this_process_has_a_provider():
    """`configure()` leaves one in place, whoever set it."""
    otel_agent_replay.configure(store="sqlite:///a.db")

    assert isinstance(trace.get_tracer_provider(), TracerProvider)
