"""How calls find their steps: modes, order, lanes, functions, normalisers, misses."""

from __future__ import annotations

import asyncio
import functools
import operator
import random
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import otel_agent_replay
from otel_agent_replay import (
    DivergenceError,
    agent,
    checkpoint,
    fork,
    open_store,
    replay,
    step,
    tool,
)
from otel_agent_replay.errors import ConfigurationError, WriteBlockedError

URL = "sqlite:///runs.db"


class Clock:
    """A tool's world: gives a number more each time, and counts."""

    def __init__(self) -> None:
        self.ticks = 0

    def tick(self) -> int:
        self.ticks += 1
        return self.ticks


@pytest.fixture
def world():
    """Record into a new store."""
    otel_agent_replay.configure(store=URL)
    return Clock()


@pytest.fixture
def look_up(world):
    """A read."""

    @tool
    def look_up(word: str) -> str:
        return f"{word} {world.tick()}"

    return look_up


@pytest.fixture
def roll(world):
    """A read that gives something else each time."""

    @tool
    async def roll() -> int:
        await asyncio.sleep(0)
        return world.tick()

    return roll


def newest():
    otel_agent_replay.flush()
    with open_store(URL) as store:
        return store.load(store.runs()[0].run_id)


def told(session) -> list[str]:
    return [str(each) for each in session.report.divergences]


# --- order ------------------------------------------------------------------------------


def test_calls_of_one_thread_keep_their_order(look_up):
    """Swapped ones get their own results, and the fewest that moved are named."""

    @agent
    def run() -> None:
        for word in words:
            look_up(word)

    words = ["a", "b", "c", "d", "e"]
    run()
    recorded = newest()
    words = ["b", "a", "c", "e", "d"]
    with replay(recorded, strict=False) as session:
        run()

    assert [(d.kind, d.step) for d in session.report.divergences] == [
        ("out_of_order", 1),
        ("out_of_order", 4),
    ]
    assert told(session)[0].endswith("asked for before step 0 look_up, not after it")
    with pytest.raises(DivergenceError, match="out_of_order"), replay(recorded):
        run()


def test_a_call_moved_past_others_is_the_one_that_is_named(look_up):
    """Not those it went past."""

    @agent
    def run() -> None:
        for word in words:
            look_up(word)

    words = ["a", "b", "c", "d"]
    run()
    words = ["b", "c", "d", "a"]
    with replay(newest(), strict=False) as session:
        run()

    (moved,) = session.report.divergences
    assert (moved.kind, moved.step) == ("out_of_order", 0)
    assert moved.reason == "asked for after step 1 look_up, not before it"


def test_tasks_have_no_order_among_them(look_up):
    """Inside one there is."""

    @tool
    async def slow(word: str) -> str:
        for _ in range(waits[word[0]]):
            await asyncio.sleep(0)
        return word

    @agent
    async def run() -> list[str]:
        async def branch(name: str) -> list[str]:
            for _ in range(waits[name]):
                await asyncio.sleep(0)
            return [await slow(name + number) for number in numbers[name]]

        return functools.reduce(
            operator.iadd, await asyncio.gather(branch("a"), branch("b")), []
        )

    waits, numbers = {"a": 0, "b": 3}, {"a": "12", "b": "12"}
    asyncio.run(run())
    recorded = newest()
    assert {each.lane for each in recorded.steps} == {0, 1}
    waits = {"a": 5, "b": 0}
    with replay(recorded) as session:
        asyncio.run(run())
    assert session.report.ok

    numbers = {"a": "12", "b": "21"}
    with replay(recorded, strict=False) as session:
        asyncio.run(run())

    assert [d.kind for d in session.report.divergences if d.step is not None] == [
        "out_of_order"
    ]


def test_ordered_looks_at_the_order_of_all(look_up):
    """Also at that of tasks."""

    @agent
    async def run() -> None:
        async def branch(name: str) -> None:
            look_up(name)

        await asyncio.gather(*map(branch, names))

    names = ["a", "b", "c"]
    asyncio.run(run())
    recorded = newest()
    names = ["b", "a", "c"]
    with replay(recorded, strict=True):
        asyncio.run(run())
    with replay(recorded, strict=False, match="ordered") as session:
        asyncio.run(run())

    assert [(d.kind, d.step) for d in session.report.divergences] == [
        ("out_of_order", 1)
    ]


def test_work_of_a_pool_has_a_lane_of_its_own(look_up):
    """The pool's threads are no lanes: which of them gets which work is chance."""

    @agent
    def run() -> list[str]:
        with ThreadPoolExecutor(1) as pool:
            return [*pool.map(look_up, words)]

    words = ["a", "b", "c"]
    first = run()
    recorded = newest()
    assert len({each.lane for each in recorded.steps}) == 3
    words = ["c", "b", "a"]
    with replay(recorded, strict=False) as session:
        assert run() == first[::-1]

    assert "out_of_order" not in {d.kind for d in session.report.divergences}


def test_equal_calls_of_a_task_get_what_that_task_had(roll):
    """However the answers of several tasks were interleaved then."""

    @agent
    async def run() -> list[list[int]]:
        async def branch() -> list[int]:
            return [await roll(), await roll(), await roll()]

        return await asyncio.gather(branch(), branch(), branch())

    first = asyncio.run(run())
    assert first == [[1, 4, 7], [2, 5, 8], [3, 6, 9]]
    with replay(newest()) as session:
        assert asyncio.run(run()) == first

    assert session.report.ok
    (note,) = session.report.notes
    assert "roll was called with the same arguments side by side" in note
    assert "steps 0, 1, 2" in note


def test_equal_calls_of_threads_get_what_that_thread_had(world):
    """The first call of a thread says which it is."""

    @tool
    def name(thread: str) -> str:
        return thread

    @tool
    def tick() -> int:
        return world.tick()

    turns = [threading.Event() for _ in range(5)]

    def work(who: int, found: dict[str, list[int]]) -> None:
        name(str(who))
        got = []
        for turn in order[who]:
            assert turns[turn].wait(20)
            got.append(tick())
            turns[turn + 1].set()
        found[str(who)] = got

    @agent
    def run() -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        one, other = (threading.Thread(target=work, args=[n, found]) for n in (0, 1))
        one.start()
        other.start()
        turns[0].set()
        one.join()
        other.join()
        return dict(sorted(found.items()))

    order = [(0, 2), (1, 3)]
    first = run()
    assert first == {"0": [1, 3], "1": [2, 4]}
    for turn in turns:
        turn.clear()
    order = [(0, 1), (2, 3)]
    with replay(newest()) as session:
        assert run() == first

    assert session.report.notes == ()


def test_a_call_inside_another_one_than_then(look_up):
    """It is told where it was recorded, and is not answered there."""

    @step
    def part() -> None:
        look_up("a")

    @agent
    def run() -> None:
        part()
        if outside:
            look_up("b")
        else:
            other()

    @step
    def other() -> None:
        look_up("b")

    outside = True
    run()
    recorded = newest()

    @agent(name="run")
    def moved() -> None:
        part()
        look_up("a")

    with (
        pytest.raises(
            DivergenceError,
            match=r"changed: look_up \(step 2\).*word: was 'b', now 'a'",
        ),
        replay(recorded) as session,
    ):
        moved()
    assert "asked for once more" not in str(session.report.divergences[0])

    @agent(name="run")
    def inside() -> None:
        look_up("a")

    with (
        pytest.raises(
            DivergenceError,
            match=r"out_of_order: look_up \(step 1\) in run: it was recorded inside part",
        ),
        replay(recorded),
    ):
        inside()


@pytest.mark.parametrize("seed", range(25))
def test_tasks_get_their_own_answers_whatever_way_they_are_woven(world, seed):
    """And two calls that one of them swaps are named, and no other."""

    @tool
    async def ask(what: str) -> int:
        for _ in range(pauses.randrange(4)):
            await asyncio.sleep(0)
        return world.tick()

    @agent
    async def run() -> list[list[int]]:
        async def branch(words: list[str]) -> list[int]:
            return [await ask(word) for word in words]

        return await asyncio.gather(*map(branch, plan))

    made = random.Random(seed)  # noqa: S311 - to be repeated
    plan = [
        [f"task {number}", *made.choices("aab", k=made.randrange(1, 6)), "z"]
        for number in range(4)
    ]
    pauses = random.Random(seed + 1)  # noqa: S311 - to be repeated
    first = asyncio.run(run())
    recorded = newest()
    pauses = random.Random(seed + 2)  # noqa: S311 - to be repeated
    with replay(recorded) as session:
        assert asyncio.run(run()) == first
    assert session.report.ok

    plan[2][1:] = reversed(plan[2][1:])
    with replay(recorded, strict=False) as session:
        asyncio.run(run())
    assert {d.kind for d in session.report.divergences if d.step is not None} == {
        "out_of_order"
    }
    moved = {recorded.steps[d.step].lane for d in session.report.divergences if d.step}
    assert len(moved) == 1


# --- by arguments, and by a function -----------------------------------------------------


def test_by_arguments_parents_and_order_are_free(look_up):
    """Code that was put into other steps finds its answers."""

    @step
    def part(word: str) -> str:
        return look_up(word)

    @agent
    def run() -> list[str]:
        return [part("a"), part("b"), look_up("a")]

    first = run()

    @agent(name="run")
    def other() -> list[str]:
        @step
        def new() -> list[str]:
            return [look_up("b"), look_up("a"), look_up("a")]

        b, a, again = new()
        return [a, b, again]

    with replay(newest(), match="by_arguments") as session:
        assert other() == first

    assert session.report.ok
    with pytest.raises(DivergenceError), replay(newest()):
        other()


def test_a_fork_by_arguments_goes_on_from_other_code(look_up):
    """The shared steps need not be inside the steps they were made in."""

    @step
    def part(word: str) -> str:
        return look_up(word)

    @agent
    def run() -> list[str]:
        return [part("a"), part("b")]

    run()

    @agent(name="run")
    def other() -> list[str]:
        return [look_up("a"), look_up("c")]

    with fork(newest(), at=1, match="by_arguments") as session:
        assert other() == ["a 1", "c 3"]

    assert (session.report.served, session.report.live) == ((1,), ("look_up",))


def test_by_arguments_still_needs_every_step_once(look_up):
    """What is asked for too often, or never, is told."""

    @agent
    def run() -> None:
        for word in words:
            look_up(word)

    words = ["a", "b"]
    run()
    recorded = newest()
    words = ["a"]
    with replay(recorded, strict=False, match="by_arguments") as session:
        run()
    assert told(session) == ["missing: look_up (step 1)"]

    words = ["a", "b", "a"]
    with (
        pytest.raises(DivergenceError, match="asked for once more than recorded"),
        replay(recorded, match="by_arguments"),
    ):
        run()


def test_a_function_chooses(look_up):
    """It is given the call and the steps of its kind that are left, in order."""
    seen = []

    def ignore_case(call, steps):
        seen.append((call.inputs["word"], [each.index for each in steps]))
        word = call.inputs["word"].lower()
        return next((s for s in steps if s.call.inputs["word"] == word), None)

    @agent
    def run() -> list[str]:
        checkpoint({"n": 0})
        return [look_up(word) for word in words]

    words = ["a", "b"]
    first = run()
    recorded = newest()
    words = ["B", "A"]
    with replay(recorded, match=ignore_case, strict=False) as session:
        assert run() == first[::-1]
    assert [each.name for each in session.report.divergences] == ["run"]
    assert seen == [("B", [1, 2]), ("A", [1])]
    assert session.report.served == (0, 1, 2)

    words = ["c"]
    with (
        pytest.raises(DivergenceError, match="changed: look_up"),
        replay(recorded, match=ignore_case),
    ):
        run()


def test_a_function_may_only_choose_what_it_is_given(look_up, world):
    """Else, or if it fails, nothing goes live."""

    @agent
    def run() -> None:
        look_up("a")

    run()
    recorded = newest()
    with (
        pytest.raises((DivergenceError, ConfigurationError)),
        replay(recorded, match=lambda *_: recorded),
    ):
        run()
    with (
        pytest.raises((DivergenceError, ZeroDivisionError)),
        replay(recorded, match=lambda *_: 1 / 0),
    ):
        run()

    assert world.ticks == 1


@pytest.mark.parametrize("match", ["strictly", "", None, 3])
def test_there_are_no_other_modes(look_up, match):
    """The error says which there are."""

    @agent
    def run() -> None:
        look_up("a")

    run()
    with (
        pytest.raises(ConfigurationError, match="strict, ordered, by_arguments"),
        replay(newest(), match=match),
    ):
        pass
    with (
        pytest.raises(ConfigurationError, match="timestamps"),
        replay(newest(), normalise=["times"]),
    ):
        pass


# --- normalisers --------------------------------------------------------------------------


def test_a_normaliser_lets_differ_what_changes_by_nature(look_up):
    """Only where the exact call is not there; each place stands in the report."""

    @agent
    def run() -> None:
        look_up(f"order {uuid.uuid4()}")
        look_up("plain")

    run()
    recorded = newest()
    with pytest.raises(DivergenceError, match="changed") as raised, replay(recorded):
        run()
    assert raised.value.args
    with replay(recorded, normalise=["uuids"]) as session:
        run()

    (passed,) = session.report.normalised
    assert (passed.step, passed.normaliser, passed.path) == (0, "uuids", "word")
    assert session.report.ok


def test_normalised_calls_keep_their_occurrence(world):
    """Equal but for what was left out: in the order of the recording."""

    @tool
    def fetch(key: str) -> int:
        return world.tick()

    @agent
    def run() -> list[int]:
        return [fetch(f"req_{uuid.uuid4().hex}") for _ in range(3)]

    assert run() == [1, 2, 3]
    with replay(newest(), normalise="request_ids") as session:
        assert run() == [1, 2, 3]

    assert len(session.report.normalised) == 3


def test_states_inputs_and_answers_are_normalised_too():
    """They change by nature as well."""
    otel_agent_replay.configure(store=URL)

    @agent
    def run(now: str) -> dict[str, str]:
        checkpoint({"now": now, "n": count})
        return {"at": now}

    count = 1
    run("2026-01-02T03:04:05Z")
    recorded = newest()
    with replay(recorded, normalise=["timestamps"]) as session:
        run("2026-02-03T04:05:06Z")

    assert [(each.step, each.path) for each in session.report.normalised] == [
        (None, "input.now"),
        (0, "state.now"),
        (None, "output.at"),
    ]
    count = 2
    with replay(recorded, normalise=["timestamps"], strict=False) as session:
        run("2026-02-03T04:05:06Z")
    assert [d.name for d in session.report.divergences] == ["state"]


# --- misses ------------------------------------------------------------------------------


def test_a_miss_names_the_closest_steps(world):
    """Those with the least differences first, and what had been used already."""

    @tool
    def book(city: str, nights: int, guests: int) -> int:
        return world.tick()

    @agent
    def run() -> None:
        for each in wanted:
            book(*each)

    wanted = [("Rome", 1, 1), ("Oslo", 2, 2), ("Bern", 3, 4), ("Bonn", 5, 5)]
    run()
    recorded = newest()
    wanted = [("Rome", 1, 1), ("Bern", 3, 3)]
    with pytest.raises(DivergenceError), replay(recorded) as session:
        run()

    (found,) = session.report.divergences
    assert (found.kind, found.step) == ("changed", 2)
    assert [str(each) for each in found.fields] == ["guests: was 4, now 3"]
    assert next(each.step for each in found.candidates) == 2
    assert len(found.candidates) == 3

    wanted = [("Rome", 1, 1), ("Rome", 1, 1)]
    with pytest.raises(DivergenceError), replay(recorded) as session:
        run()
    (found,) = session.report.divergences
    assert found.reason == "asked for once more than recorded"
    assert found.candidates[0].used
    assert found.candidates[0].fields == ()


def test_what_is_named_goes_live_on_a_miss(look_up, world):
    """The rest is answered; the step it stands for is unused, and not missing."""

    @agent
    def run() -> list[str]:
        return [look_up(word) for word in words]

    words = ["a", "b", "c"]
    run()
    recorded = newest()
    words = ["a", "x", "c"]
    for live in (["tool"], "look_up"):
        with replay(recorded, live=live, strict=False) as session:
            assert run()[::2] == ["a 1", "c 3"]
        report = session.report
        assert (report.live, report.served) == (("look_up",), (0, 2))
        assert report.unused == (1,)
        (end,) = report.divergences
        assert (end.name, end.cause) == ("run", "tool")

    with pytest.raises(DivergenceError), replay(recorded, live=["model"]):
        run()
    assert world.ticks == 5


def test_a_live_call_that_is_too_many_has_nothing_to_stand_for(look_up):
    """And a step that nobody asked for is still missing."""

    @agent
    def run() -> None:
        for word in words:
            look_up(word)

    words = ["a", "b", "c"]
    run()
    recorded = newest()
    words = ["a", "x"]
    with replay(recorded, live=["tool"], strict=False) as session:
        run()

    assert told(session) == ["missing: look_up (step 2)"]


def test_a_write_goes_live_only_if_it_is_named(world):
    """Also where its kind may."""

    @tool(effect="write")
    def send(text: str) -> int:
        return world.tick()

    @agent
    def run(text: str) -> int:
        return send(text)

    run("a")
    recorded = newest()
    with (
        pytest.raises(WriteBlockedError, match="send"),
        replay(recorded, live=["tool", "send"]),
    ):
        run("b")
    assert world.ticks == 1
    with (
        pytest.raises(DivergenceError, match="text"),
        replay(recorded, allow_writes=["send"]),
    ):
        run("b")
    assert world.ticks == 1
    with replay(recorded, live="tool", allow_writes=["send"], strict=False) as session:
        assert run("b") == 2

    assert session.report.live == ("send",)


def test_what_a_live_tool_does_must_be_named_too(look_up):
    """A tool that was let through does not let others through."""

    @tool
    def outer(word: str) -> str:
        return look_up(word)

    @agent
    def run(word: str) -> str:
        return outer(word)

    run("a")
    recorded = newest()
    with (
        pytest.raises(DivergenceError, match="changed: look_up"),
        replay(recorded, live=["outer"]),
    ):
        run("b")
    with replay(recorded, live=["outer", "look_up"], strict=False) as session:
        run("b")

    assert session.report.live == ("outer", "look_up")
    assert session.report.unused == (0,)


def test_the_time_that_a_replay_has_come_to(look_up):
    """The recorded one of the last step that was asked for."""

    @agent
    def run() -> None:
        look_up("a")
        seen.append(now[0]._replayer.reached_ns if now else 0)
        look_up("b")

    seen, now = [], []
    run()
    recorded = newest()
    with replay(recorded) as session:
        now.append(session)
        run()

    assert seen[1] == recorded.steps[0].end_ns


# --- processes ---------------------------------------------------------------------------

CHILD = """
import otel_agent_replay
from otel_agent_replay import tool

otel_agent_replay.configure(store="sqlite:///runs.db")

@tool
def touch(name):
    open(name, "a").close()
    return name

touch("touched")
"""


def test_a_function_is_for_one_process(world):
    """Another one stops before its first call, and says why."""

    @agent
    def run() -> str:
        done = subprocess.run(
            [sys.executable, "child.py"], capture_output=True, text=True, check=False
        )
        return f"{done.returncode} {'works in the process' in done.stderr}"

    Path("child.py").write_text(CHILD)
    assert run() == "0 False"
    recorded = newest()
    assert "touch" in {each.call.name for each in recorded.steps}
    Path("touched").unlink()

    said = []
    with replay(recorded, match=lambda _, steps: steps[0], strict=False) as session:
        said.append(run())

    assert said == ["70 True"]
    assert "missing" in {each.kind for each in session.report.divergences}
    assert not Path("touched").exists()


def test_order_is_looked_at_in_each_process(world):
    """What moved in a child is told by the process that opened the session."""

    @agent
    def run() -> int:
        done = subprocess.run([sys.executable, "child.py"], check=False)
        return done.returncode

    body = CHILD.replace('touch("touched")', "")
    Path("child.py").write_text(body + 'touch("a"); touch("b"); touch("c")')
    assert run() == 0
    recorded = newest()
    Path("child.py").write_text(body + 'touch("a"); touch("c"); touch("b")')
    with replay(recorded, strict=False) as session:
        run()

    assert [(each.kind, each.name) for each in session.report.divergences] == [
        ("out_of_order", "touch")
    ]
