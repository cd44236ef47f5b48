"""What no agent should meet: it goes on, and whatever is lost is counted and shown."""

from __future__ import annotations

import logging
import math
import os
import subprocess
import sys
import time

import pytest
import urllib3
from opentelemetry import trace

from otel_agent_replay import agent, flush, open_store, tool
from otel_agent_replay.testing import LocalServer, Reply, ScriptedRequest

KEY = "k" * 32
"""With a key of their own, settings need no store to redact with."""


@tool
def look(number: int, size: int = 10) -> str:
    """Give a text of a size."""
    return f"{number} " + "x" * size


@agent(name="busy")
def play(calls: int, size: int = 10) -> str:
    """Call a tool many times."""
    for number in range(calls):
        look(number, size)
    return "done"


def numbers(run) -> list[int]:
    return [each.call.inputs["number"] for each in run.steps]


# --- no room -------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB."""
    where = tmp_path / "small"
    where.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(where)]
    if os.getuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield where
    subprocess.run(["/bin/umount", "-l", str(where)], check=True)


def test_a_full_disk(configure, small_disk, locked, ended, caplog):
    """What does not fit there waits in memory, and is stored in the end, once."""
    configure(spool=str(small_disk), redaction_key=KEY)
    with caplog.at_level(logging.WARNING):
        assert play(300, 2000) == "done"
        flush(0.5)
        locked()
        run, line = ended()

    assert sorted(numbers(run)) == [*range(300)]
    assert (run.status, run.gaps, run.dropped, line.dropped) == ("success", (), {}, 0)
    assert caplog.text.count("is lost if this process is killed") == 1
    assert caplog.text.count("The spool cannot be written") <= 1


def test_a_disk_that_has_room_again(configure, small_disk, locked, ended, place):
    """The next run is written there again, so that it outlives its process."""
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 200_000)
    configure(spool=str(small_disk), redaction_key=KEY)
    play(60, 2000)
    flush(0.5)
    filler.unlink()
    locked()
    run, _ = ended()

    assert sorted(numbers(run)) == [*range(60)]
    assert run.gaps == ()


def test_a_full_spool(configure, locked, ended, place):
    """The newest are dropped and counted; the run still says how it ended."""
    configure(spool_bytes=120_000, redaction_key=KEY)
    play(500, 300)
    flush(0.5)
    locked()
    run, line = ended()

    lost = run.dropped["spool"]
    assert run.status == "success"
    assert 0 < lost <= 500
    assert len(run.steps) + lost == 500
    assert line.dropped == lost
    assert f"{lost} lost while recording: spool" in [each.text for each in run.gaps]
    assert len({*numbers(run)}) == len(run.steps)


def test_a_full_spool_in_the_batch_of_a_runs_end(configure, locked, place):
    """Each of many short runs tells of its own losses."""
    configure(spool_bytes=2_000_000, redaction_key=KEY)
    for _ in range(60):
        play(6, 10_000)
    flush(0.5)
    locked()
    assert flush(60)

    with open_store(place.store) as store:
        lines = [each for each in store.runs(limit=200) if each.status == "success"]
        runs = [store.load(each.run_id) for each in lines]
    for run, line in zip(runs, lines, strict=True):
        assert run.dropped.get("spool", 0) == 6 - len(run.steps)
        assert line.dropped == 6 - len(run.steps)
    assert sum(line.dropped for line in lines) > 0


def test_a_spool_that_cannot_be_made(configure, ended, tmp_path, caplog):
    """A file stands where it should be: it works without, and says so once."""
    (tmp_path / "file").write_text("not a folder")
    with caplog.at_level(logging.WARNING):
        configure(spool=str(tmp_path / "file"))
        play(5)
        assert flush()
        play_on = play(5)
        assert play_on == "done"
        assert flush()

    with open_store(f"sqlite:///{tmp_path}/runs.db") as store:
        runs = [store.load(each.run_id) for each in store.runs()]
    assert [len(each.steps) for each in runs] == [5, 5]
    assert caplog.text.count("is lost if this process is killed") == 1


def test_no_spool_at_all(configure, ended, tmp_path):
    """Where it is switched off nothing is written beside the store."""
    configure(spool="off")
    play(5)
    run, _ = ended()

    assert numbers(run) == [*range(5)]
    assert not (tmp_path / "spool").exists()


# --- a full queue --------------------------------------------------------------------


def test_a_dropped_step_is_not_shown_as_open(configure, locked, ended):
    """It has ended: it is counted as lost, and nothing else."""
    configure(queue_bytes=20_000)
    play(3000)
    locked()
    run, line = ended()

    lost = run.dropped["queue"]
    assert [each for each in run.steps if each.is_open] == []
    assert len(run.steps) + lost == 3000
    assert line.dropped >= lost


def test_waiting_for_room_loses_nothing(configure, ended):
    """With `block` the agent waits as long as the writer makes room."""
    configure(queue_bytes=20_000, when_full="block", block_ms=60_000)
    play(1000)
    run, line = ended()

    assert sorted(numbers(run)) == [*range(1000)]
    assert (run.gaps, run.dropped, line.dropped) == ((), {}, 0)
    assert all(each.dropped is None for each in run.steps)


def test_waiting_for_room_ends(configure, locked, ended):
    """Nobody makes room: the call goes on after its time, and is counted."""
    configure(queue_bytes=20_000, when_full="block", block_ms=20)
    begun = time.monotonic()
    assert play(100) == "done"
    took = time.monotonic() - begun
    locked()
    run, _ = ended()

    assert took < 100 * 1.0
    assert len(run.steps) + run.dropped.get("queue", 0) == 100
    assert [each for each in run.steps if each.dropped == "queue"]


# --- large -----------------------------------------------------------------------------


def test_a_tool_result_of_64_mb(configure, ended):
    """It is stored whole."""
    configure()
    word = "The weather in Lisbon was fine. "
    text = word * (64_000_000 // len(word))

    @tool
    def fetch() -> str:
        return text

    @agent(name="large")
    def run():
        return len(fetch())

    assert run() == len(text)
    found, _ = ended()

    (step,) = found.steps
    assert step.outcome.value == text
    assert found.gaps == ()


def test_a_run_of_10_000_steps(configure, ended):
    """All of them are there, in order."""
    configure()
    play(10_000)
    run, line = ended()

    assert numbers(run) == [*range(10_000)]
    assert run.gaps == ()
    assert (line.step_count, line.status) == (10_000, "success")


def test_10_000_events(configure, ended):
    """A span's own events come along, however many."""
    configure()

    @agent(name="eventful")
    def run():
        span = trace.get_current_span()
        for number in range(10_000):
            span.add_event("happened", {"number": number})

    run()
    found, _ = ended()

    (root,) = [each for each in found.spans if each.span_id == found.root_span_id]
    events = [each for each in root.events if each.name == "happened"]
    assert [each.attributes["number"] for each in events] == [
        str(number) for number in range(10_000)
    ]


# --- odd values --------------------------------------------------------------------------

BYTES = bytes(range(256)) * 3 + b"\xff\xfe\x00\xd8"


class Mirror(LocalServer):
    """Gives a request's body back."""

    def respond(self, request: ScriptedRequest) -> Reply:
        kind = ("content-type", "text/plain; charset=utf-8")
        return Reply(headers=(kind,), body=request.body)


@pytest.mark.parametrize("redact", ["off", "default"])
def test_bytes_that_are_no_text(configure, ended, redact):
    """They come back as they were, or are left out as what may hide a secret."""
    configure(redact=redact)

    @agent(name="binary")
    def run(url):
        return urllib3.PoolManager().request("POST", url, body=BYTES).data == BYTES

    with Mirror() as mirror:
        assert run(mirror.url)
    found, _ = ended()

    (step,) = found.steps
    if redact == "default":
        assert step.dropped == "redaction"
        assert found.gaps
        return
    assert step.call.request.body == BYTES
    assert b"".join(each.data for each in step.outcome.response.chunks) == BYTES
    assert found.gaps == ()


class Hostile:
    """Can neither be shown nor compared."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    __hash__ = None


def recursive() -> list[object]:
    found: list[object] = [1]
    found.append(found)
    return found


def deep() -> object:
    found: object = 1
    for _ in range(sys.getrecursionlimit() * 3):
        found = [found]
    return found


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        {"a": -math.inf},
        recursive(),
        deep(),
        "a\ud800b",
        {"\udfff": ["\ud83d"]},
        Hostile(),
        [Hostile()],
        10**400,
        {1: 2, None: 3, (1, 2): 4},
        "\x00\x01",
        BYTES,
        object,
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_that_are_hard_to_keep(configure, ended, value):
    """The agent gets its own value; the run is whole, or says what it has not."""
    configure()

    @tool
    def give(it):
        return it

    @agent(name="odd")
    def run(it):
        return give(it) is it

    assert run(value)
    found, _ = ended()

    (step,) = found.steps
    assert found.status == "success"
    assert not step.is_open
    assert found.dropped == {} or found.gaps


def test_times_and_numbers_that_no_store_holds(configure, place):
    """A foreign span with them takes no other with it, and keeps nothing back."""
    configure()
    tracer = trace.get_tracer("foreign")
    play(2)
    for start, end in ((-5, 10), (2**70, 2**71), (10, 5), (0, 2**63)):
        span = tracer.start_span("odd", start_time=start)
        span.set_attribute("large", 10**30)
        span.end(end)
    play(3)
    assert flush(30)

    with open_store(place.store) as store:
        runs = [store.load(each.run_id) for each in store.runs()]
    assert sorted(len(each.steps) for each in runs if each.steps) == [2, 3]


# --- the clock -----------------------------------------------------------------------------

CLOCK = """
    import os, signal, sys, time
    behind = [0]
    real_ns, real = time.time_ns, time.time
    time.time_ns = lambda: real_ns() - behind[0] * 10**9
    time.time = lambda: real() - behind[0]
    import otel_agent_replay
    from otel_agent_replay import agent, tool
    otel_agent_replay.configure()

    @tool
    def look(number):
        if number == 1:
            behind[0] = 3600
        return number

    @agent(name="late")
    def play():
        for number in range(3):
            look(number)
        otel_agent_replay.flush()
        if sys.argv[1] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)

    play()
"""


@pytest.mark.parametrize("end", ["returned", "killed"])
def test_a_clock_that_jumps_back(place, end):
    """All steps are there, and no time ends before it begins in what is cut off."""
    place.write("clock.py", CLOCK)
    place.run("clock.py", end)

    run = place.only_run()
    assert sorted(numbers(run)) == [0, 1, 2]
    assert run.status == ("success" if end == "returned" else "interrupted")
    assert run.gaps == ()
    if end == "killed":
        assert run.end_ns >= run.start_ns
