"""Runs across processes: forks."""

from __future__ import annotations

from tests.setup.programs import TOOL, recorded_and_replayed, tree

FORK = f"""{TOOL}
    from again import replayed

    @agent
    def parent(words):
        for word in words:
            child = os.fork()
            if child == 0:
                assert look_up(word) == word.upper()
                LEAVE
            code = os.waitpid(child, 0)[1]
            assert code == 0, code
        return look_up("parent")

    def main():
        parent(["one", "two"])

    replayed(main) if "--replay" in sys.argv else main()
"""


def test_forks(place):
    """A child that ends in order is a part of the run."""
    place.write("parent.py", FORK.replace("LEAVE", "sys.exit()"))

    _, out = recorded_and_replayed(place, "parent.py")

    run = place.only_run()
    assert run.gaps == ()
    assert tree(run) == [
        "process fork",
        "  tool look_up one",
        "process fork",
        "  tool look_up two",
        "tool look_up parent",
    ]
    assert out.split() == ["served", "3", "of", "5"]


def test_a_fork_that_leaves_by_force(place):
    """After `os._exit` nothing can be written; what was flushed before is there."""
    leave = "otel_agent_replay.flush(); os._exit(0)"
    place.write("parent.py", FORK.replace("LEAVE", leave))

    done = place.run("parent.py")

    assert done.code == 0, done.err
    run = place.only_run()
    words = [s.call.inputs["word"] for s in run.steps if s.call.kind == "tool"]
    assert sorted(words) == ["one", "parent", "two"]
    assert run.gaps


def test_a_fork_outside_any_call_is_no_part_of_a_run(place):
    """As a server's workers are not; each has its own runs."""
    place.write(
        "parent.py",
        f"""{TOOL}
    @agent
    def serve(word):
        return look_up(word)

    for word in ("one", "two"):
        if os.fork() == 0:
            serve(word)
            sys.exit()
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    serve("parent")
    """,
    )

    done = place.run("parent.py")

    assert done.code == 0, done.err
    assert sorted(str(tree(run)) for run in place.runs()) == [
        "['tool look_up one']",
        "['tool look_up parent']",
        "['tool look_up two']",
    ]
    assert all(run.gaps == () for run in place.runs())


def test_a_fork_of_a_session_outside_any_call_is_not_live(place):
    """It cannot be answered, so it is refused."""
    place.write(
        "parent.py",
        f"""{TOOL}
    from again import replayed

    @agent
    def parent():
        return look_up("one")

    def main():
        parent()
        child = os.fork()
        if child == 0:
            try:
                look_up("child")
            except otel_agent_replay.AgentReplayError as error:
                print(type(error).__name__, flush=True)
            except BaseException as error:
                print(type(error).__name__, flush=True)
            os._exit(0)
        os.waitpid(child, 0)

    if "--replay" in sys.argv:
        try:
            replayed(main)
        except otel_agent_replay.DivergenceError:
            print("diverged")
    else:
        parent()
    """,
    )
    assert place.run("parent.py").code == 0

    done = place.run("parent.py", "--replay")

    assert done.code == 0, done.err
    assert "live child" not in done.err
    assert done.out.split()[0] in {"SessionEndedError", "ReplayStopped"}
