"""SIGTERM: what is written before the process goes, and who else is told."""

from __future__ import annotations

import os
import random
import signal

import pytest

from otel_agent_replay import open_store
from tests.spool.programs import KEY, folders, numbers, program


def test_sigterm_ends_a_run_that_is_cut_off(place):
    """What has returned is stored by the process itself, and it dies by the signal."""
    program(
        place,
        """
    @agent(name="stopped")
    def run():
        for number in range(3):
            look(number)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)

    run()
        """,
    )
    done = place.run("agent.py")

    assert done.code == -signal.SIGTERM, done.err
    assert folders(place) == []
    run = place.only_run()
    assert (run.status, numbers(run), run.gaps) == ("interrupted", [0, 1, 2], ())


def test_sigterm_in_the_middle_of_a_call(place):
    """The call it came in is there, without an outcome."""
    program(
        place,
        """
    @tool
    def wait(number):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)

    @agent(name="stopped")
    def run():
        look(0)
        wait(1)

    run()
        """,
    )
    done = place.run("agent.py")

    assert done.code == -signal.SIGTERM, done.err
    run = place.only_run()
    assert [each.is_open for each in run.steps] == [False, True]
    assert run.status == "interrupted"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_handler_of_the_programs_own_is_asked(place, when):
    """It ends the process as it likes; the run ends as it does."""
    own = "signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))"
    program(
        place,
        f"""
    otel_agent_replay.shutdown()
    stopping = []
    {own if when == "before" else ""}
    otel_agent_replay.configure()
    {own if when == "after" else ""}

    @agent(name="polite")
    def run():
        look(0)
        os.kill(os.getpid(), signal.SIGTERM)
        look(1)
        return len(stopping)

    assert run() == 1
        """,
    )
    # The handler of ours is set with the first `configure`.
    if when == "before":
        text = (place.folder / "agent.py").read_text()
        place.write("agent.py", text.replace("otel_agent_replay.configure()", "", 1))
    done = place.run("agent.py")

    assert done.code == 0, done.err
    run = place.only_run()
    assert (run.status, numbers(run), run.output) == ("success", [0, 1], 1)


def test_a_second_sigterm_does_not_wait_for_what_the_first_is_at(place, locked):
    """The program's own handler is told at once, however many come; nothing piles up."""
    program(
        place,
        """
    stopping = []

    def terminate():
        while not stopping:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.001)

    @agent(name="hurried")
    def run():
        look(0)
        threading.Thread(target=terminate).start()
        while not stopping:
            look(1)
        return len(stopping) < 100

    assert run()
    otel_agent_replay.shutdown(0)
        """,
    )
    text = (place.folder / "agent.py").read_text()
    own = "signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))"
    place.write(
        "agent.py",
        text.replace("otel_agent_replay.conf", f"{own}\notel_agent_replay.conf", 1),
    )
    done = place.run("agent.py", AGENT_REPLAY_REDACTION_KEY=KEY)

    assert done.code == 0, done.err
    assert "Error" not in done.err


def test_a_program_where_nothing_may_wait_in_a_handler(place):
    """Its own handler runs all the same, as gevent's loop needs it."""
    own = "signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))"
    configure = "otel_agent_replay.configure()"
    begin = f"stopping = []\n{own}\n{configure}\n"
    program(
        place,
        """
    @agent(name="cooperative")
    def run():
        look(0)
        wait = threading.Condition.wait

        def here(condition, *limit):
            if threading.current_thread() is threading.main_thread():
                raise RuntimeError("nothing may wait here")
            return wait(condition, *limit)

        threading.Condition.wait = here
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Condition.wait = wait
        return len(stopping)

    assert run() == 1
        """,
    )
    text = (place.folder / "agent.py").read_text()
    place.write("agent.py", text.replace(configure, begin, 1))
    done = place.run("agent.py")

    assert done.code == 0, done.err
    assert "At SIGTERM not all could be written" in done.err
    assert place.only_run().status == "success"


def test_sigterm_in_a_forked_worker_that_configures_again(place):
    """A server gives its workers signal handlers of its own; ours comes back."""
    program(
        place,
        """
    @agent(name="stopped")
    def run():
        look(0)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)

    worker = os.fork()
    if not worker:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        otel_agent_replay.configure()
        run()
    _, status = os.waitpid(worker, 0)
    os._exit(os.waitstatus_to_exitcode(status) + signal.SIGTERM)
        """,
    )
    done = place.run("agent.py")

    assert done.code == 0, done.err
    assert folders(place) == []
    run = place.only_run()
    assert (run.status, numbers(run), run.gaps) == ("interrupted", [0], ())


def test_a_pool_that_is_left_at_once(place):
    """`with Pool()` ends its workers as soon as the last result is there.

    Whatever they are at then, even their own end, every step is stored, and nothing
    seems to be missing.
    """
    program(
        place,
        """
    def work(number):
        return look(number)

    @agent(name="pooled")
    def run():
        with multiprocessing.get_context("fork").Pool(3) as pool:
            return pool.map(work, range(12), chunksize=1)

    run()
        """,
    )
    done = place.run("agent.py")

    assert (done.code, done.err) == (0, "")
    run = place.only_run()
    assert (run.status, sorted(numbers(run)), run.gaps) == (
        "success",
        [*range(12)],
        (),
    )


def test_a_worker_that_waits_where_python_hears_no_signal(place):
    """One that is ended there ends, with what it did: else its pool waits for ever."""
    program(
        place,
        """
    def work(never):
        look(1)
        other = threading.Timer(0.2, signal.pthread_kill, [0, signal.SIGTERM])
        other.function = lambda *_: signal.pthread_kill(other.ident, signal.SIGTERM)
        other.start()
        never.acquire()  # the signal is the other thread's, so this is not interrupted

    @agent(name="parent")
    def run():
        context = multiprocessing.get_context("fork")
        worker = context.Process(target=work, args=(context.Semaphore(0),))
        worker.start()
        worker.join()
        print(worker.exitcode)

    run()
        """,
    )
    done = place.run("agent.py")

    assert done.out.split() == [str(-signal.SIGTERM)], done.err
    run = place.only_run()
    assert (numbers(run), run.gaps) == ([1], ())


EVERYWHERE = """
    def trace(frame, event, argument):
        global lines
        if event == "line":
            lines += 1
            if lines == when:
                os.kill(os.getpid(), signal.SIGTERM)
        return trace if "/otel_agent_replay/" in frame.f_code.co_filename else None

    # As if no code of the user's were at work then.
    trace = type(trace)(trace.__code__, {**globals(), "__name__": "bdb"})
    trace.__globals__["trace"] = trace

    @agent(name="anywhere")
    def run():
        for number in range(3):
            look(number)
            with open("returned", "a") as file:
                file.write(f"{number} ")

    trace.__globals__.update(lines=0, when=int(sys.argv[1]))
    sys.settrace(trace)
    run()
    otel_agent_replay.shutdown()
    sys.settrace(None)
    print(trace.__globals__["lines"])
"""
SIGNALS = int(os.environ.get("AGENT_REPLAY_TEST_SIGNALS", "12"))


def test_sigterm_at_any_line_of_ours(place):
    """Whatever lock it holds there: what has returned is stored, and nobody waits."""
    program(place, EVERYWHERE)
    lines = int(place.run("agent.py", "0").out)
    assert lines > 100

    for number in range(SIGNALS):
        (place.folder / "returned").write_text("")
        when = random.Random(number).randint(1, lines)  # noqa: S311 - to be the same ones
        done = place.run(
            "agent.py", str(when), AGENT_REPLAY_STORE=f"sqlite:///{number}.db"
        )
        assert done.code in {0, -signal.SIGTERM}, (when, done)
        assert done.err == "", (when, done)
        returned = (place.folder / "returned").read_text()
        if not returned:
            continue
        with open_store(f"sqlite:///{place.folder}/{number}.db") as store:
            (found,) = (store.load(each.run_id) for each in store.runs())
        assert found.gaps == (), when
        assert numbers(found)[: len(returned.split())] == [*map(int, returned.split())]
