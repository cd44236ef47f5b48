"""`configure()` and the process around it, from its start to its end."""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import otel_agent_replay
from otel_agent_replay import agent, describe_run, open_store, replay, tool
from otel_agent_replay.errors import ConfigurationError
from tests.setup.programs import Place, tree


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(folder=tmp_path)


@tool
def look_up(word: str) -> str:
    return word.upper()


@agent
def run(word: str) -> str:
    return look_up(word)


def runs_of(url: str):
    with open_store(url) as store:
        return [store.load(each.run_id) for each in store.runs()]


def inputs_in(url: str) -> list[object]:
    return [each.input["word"] for each in reversed(runs_of(url))]


# --- once and again ----------------------------------------------------------------------


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


# --- a store that is not there -------------------------------------------------------------


@pytest.fixture
def closed_port():
    """Return a port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_store_that_is_down_costs_the_agent_nothing(closed_port):
    """Neither an exception nor time."""
    otel_agent_replay.configure(store=f"clickhouse://127.0.0.1:{closed_port}/runs")
    started = time.monotonic()

    for _ in range(20):
        assert run("one") == "ONE"

    assert time.monotonic() - started < 2
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
    started = time.monotonic()

    done = place.run(
        "program.py",
        AGENT_REPLAY_STORE=f"clickhouse://me:secret-word@127.0.0.1:{closed_port}/runs",
    )

    assert (done.code, done.out.strip()) == (0, "one")
    assert time.monotonic() - started < 45
    assert "Not everything was recorded: spans lost: 2 by store." in done.err
    assert "secret-word" not in done.err
    assert "Traceback" not in done.err


# --- the end of the process ------------------------------------------------------------------

SCRIPT = """
    import atexit, sys
    import otel_agent_replay
    from otel_agent_replay import tool

    @tool
    def look_up(word):
        return word

    otel_agent_replay.configure()
    look_up("one")
"""


@pytest.mark.parametrize(
    ("ending", "code", "status"),
    [
        ("", 0, "success"),
        ("raise ValueError('no')", 1, "failed"),
        ("sys.exit()", 0, "success"),
        ("sys.exit(0)", 0, "success"),
        ("sys.exit(3)", 3, "failed"),
        ("sys.exit('no')", 1, "failed"),
        ("raise KeyboardInterrupt", None, "failed"),
        (
            "\n    try:\n        sys.exit(2)\n    except SystemExit:\n        look_up('two')",
            0,
            "success",
        ),
        (
            "\n    try:\n        sys.exit(2)\n    finally:\n        sys.exit(0)",
            0,
            "success",
        ),
    ],
    ids=lambda value: str(value).strip()[:24],
)
def test_the_run_of_the_process_knows_how_it_ended(place, ending, code, status):
    """With an exception, or an exit code that is not 0, it has failed."""
    place.write("program.py", SCRIPT + f"    {ending}\n")

    done = place.run("program.py")

    assert code in {None, done.code}, done.err
    assert place.only_run().status == status
    assert place.only_run().gaps == ()


def test_an_agent_that_fails_is_told_from_its_program(place):
    """The agent's run has failed; the program that caught it has not."""
    place.write(
        "program.py",
        SCRIPT
        + """
    from otel_agent_replay import agent

    @agent
    def run():
        raise ValueError("no")

    try:
        run()
    except ValueError:
        pass
    """,
    )

    place.run("program.py")

    assert {each.agent_name: each.status for each in place.runs()} == {
        "program": "success",
        "run": "failed",
    }


def test_other_hooks_are_called(place):
    """Who hooked in before, and who prints the traceback."""
    place.write(
        "program.py",
        """
    import sys

    def mine(kind, error, traceback):
        print("mine", error)
        sys.__excepthook__(kind, error, traceback)

    sys.excepthook = mine
    """
        + SCRIPT
        + "    raise ValueError('no')\n",
    )

    done = place.run("program.py")

    assert done.out == "mine no\n"
    assert done.err.count("ValueError: no") == 1


def test_what_runs_at_exit(place):
    """Handlers of the application that come after us are recorded, others just run."""
    place.write(
        "program.py",
        SCRIPT.replace(
            "    otel_agent_replay.configure()",
            "    atexit.register(lambda: print(look_up('before')))\n"
            "    otel_agent_replay.configure()",
        )
        + "    atexit.register(lambda: print(look_up('after')))\n",
    )

    done = place.run("program.py")

    assert (done.out.split(), done.err) == (["after", "before"], "")
    assert tree(place.only_run()) == ["tool look_up one", "tool look_up after"]


def test_a_tool_that_was_named_in_vain_is_said(place):
    """At the end, when it is sure."""
    place.write("program.py", SCRIPT)

    done = place.run("program.py", AGENT_REPLAY_TOOLS="my_agnet:search")

    assert "my_agnet:search was named, but its module was never imported" in done.err


# --- describing runs ---------------------------------------------------------------------


def test_describing_the_run_one_is_inside():
    """The last word counts."""
    otel_agent_replay.configure(store="sqlite:///a.db", user="all", prompt_name="p")

    @agent
    def described() -> None:
        describe_run(user="mia", conversation="c-1")
        describe_run(conversation="c-2", prompt_version="3", tags=("a", "b"))

    described()

    (found,) = runs_of("sqlite:///a.db")
    assert (found.user, found.conversation) == ("mia", "c-2")
    assert (found.prompt_name, found.prompt_version) == ("p", "3")
    assert found.tags == ("a", "b")


def test_describing_outside_any_run_opens_none():
    """It is about the process's own run, if calls outside any agent open that."""
    describe_run(user="nobody listens")
    otel_agent_replay.configure(store="sqlite:///a.db")
    describe_run(user="mia")
    run("one")
    assert [each.user for each in runs_of("sqlite:///a.db")] == [None]

    look_up("two")
    otel_agent_replay.shutdown()

    assert [each.user for each in runs_of("sqlite:///a.db")] == ["mia", None]


def test_describing_in_a_session_is_about_its_run():
    """Not about the recorded one."""
    otel_agent_replay.configure(store="sqlite:///a.db")

    @agent
    def described(user: str) -> None:
        look_up("one")
        describe_run(user=users[0])

    users = ["mia"]
    described("x")
    (recorded,) = runs_of("sqlite:///a.db")
    users = ["tom"]
    with replay(recorded) as session:
        described("x")

    assert (recorded.user, session.run.user) == ("mia", "tom")


def test_nothing_of_this_process_is_left_changed():
    """Hooks are in place once, however often recording begins."""
    otel_agent_replay.configure(store="sqlite:///a.db")
    hooks = (sys.excepthook, sys.exit)
    otel_agent_replay.shutdown()
    otel_agent_replay.configure(store="sqlite:///b.db")

    assert (sys.excepthook, sys.exit) == hooks
