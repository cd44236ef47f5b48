"""How processes end: what is stored of them, by themselves or by the next one."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

import otel_agent_replay
from otel_agent_replay import agent, store, tool
from otel_agent_replay.testing import LocalServer, Reply, ScriptedRequest
from tests.spool.programs import KEY, folders, numbers, program

# --- other ends --------------------------------------------------------------------------


def test_a_process_that_leaves_without_a_word(place):
    """After `os._exit` what was flushed is there, and what was open is cut off."""
    program(
        place,
        """
    @agent(name="gone")
    def run():
        look(0)
        assert otel_agent_replay.flush()
        os._exit(3)

    run()
        """,
    )
    done = place.run("agent.py")

    assert done.code == 3, done.err
    run = place.only_run()
    assert (run.status, numbers(run), run.gaps) == ("interrupted", [0], ())
    assert folders(place) == []


CELERY = """
    class Signal:
        def __init__(self):
            self.receivers = []

        def connect(self, receiver, weak=True):
            assert not weak
            self.receivers.append(receiver)

        def send(self, sender, **named):
            for each in self.receivers:
                each(signal=self, sender=sender, **named)

    worker_process_shutdown = Signal()
"""
"""As much of `celery.signals` as it takes."""


def test_a_worker_of_celery_that_is_replaced(place):
    """It leaves by `os._exit` after so many tasks; what it did is there before."""
    (place.folder / "celery").mkdir()
    place.write("celery/__init__.py", "")
    place.write("celery/signals.py", CELERY)
    program(
        place,
        """
    import celery.signals

    for number in range(3):
        worker = os.fork()
        if not worker:
            task(number)
            look(9)
            try:
                sys.exit(155)
            finally:
                celery.signals.worker_process_shutdown.send(None, exitcode=155)
                os._exit(155)
        os.waitpid(worker, 0)
    os._exit(0)
        """,
    )
    done = place.run("agent.py")

    assert done.code == 0, done.err
    assert folders(place) == []
    found = [(each.status, each.gaps) for each in place.runs()]
    assert found == [("success", ())] * 6


def test_a_process_that_ends_while_the_writer_is_busy(place):
    """It waits for all that was taken."""
    program(
        place,
        """
    @agent(name="busy")
    def run():
        for number in range(2000):
            look(number)

    run()
        """,
    )
    done = place.run("agent.py")

    assert done.code == 0, done.err
    run = place.only_run()
    assert (run.status, len(run.steps), run.gaps) == ("success", 2000, ())
    assert folders(place) == []


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_of_multiprocessing_that_is_killed(place, method):
    """What it had flushed is there; the run goes on and knows what is missing."""
    program(
        place,
        f"""
    def work(number):
        look(number)
        otel_agent_replay.flush()
        look(number + 1)
        otel_agent_replay.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    @agent(name="parent")
    def run():
        context = multiprocessing.get_context("{method}")
        child = context.Process(target=work, args=(10,))
        child.start()
        child.join()
        look(20)
        return child.exitcode

    if __name__ == "__main__":
        assert run() == -signal.SIGKILL
        """,
    )
    done = place.run("agent.py")

    assert done.code == 0, done.err
    run = place.only_run()
    assert run.status == "success"
    assert sorted(numbers(run)) == [10, 11, 20]
    assert Counter(each.call.kind for each in run.steps) == {"tool": 3, "process": 1}
    (part,) = [each for each in run.steps if each.call.kind == "process"]
    assert part.is_open
    assert folders(place) == []


WORKERS = """
    def work(number, end):
        for each in range(5):
            task(100 * number + 10 * each)
        otel_agent_replay.flush()
        os.write(ready[1], b"x")
        if end == "leaves":
            sys.exit(0)
        if end == "goes":
            os._exit(0)
        time.sleep(60)

    task(0)
    ready = os.pipe()
    workers = []
    for number, end in enumerate(["leaves", "goes", "waits", "waits"], 1):
        pid = os.fork()
        if pid == 0:
            work(number, end)
        workers.append(pid)
    count = 0
    while count < 4:
        count += len(os.read(ready[0], 4))
    task(1)
    if sys.argv[1] == "flushed":
        otel_agent_replay.flush()
    os.kill(workers[2], signal.SIGKILL)
    os.kill(workers[3], signal.SIGTERM)
    for each in workers:
        os.waitpid(each, 0)
    if sys.argv[1] == "flushed":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("end", ["flushed", "returned"])
def test_a_server_with_workers(place, end):
    """Each task is a run of its own, there once, however its worker ends."""
    program(place, WORKERS)
    done = place.run("agent.py", end)

    assert done.code == (0 if end == "returned" else -signal.SIGKILL), done.err
    found = Counter(tuple(numbers(run)) for run in place.runs())
    expected = [(0, 1), (1, 2)]
    expected += [
        (100 * worker + 10 * each, 100 * worker + 10 * each + 1)
        for worker in range(1, 5)
        for each in range(5)
    ]
    assert found == Counter(expected)
    assert {run.status for run in place.runs()} == {"success"}
    assert folders(place) == []


@pytest.mark.parametrize("spool", ["off", "broken"])
def test_workers_without_a_spool(place, spool):
    """None takes another's spans for its own."""
    broken = place.write("file", "")
    program(place, WORKERS.replace('"waits", "waits"', '"leaves", "leaves"'))
    chosen = "off" if spool == "off" else str(broken)
    text = (place.folder / "agent.py").read_text()
    place.write("agent.py", text.replace("os.kill(workers", "0 and os.kill(workers"))
    done = place.run("agent.py", "returned", AGENT_REPLAY_SPOOL=chosen)

    assert done.code == 0, done.err
    assert len(place.runs()) == 2 + 4 * 5


# --- the store is away -------------------------------------------------------------------


def test_the_next_process_stores_what_one_could_not(place, locked):
    """A program ends while the store is locked; another one brings its run along."""
    program(place, "    task(int(sys.argv[1]))\n    otel_agent_replay.shutdown(2)\n")
    away = place.run("agent.py", 1, AGENT_REPLAY_REDACTION_KEY=KEY)
    left = folders(place)
    locked()
    place.run("agent.py", 2, AGENT_REPLAY_REDACTION_KEY=KEY)

    assert away.code == 0
    assert "wait in" in away.err
    assert len(left) == 1
    assert folders(place) == []
    raw = store.open_store(place.store)  # it takes nothing over itself
    assert [each.status for each in raw.runs()] == ["success", "success"]
    raw.close()


class Hanging(LocalServer):
    """Takes requests and never answers."""

    def respond(self, _: ScriptedRequest) -> Reply:
        self._closed.wait(600)
        return Reply(status=500)


@pytest.mark.parametrize("key", [KEY, None], ids=["own key", "the store's key"])
def test_limits_of_time_hold_with_a_store_that_hangs(configure, key, caplog):
    """`flush` and `shutdown` come back, and say that they are not done."""

    @tool
    def look(number):
        return number

    @agent(name="patient")
    def play():
        return [look(number) for number in range(3)]

    with Hanging() as server:
        url = f"clickhouse://default@127.0.0.1:{server.port}/runs"
        configure(store=url, redaction_key=key)
        assert play() == [0, 1, 2]
        assert not otel_agent_replay.flush(0.3)
        assert not otel_agent_replay.shutdown(0.3)


def test_a_fork_does_not_wait_for_a_store_that_is_away(place):
    """What waits is in files already; a child is told of nothing."""
    program(
        place,
        """
    @agent(name="forks")
    def run():
        look(0)
        # It would be a second each.
        for number in range(200):
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            os.waitpid(pid, 0)

    run()
        """,
    )
    done = place.run(
        "agent.py",
        AGENT_REPLAY_STORE="clickhouse://default@127.0.0.1:9/runs",
        AGENT_REPLAY_REDACTION_KEY=KEY,
    )

    assert done.code == 0, done.err
