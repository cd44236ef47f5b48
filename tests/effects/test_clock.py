"""The clock: recorded where it is read, answered exactly."""

from __future__ import annotations

import asyncio
import datetime
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, timedelta, timezone
from time import time as taken_by_name
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, Field

from otel_agent_replay import agent, fork, open_store, record, replay, resume, tool
from tests.effects.agents import both, divergence, recorded, replayed

EAST = timezone(timedelta(hours=5, minutes=30))
READS = {
    "time": time.time,
    "time_ns": time.time_ns,
    "monotonic": time.monotonic,
    "monotonic_ns": time.monotonic_ns,
    "perf_counter": time.perf_counter,
    "perf_counter_ns": time.perf_counter_ns,
}


@pytest.mark.parametrize("name", READS)
def test_each_function_of_time_comes_back_to_the_bit(name):
    """Floats and whole numbers are those that were read, one by one."""

    def code():
        return [getattr(time, name)() for _ in range(5)]

    first, again = both(code, "clock")
    assert again == first
    assert [type(each) for each in again] == [type(each) for each in first]


def test_datetime_comes_back_with_its_zone():
    """Naive, aware and zoned moments and days are those that were read."""

    class Moment(datetime.datetime):
        """A class of the agent's own."""

    def code():
        return [
            datetime.datetime.now(),
            datetime.datetime.now(UTC),
            datetime.datetime.now(tz=EAST),
            datetime.datetime.now(ZoneInfo("Europe/Berlin")),
            datetime.datetime.today(),
            date.today(),
            Moment.now(UTC),
        ]

    first, again = both(code, "clock")
    assert again == first
    assert [type(each) for each in again] == [type(each) for each in first]
    zones = [getattr(each, "tzinfo", None) for each in again]
    assert zones == [getattr(each, "tzinfo", None) for each in first]


def test_datetime_stays_the_class_it_is():
    """`is`, `isinstance`, `pickle` and pydantic see the one class there is."""
    before = datetime.datetime

    class Note(BaseModel):
        at: datetime.datetime = Field(
            default_factory=lambda: datetime.datetime.now(UTC)
        )

    def code():
        note = Note()
        assert datetime.datetime is before
        assert isinstance(note.at, datetime.datetime)
        assert type(note.at) is before
        assert pickle.loads(pickle.dumps(note.at)) == note.at  # noqa: S301 - our own
        return Note.model_validate_json(note.model_dump_json()).at

    first, again = both(code, "clock")
    assert again == first


def test_a_default_of_a_pydantic_model_is_the_agents_read():
    """What a model of the agent's code takes for a default is recorded."""

    class Note(BaseModel):
        at: float = Field(default_factory=time.time)

    first, again = both(lambda: Note().at, "clock")
    assert again == first


def test_a_function_taken_by_name_before_is_recorded():
    """`from time import time` at the head of a module makes no difference."""
    first, again = both(lambda: taken_by_name(), "clock")
    assert again == first


def test_what_is_made_of_now_comes_back():
    """`localtime`, `gmtime`, `ctime`, `strftime` with no time given."""

    def code():
        told = [time.localtime(), time.gmtime(), time.gmtime(None)]
        return [*told, time.ctime(), time.asctime(), time.strftime("%Y-%m-%d %H:%M:%S")]

    first, run = recorded(code, "clock")
    assert len([s for s in run.steps if s.call.kind == "clock"]) == 6
    assert replayed(run, code) == first
    assert time.strftime("%Y", time.gmtime(0)) == "1970"


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone is the system's")
def test_local_time_is_that_of_the_recorded_zone(monkeypatch):
    """A replay on a machine in another zone is told the hour of then."""

    def code():
        zone = time.localtime().tm_zone
        return [time.localtime(), time.ctime(), time.strftime("%H %Z %z"), zone]

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        first, run = recorded(code, "clock")
        monkeypatch.setenv("TZ", "America/Lima")
        time.tzset()
        assert replayed(run, code) == first
        assert time.localtime().tm_zone != "JST"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_gather_and_threads_get_their_own_readings():
    """Equal reads of parallel tasks and threads come back to those who read them."""

    async def one(name):
        await asyncio.sleep(0)
        return name, time.time(), time.perf_counter()

    async def gathered():
        return await asyncio.gather(*map(one, "abc"))

    async def in_thread():
        return await asyncio.to_thread(lambda: time.monotonic_ns())

    def code():
        found = {}

        def work(name):
            found[name] = time.time_ns()

        threads = [threading.Thread(target=work, args=(name,)) for name in "xyz"]
        for thread in threads:
            thread.start()
            thread.join()
        with ThreadPoolExecutor(1) as pool:
            told = [pool.submit(lambda: time.monotonic()).result() for _ in range(3)]
        return asyncio.run(gathered()), asyncio.run(in_thread()), found, told

    first, again = both(code, "clock")
    assert again == first


def test_a_tool_reads_for_itself():
    """What a tool reads inside is not recorded: a replay does not run it."""

    @tool
    def stamp():
        return time.time()

    first, run = recorded(lambda: (stamp(), time.time()), "clock")
    assert [step.call.kind for step in run.steps] == ["tool", "clock"]
    assert replayed(run, lambda: (stamp(), time.time())) == first


def test_libraries_read_the_clock_that_is():
    """Only the agent's own code counts: asyncio's loop and `logging` do not."""

    async def waits():
        await asyncio.wait_for(asyncio.sleep(0.001), 5)

    _, run = recorded(lambda: asyncio.run(waits()), "clock")
    assert not run.steps


def test_record_decorates_sync_and_async_agents():
    """Around `@agent` or inside it, what the function reads is recorded."""

    @record(effects=["clock"])
    @agent(name="reader")
    async def outside():
        await asyncio.sleep(0)
        return time.time()

    @agent(name="reader")
    @record(effects="clock")
    def inside():
        return time.time()

    for code in (lambda: asyncio.run(outside()), inside):
        first = code()
        with open_store() as store:
            run = store.load(store.runs()[0].run_id)
        assert [step.call.name for step in run.steps] == ["time.time"]
        with replay(run):
            assert code() == first


def test_nothing_is_recorded_unasked():
    """Without `effects` the reads stay off the run."""
    _, run = recorded(lambda: time.time())
    assert not run.steps


def test_an_extra_read_is_reported():
    """A read more than was recorded stops the replay."""
    _, run = recorded(lambda: time.time(), "clock")

    def twice():
        return [time.time() for _ in range(2)]

    assert "time.time" in divergence(run, twice)


def test_a_missing_read_is_reported():
    """A read less than was recorded is one that nobody asked for."""

    def reads(times):
        return [time.time() for _ in range(times)]

    _, run = recorded(lambda: len(reads(3)), "clock")
    assert "missing: time.time" in divergence(run, lambda: 3 * len(reads(1)))


def test_another_read_in_its_place_is_reported():
    """`monotonic` is not answered with what `time` had told."""

    def code(read):
        return len(str(read())) > 0

    _, run = recorded(lambda: code(lambda: time.time()), "clock")
    assert "time.monotonic" in divergence(run, lambda: code(lambda: time.monotonic()))


def test_a_fork_reads_anew_after_the_shared_part():
    """The shared part is answered; what comes after goes live and is recorded."""

    @tool
    def look():
        return 1

    def code():
        return time.time(), look(), time.time()

    first, run = recorded(code, "clock")
    with fork(run, at=1) as session:
        again = agent(name="reader")(code)()
    assert again[0] == first[0]
    assert again[2] > first[2]
    kinds = [step.call.kind for step in session.run.steps]
    assert kinds == ["clock", "tool", "clock"]
    with open_store() as store:
        assert replayed(store.load(session.run.run_id), code) == again


def test_a_resume_goes_on_with_new_readings():
    """The finished reads are answered; those after the crash are new."""
    crash = [True]

    @tool
    def look():
        return 1

    def code():
        early = time.time()
        look()
        if crash:
            raise RuntimeError(early)
        return early, time.time()

    with pytest.raises(RuntimeError) as crashed:
        recorded(code, "clock")
    crash.clear()
    with open_store() as store:
        run = store.load(store.runs()[0].run_id)
    with resume(run):
        early, late = agent(name="reader")(code)()
    assert early == crashed.value.args[0]
    assert late > early


# --- the clock of a replay that recorded none ----------------------------------------


def test_the_clock_stands_at_the_recorded_time_of_the_step():
    """A replay on another day tells the agent the day of the recording."""

    @tool
    def look():
        return time.time_ns()

    def code():
        looked = look()
        return looked, time.time_ns(), datetime.datetime.now(UTC).timestamp()

    _, run = recorded(code)
    late = run.end_ns + 3_600_000_000_000
    shifted = _moved(run, back_ns=late - run.start_ns)
    looked, at, moment = _results_of(shifted, code)
    step = shifted.steps[0]
    assert step.end_ns <= at < step.end_ns + 60_000_000_000
    assert abs(moment - at / 1e9) < 60
    assert looked > at


def test_the_clock_goes_live_where_it_is_told_to():
    """`clock="live"` tells the agent what time it is."""

    def code():
        return time.time_ns()

    _, run = recorded(code)
    shifted = _moved(run, back_ns=10**15)
    assert _results_of(shifted, code, clock="live") > run.start_ns
    assert _results_of(shifted, code) < run.start_ns


def test_a_monotonic_clock_is_never_moved_unasked():
    """Timeouts are made of it: it goes on as it does."""
    _, run = recorded(lambda: None)
    before = time.monotonic()
    assert _results_of(_moved(run, back_ns=10**15), time.monotonic) >= before


def _moved(run, *, back_ns):
    """Return a run as if it had been recorded earlier."""
    steps = tuple(
        replace(s, start_ns=s.start_ns - back_ns, end_ns=s.end_ns - back_ns)
        for s in run.steps
    )
    start, end = run.start_ns - back_ns, run.end_ns - back_ns
    return replace(run, steps=steps, start_ns=start, end_ns=end)


def _results_of(run, code, **options):
    found = []
    with replay(run, strict=False, **options):
        agent(name="reader")(lambda: found.append(code()))()
    return found[0]
