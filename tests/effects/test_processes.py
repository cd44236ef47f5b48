"""Reads of whole programs: scripts without an agent, children, forks, settings."""

from __future__ import annotations

import os
import sys

import pytest

from tests.setup.programs import Place, tree

SCRIPT = """
    import time, uuid
    import otel_agent_replay
    from otel_agent_replay import tool

    session = uuid.uuid4()

    @tool
    def look_up(word):
        return word.upper()

    print(session, time.time(), look_up(str(session)), uuid.uuid4())
"""
CHILD = """
    import os, random, secrets, sys, time
    import otel_agent_replay
    otel_agent_replay.configure()

    def draws():
        return [random.random(), secrets.token_hex(4), time.time_ns()]

    print(draws())
"""
PARENT = """
    import multiprocessing, os, random, subprocess, sys, time
    import otel_agent_replay
    from otel_agent_replay import agent

    otel_agent_replay.configure()

    def work(number):
        return number, random.random(), time.time()

    @agent
    def run():
        child = subprocess.run([sys.executable, "child.py"], capture_output=True, text=True)
        assert child.returncode == 0, child.stderr
        spawn = multiprocessing.get_context("spawn")
        with spawn.Pool(1) as pool:
            spawned = pool.map(work, range(2))
            pool.close()
            pool.join()
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(writer, repr(work(9)).encode())
            sys.exit(0)
        os.waitpid(pid, 0)
        return [child.stdout, spawned, os.read(reader, 1000).decode(), work(0)]

    if __name__ == "__main__":
        print(run())
"""
EFFECTS = "clock,random"


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(folder=tmp_path)


def launched(place: Place, *words: str):
    done = place.run("-m", "otel_agent_replay.cli", *words)
    assert done.code == 0, done.err
    return done


def test_a_script_reads_before_its_first_call(place):
    """What a script without an agent reads first is in its run too, and answered."""
    place.write("script.py", SCRIPT)
    first = launched(
        place, "record", "--effects", EFFECTS, "--", sys.executable, "script.py"
    )
    run = place.only_run()
    kinds = [step.call.kind for step in run.steps]
    assert kinds == ["random", "clock", "tool", "random"]
    again = launched(place, "replay", "last", "--", sys.executable, "script.py")
    assert again.out == first.out
    assert "live        nothing" in again.err


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_children_and_forks_read_into_the_run(place):
    """Programs, spawned workers and forks get their own reads back."""
    place.write("child.py", CHILD)
    place.write("parent.py", PARENT)
    first = place.run("parent.py", AGENT_REPLAY_EFFECTS=EFFECTS)
    assert first.code == 0, first.err
    lines = tree(place.runs()[0])
    assert [line for line in lines if "random.random" in line and line[0] == " "]
    again = launched(place, "replay", "last", "--", sys.executable, "parent.py")
    assert again.out == first.out


def test_a_child_reads_what_was_asked_for_around_it(place):
    """`record` in a part of the parent is for the programs that this part starts."""
    place.write("child.py", CHILD)
    place.write(
        "parent.py",
        """
        import subprocess, sys
        import otel_agent_replay
        from otel_agent_replay import agent, record

        otel_agent_replay.configure()

        @agent
        def run():
            return subprocess.check_output([sys.executable, "child.py"], text=True)

        with record(effects=("clock", "random")):
            print(run())
        """,
    )
    first = place.run("parent.py")
    assert first.code == 0, first.err
    kinds = [step.call.kind for step in place.only_run().steps]
    assert kinds == ["process", "random", "random", "clock"]
    again = launched(place, "replay", "last", "--", sys.executable, "parent.py")
    assert again.out == first.out


def test_a_module_that_reads_at_its_import_opens_no_run(place):
    """Only what an agent reads is in an agent's run; the rest is in none."""
    place.write(
        "agentic.py",
        """
        import time
        import otel_agent_replay
        from otel_agent_replay import agent

        otel_agent_replay.configure(effects=("clock",))

        def now():
            return time.time()

        started = now()

        @agent
        def run():
            return now()

        print(run())
        ended = now()
        """,
    )
    first = place.run("agentic.py")
    assert first.code == 0, first.err
    assert [step.call.name for step in place.only_run().steps] == ["time.time"]
    again = launched(place, "replay", "last", "--", sys.executable, "agentic.py")
    assert again.out == first.out


def test_settings_come_from_pyproject(place):
    """`effects` and `files` may stand under `[tool.agent_replay]`."""
    place.write(
        "pyproject.toml",
        """
        [tool.agent_replay]
        effects = ["clock"]
        files = ["*.txt"]
        """,
    )
    place.write("note.txt", "hello")
    place.write(
        "script.py",
        """
        import time
        import otel_agent_replay
        from otel_agent_replay import agent

        otel_agent_replay.configure()

        @agent
        def run():
            return time.time(), open("note.txt").read()

        run()
        """,
    )
    done = place.run("script.py")
    assert done.code == 0, done.err
    run = place.only_run()
    assert [step.call.kind for step in run.steps] == ["clock", "file"]
    assert run.environment["effects"] == ["clock"]
