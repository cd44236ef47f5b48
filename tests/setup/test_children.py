"""Runs across processes: programs, `multiprocessing`, forks."""

from __future__ import annotations

import pytest

from otel_agent_replay import open_store
from tests.setup.programs import Place, tree

REPLAYED = """
    import sys
    from otel_agent_replay import open_store, replay

    def replayed(main):
        with open_store() as store:
            run = store.load(store.runs()[0].run_id)
        with replay(run) as session:
            main()
        print("served", len(session.report.served), "of", len(run.steps))
"""


@pytest.fixture
def place(tmp_path) -> Place:
    found = Place(folder=tmp_path)
    found.write("again.py", REPLAYED)
    return found


def recorded_and_replayed(place: Place, *command: str) -> tuple[str, str]:
    """Run a program, and run it again answered; return what both wrote."""
    first = place.run(*command)
    assert first.code == 0, first.err
    again = place.run(*command, "--replay")
    assert again.code == 0, again.err
    assert "live" not in again.out, again.out
    return first.out, again.out


# --- programs ------------------------------------------------------------------------

TOOL = """
    import os, sys
    import otel_agent_replay
    from otel_agent_replay import agent, tool

    otel_agent_replay.configure()

    @tool
    def look_up(word):
        print("live", word, file=sys.stderr, flush=True)
        return word.upper()
"""
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


# --- multiprocessing -------------------------------------------------------------------

WORK = """
    import multiprocessing, os, sys
    from concurrent.futures import ProcessPoolExecutor
    from again import replayed
    import otel_agent_replay
    from otel_agent_replay import agent, step, tool

    IN_SCRIPT

    @tool
    def look_up(word):
        print("live", word, flush=True)
        return word.upper()

    def work(queue, word):
        queue.put((word, look_up(word)))

    def other_work(queue, word):
        queue.put((word, look_up("other " + word)))

    class Worker(multiprocessing.Process):
        def __init__(self, queue, word):
            super().__init__()
            self.queue, self.word = queue, word

        def run(self):
            work(self.queue, self.word)

    @agent
    def parent():
        context = multiprocessing.get_context(METHOD)
        queue = context.Queue()
        workers = [
            context.Process(target=work, args=(queue, "one")),
            context.Process(target=work, args=(queue, "two")),
            context.Process(target=other_work, args=(queue, "one")),
        ]
        if METHOD == multiprocessing.get_start_method():
            workers.append(Worker(queue, "three"))
        for worker in workers:
            worker.start()
        found = sorted(queue.get(timeout=60) for _ in workers)
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0, worker.exitcode
            assert "run" not in vars(worker)
        return found

    def main():
        found = parent()
        assert found[0] == ("one", "ONE"), found
        assert found[1] == ("one", "OTHER ONE"), found
        assert found[-1] == ("two", "TWO"), found

    METHOD = sys.argv[1]
    if __name__ == "__main__":
        IN_MAIN
        multiprocessing.set_start_method(METHOD)
        replayed(main) if "--replay" in sys.argv else main()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("configured", ["in the script", "in its main part"])
def test_processes_of_multiprocessing(place, method, configured):
    """Functions and subclasses; answers are not swapped, nothing is live."""
    configure = "otel_agent_replay.configure()"
    first = configured == "in the script"
    text = WORK.replace("IN_SCRIPT", configure if first else "")
    place.write("parent.py", text.replace("IN_MAIN", "pass" if first else configure))

    first_out, again_out = recorded_and_replayed(place, "parent.py", method)

    run = place.only_run()
    assert run.gaps == ()
    assert sorted(tree(run), key=str.split) == sorted(
        [
            "process work",
            "process work",
            "process other_work",
            "process Worker",
            "  tool look_up one",
            "  tool look_up two",
            "  tool look_up other one",
            "  tool look_up three",
        ],
        key=str.split,
    )
    assert first_out.count("live") == 4
    assert again_out.split() == ["served", "4", "of", "8"]


POOL = """
    import multiprocessing, sys
    from concurrent.futures import ProcessPoolExecutor
    from again import replayed
    import otel_agent_replay
    from otel_agent_replay import agent, tool

    otel_agent_replay.configure()

    @tool
    def look_up(number):
        print("live", number, flush=True)
        return number * number

    @agent
    def parent():
        context = multiprocessing.get_context(sys.argv[1])
        if sys.argv[2] == "executor":
            with ProcessPoolExecutor(2, mp_context=context) as pool:
                return list(pool.map(look_up, range(8)))
        with context.Pool(2) as pool:
            found = pool.map(look_up, range(8), chunksize=1)
            pool.close()
            pool.join()
            return found

    def main():
        assert parent() == [number * number for number in range(8)]

    if __name__ == "__main__":
        replayed(main) if "--replay" in sys.argv else main()
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("kind", ["executor", "pool"])
def test_pools_of_processes(place, method, kind):
    """Whichever process gets which task, it is answered with its own result."""
    place.write("parent.py", POOL)

    recorded_and_replayed(place, "parent.py", method, kind)

    run = place.only_run()
    assert run.gaps == ()
    tools = [each for each in run.steps if each.call.kind == "tool"]
    assert sorted(each.call.inputs["number"] for each in tools) == [*range(8)]
    for each in tools:
        assert run.steps[each.parent].call.kind == "process"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_that_fails(place, method):
    """Its step says so, whether by an exception or by an exit code."""
    place.write(
        "parent.py",
        f"""{TOOL}
    import multiprocessing

    def fails(word):
        look_up(word)
        raise ValueError(word)

    def leaves(word):
        look_up(word)
        sys.exit(4)

    @agent
    def parent():
        context = multiprocessing.get_context({method!r})
        codes = []
        for target in (fails, leaves):
            process = context.Process(target=target, args=("one",))
            process.start()
            process.join()
            codes.append(process.exitcode)
        return codes

    if __name__ == "__main__":
        assert parent() == [1, 4]
    """,
    )

    done = place.run("parent.py")

    assert done.code == 0, done.err
    run = place.only_run()
    processes = [each for each in run.steps if each.call.kind == "process"]
    assert [each.outcome.error.type_name for each in processes] == [
        "builtins:ValueError",
        "builtins:SystemExit",
    ]
    assert run.gaps == ()


# --- forks -----------------------------------------------------------------------------

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
