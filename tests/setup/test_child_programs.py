"""Runs across processes: programs that a program starts."""

from __future__ import annotations

import pytest

from otel_agent_replay import open_store
from tests.setup.programs import TOOL, recorded_and_replayed, tree

CHILD = f"""{TOOL}
    print(look_up(sys.argv[1]))
"""
STARTS = {
    "env=None": "subprocess.run([*CHILD, word], env=None, capture_output=True).stdout",
    "env=keyword": (
        "subprocess.run([*CHILD, word], env={**os.environ, 'X': '1'}, capture_output=True)"
        ".stdout"
    ),
    "env=positional": (
        "subprocess.Popen([*CHILD, word], -1, None, None, -1, None, None, True, False, "
        "None, dict(os.environ)).communicate()[0]"
    ),
    "check_output": "subprocess.check_output([*CHILD, word])",
    "shell=True": "subprocess.check_output(' '.join([*CHILD, word]), shell=True)",
    "keyword args": "subprocess.Popen(args=[*CHILD, word], stdout=-1).communicate()[0]",
    "asyncio": "asyncio.run(started(word))",
}
PARENT = """
    import asyncio, subprocess
    from again import replayed
    {tool}
    CHILD = [sys.executable, "child.py"]

    async def started(word):
        process = await asyncio.create_subprocess_exec(*CHILD, word, stdout=-1)
        return (await process.communicate())[0]

    @agent
    def parent(words):
        return [{start}.decode().strip() for word in words]

    def main():
        assert parent(["one", "two", "one"]) == ["ONE", "TWO", "ONE"]

    replayed(main) if "--replay" in sys.argv else main()
    assert not [name for name in os.environ if name.startswith("AGENT_REPLAY_PARENT")]
    assert "TRACEPARENT" not in os.environ
"""


@pytest.mark.parametrize("how", STARTS)
def test_a_program_is_inside_what_started_it(place, how):
    """However it is started; nothing of it stays in the parent's environment."""
    place.write("child.py", CHILD)
    place.write("parent.py", PARENT.format(tool=TOOL, start=STARTS[how]))

    _, out = recorded_and_replayed(place, "parent.py")

    run = place.only_run()
    assert run.gaps == ()
    assert tree(run) == [
        "process child",
        "  tool look_up one",
        "process child",
        "  tool look_up two",
        "process child",
        "  tool look_up one",
    ]
    assert out.split() == ["served", "3", "of", "6"]


def test_a_program_starts_programs(place):
    """Each stands inside the one that started it."""
    place.write("child.py", CHILD)
    place.write(
        "middle.py",
        f"""{TOOL}
    import subprocess
    look_up("before")
    print(subprocess.check_output([sys.executable, "child.py", sys.argv[1]], text=True))
    """,
    )
    start = "subprocess.check_output([sys.executable, 'middle.py', word])"
    place.write("parent.py", PARENT.format(tool=TOOL, start=start))

    recorded_and_replayed(place, "parent.py")

    assert tree(place.only_run())[:4] == [
        "process middle",
        "  tool look_up before",
        "  process child",
        "    tool look_up one",
    ]


def test_settings_go_along(place):
    """What the parent was given in code holds for its children, unless they are told."""
    place.write("child.py", CHILD)
    place.write(
        "parent.py",
        """
    import os, subprocess, sys
    import otel_agent_replay
    from otel_agent_replay import agent

    otel_agent_replay.configure(store="sqlite:///other.db", tags=("a", "b, c"))

    @agent
    def parent():
        command = [sys.executable, "child.py", "one"]
        subprocess.run(command, check=True)
        chosen = {**os.environ, "AGENT_REPLAY_STORE": "sqlite:///chosen.db"}
        subprocess.run(command, env=chosen, check=True)

    parent()
    """,
    )

    done = place.run("parent.py")

    assert done.code == 0, done.err
    with open_store(f"sqlite:///{place.folder}/other.db") as store:
        run = store.load(store.runs()[0].run_id)
    assert run.tags == ("a", "b, c")
    assert tree(run) == ["process child", "  tool look_up one"]
    assert (place.folder / "chosen.db").exists()


def test_a_program_of_another_language_is_left_alone(place):
    """It is no step, and ends as it does."""
    place.write(
        "parent.py",
        f"""{TOOL}
    import subprocess

    @agent
    def parent():
        return subprocess.run(["sh", "-c", "echo $0; exit 3"]).returncode

    assert parent() == 3
    try:
        subprocess.Popen(["no-such-program"])
    except FileNotFoundError:
        print("not found")
    """,
    )

    done = place.run("parent.py")

    assert (done.code, done.out.split()) == (0, ["sh", "not", "found"])
    run = place.only_run()
    assert (run.steps, run.gaps, run.status) == ((), (), "success")


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        ("raise ValueError('no')", "builtins:ValueError"),
        ("sys.exit(3)", "builtins:SystemExit"),
    ],
)
def test_a_program_that_fails(place, ending, said):
    """Its step says so; the run goes on."""
    place.write("child.py", CHILD + f"    {ending}\n")
    start = "subprocess.run([*CHILD, word], capture_output=True).stdout"
    place.write("parent.py", PARENT.format(tool=TOOL, start=start))

    recorded_and_replayed(place, "parent.py")

    run = place.only_run()
    assert [s.outcome.error.type_name for s in run.steps[::2]] == [said] * 3
    assert (run.status, run.gaps) == ("success", ())


def test_a_program_that_is_killed(place):
    """The run is there, with what the child had written, and says what is missing."""
    place.write(
        "child.py",
        f"""{TOOL}
    import signal
    look_up("one")
    otel_agent_replay.flush()
    look_up("two")
    os.kill(os.getpid(), signal.SIGKILL)
    """,
    )
    place.write(
        "parent.py",
        f"""{TOOL}
    import subprocess

    @agent
    def parent():
        look_up("before")
        code = subprocess.run([sys.executable, "child.py"]).returncode
        return look_up(f"after {{code}}")

    print(parent())
    """,
    )

    done = place.run("parent.py")

    assert (done.code, done.out.strip()) == (0, "AFTER -9"), done.err
    run = place.only_run()
    assert run.status == "success"
    words = [s.call.inputs["word"] for s in run.steps if s.call.kind == "tool"]
    assert {"before", "one", "after -9"} <= set(words)
    assert run.gaps


def test_a_child_that_never_asked_to_be_recorded_does_not_go_live_in_a_replay(place):
    """It joins the session at its start, as its parent's launcher would have it."""
    place.write(
        "child.py",
        """
        import sys
        from otel_agent_replay import tool

        @tool
        def look_up(word):
            print("live", word, file=sys.stderr, flush=True)
            return word.upper()

        look_up("other")
        """,
    )
    place.write(
        "parent.py",
        f"""{TOOL}
    import subprocess
    from again import replayed

    @agent
    def parent():
        look_up("one")
        return subprocess.run([sys.executable, "child.py"]).returncode

    if "--replay" in sys.argv:
        try:
            replayed(parent)
        except otel_agent_replay.DivergenceError as error:
            print("diverged", error)
    else:
        parent()
    """,
    )
    first = place.run("parent.py")
    assert "live other" in first.err

    done = place.run("parent.py", "--replay")

    assert "live" not in done.err
    assert "diverged" in done.out
