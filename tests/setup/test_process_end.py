"""How a process ends, and what its run knows of it."""

from __future__ import annotations

import pytest

from tests.setup.programs import tree

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
