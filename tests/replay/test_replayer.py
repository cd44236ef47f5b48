"""What a session answers, lets through, refuses and reports."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

import otel_agent_replay
from otel_agent_replay import (
    DivergenceError,
    agent,
    checkpoint,
    compare,
    fork,
    memory,
    open_store,
    replay,
    resume,
    step,
    tool,
)
from otel_agent_replay.errors import ConfigurationError, WriteBlockedError
from otel_agent_replay.intercept import open_call, session
from otel_agent_replay.model.call import Call
from otel_agent_replay.model.run import Run
from otel_agent_replay.replay.plan import plan_of
from otel_agent_replay.replay.replayer import Replayer, ReplayStopped
from otel_agent_replay.replay.tools import Tools
from otel_agent_replay.testing.local_server import LocalServer, Reply


class BoomError(Exception):
    """What goes wrong."""


class World:
    """What really happens, and what it gives."""

    def __init__(self) -> None:
        self.happened: list[object] = []
        self.failures = 0
        self.results: Iterator[object] = iter(range(100))


@pytest.fixture
def world():
    """Record into a new store."""
    otel_agent_replay.configure(store="sqlite:///runs.db")
    return World()


def newest(index: int = 0) -> Run:
    with open_store("sqlite:///runs.db") as store:
        return store.load(store.runs()[index].run_id)


def tools_of(world: World):
    @tool
    def look_up(word: str) -> object:
        world.happened.append(word)
        return next(world.results)

    return look_up


# --- answers -----------------------------------------------------------------------------


def test_the_same_call_again_gets_the_next_result(world):
    """In the order of the recording; one more than there was is a difference."""
    look_up = tools_of(world)

    @agent
    def run(count: int) -> list[object]:
        return [look_up("a") for _ in range(count)]

    assert run(3) == [0, 1, 2]
    recorded = newest()

    with replay(recorded) as opened:
        assert run(3) == [0, 1, 2]
    with pytest.raises(DivergenceError, match="unexpected: look_up"), replay(recorded):
        run(4)

    assert opened.report.served == (0, 1, 2)
    assert world.happened == ["a"] * 3


def test_other_arguments_get_their_own_results(world):
    """Whatever order they come in; that it is another one is said."""
    look_up = tools_of(world)

    @agent
    def run() -> dict[str, object]:
        return {word: look_up(word) for word in order}

    order = ["a", "b", "c"]
    first = run()
    order = ["c", "a", "b"]
    with replay(newest(), match="by_arguments") as opened:
        assert run() == first
    with replay(newest(), strict=False) as in_order:
        assert run() == first

    assert opened.report.ok
    assert [str(each) for each in in_order.report.divergences] == [
        "out_of_order: look_up (step 2): asked for before step 1 look_up, not after it"
    ]


def test_retries_fail_and_succeed_as_they_did(world):
    """Each attempt is a step, with its own outcome."""
    world.failures = 2

    @tool
    def flaky() -> str:
        world.happened.append("flaky")
        if len(world.happened) <= world.failures:
            raise BoomError(len(world.happened))
        return "done"

    @agent
    def run() -> list[str]:
        said = []
        while not said or said[-1] != "done":
            try:
                said.append(flaky())
            except BoomError as error:
                said.append(str(error))
        return said

    assert run() == ["1", "2", "done"]
    recorded = newest()
    assert [each.occurrence for each in recorded.steps] == [0, 1, 2]

    with replay(recorded):
        assert run() == ["1", "2", "done"]

    assert len(world.happened) == 3


def test_what_an_answered_tool_did_inside_is_not_asked_for(world):
    """It is covered, however deep."""
    look_up = tools_of(world)

    @step
    def part() -> object:
        return look_up("deep")

    @tool
    def outer() -> object:
        return [part(), look_up("inside")]

    @agent
    def run() -> object:
        return [outer(), look_up("beside")]

    run()
    recorded = newest()
    with replay(recorded) as opened:
        run()

    assert opened.report.ok
    assert opened.report.unused == ()
    assert [recorded.steps[i].call.name for i in opened.report.served] == [
        "outer",
        "look_up",
    ]


def test_a_class_of_the_script_is_the_same_run_or_imported(world, tmp_path):
    """In arguments, results, states, inputs, outputs, and exceptions."""
    (tmp_path / "shop.py").write_text(
        """
import dataclasses
import otel_agent_replay
from otel_agent_replay import agent, checkpoint, tool

@dataclasses.dataclass
class Order:
    number: int

class UnknownError(Exception):
    pass

@tool
def find(order: Order) -> Order:
    if order.number > 1:
        raise UnknownError(order.number)
    return Order(order.number + 1)

@agent
def run(order: Order) -> list[Order]:
    found = []
    try:
        while True:
            order = find(checkpoint(order))
            found.append(order)
    except UnknownError:
        return found

if __name__ == "__main__":
    otel_agent_replay.configure(store="sqlite:///runs.db")
    run(Order(0))
"""
    )
    environment = {"PYTHONPATH": f"{Path(__file__).parents[2]}:{tmp_path}"}
    subprocess.run([sys.executable, "shop.py"], check=True, env=environment)
    recorded = newest()
    assert recorded.input["order"]["class"] == "__main__:Order"

    sys.path.insert(0, str(tmp_path))
    try:
        import shop
    finally:
        sys.path.remove(str(tmp_path))
    with replay(recorded) as opened:
        assert shop.run(shop.Order(0)) == [shop.Order(1), shop.Order(2)]

    assert opened.report.ok


async def test_a_run_that_was_cancelled_does_not_wait_for_ever(world):
    """Nobody in it will cancel the call again."""
    started = asyncio.Event()

    @tool
    async def wait() -> None:
        started.set()
        await asyncio.Event().wait()

    @agent
    async def run() -> None:
        await wait()

    task = asyncio.create_task(run())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async def again() -> None:
        with replay(newest()):
            await run()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(again(), 20)


@pytest_asyncio.fixture
async def replaying(world):
    """A session that is open around a test, as users write it."""

    @agent
    async def run() -> str:
        return await starts("a")

    await run()
    with replay(newest()) as opened:
        yield run
    assert opened.report.ok


async def test_a_session_of_an_async_fixture(replaying):
    """It may be entered in another task and context than it is used in."""
    assert await replaying() == "a"


async def test_and_after_it(world):
    """Nothing of it is left."""
    look_up = tools_of(world)

    assert look_up("live") == 0


# --- differences -------------------------------------------------------------------------


def test_a_second_run_in_one_session(world):
    """It has no recording: it is unexpected, and does nothing."""
    look_up = tools_of(world)

    @agent
    def run() -> object:
        return look_up("a")

    run()
    with pytest.raises(DivergenceError, match="unexpected: run"), replay(newest()):
        [run() for _ in range(2)]

    assert world.happened == ["a"]


def test_what_is_no_reason_to_stop_is_reported(world):
    """Input, state, answer, missing steps: errors if strict, else in the report."""
    look_up = tools_of(world)

    @agent
    def run(words: list[str], state: int) -> object:
        checkpoint({"state": state})
        return [state, *map(look_up, words)]

    run(["a", "b"], 1)
    recorded = newest()

    with replay(recorded, strict=False) as opened:
        assert run(["a"], 2) == [2, 0]
    with pytest.raises(DivergenceError) as raised, replay(recorded):
        run(["a"], 2)

    told = [str(each) for each in opened.report.divergences]
    assert told == [
        "changed: run: input.words[1]: was 'b', now absent; input.state: was 1, now 2",
        "changed: state (step 0): state.state: was 1, now 2",
        "missing: look_up (step 2)",
        "changed: run: output[0]: was 1, now 2; output[2]: was 1, now absent",
    ]
    assert list(raised.value.differences) == told
    assert (opened.report.served, opened.report.unused) == ((0, 1), (2,))
    assert not opened.report.ok


def test_a_generator_that_yields_otherwise(world):
    """What an agent streams is its answer too."""
    words = ["a", "b"]

    @agent
    def run() -> Iterator[str]:
        yield from words

    list(run())
    words = ["a", "c"]
    said = r"items\[1\]: was 'b', now 'c'"
    with pytest.raises(DivergenceError, match=said), replay(newest()):
        list(run())


def test_a_call_that_was_not_recorded_is_told_with_the_closest(world):
    """Its place, and which argument differs."""
    look_up = tools_of(world)

    @step
    def inner(word: str) -> object:
        return look_up(changed.get(word, word))

    @agent
    def run() -> object:
        return inner("a")

    changed = {}
    run()
    changed = {"a": "b"}

    with pytest.raises(DivergenceError) as raised, replay(newest()):
        run()

    assert raised.value.differences == (
        "changed: look_up (step 1) in run > inner: word: was 'a', now 'b'",
    )


def test_nothing_goes_on_after_the_end(world):
    """An agent that swallows everything does nothing more, live or answered."""
    look_up = tools_of(world)

    @agent
    def run(first: str) -> list[str]:
        said = []
        for word in (first, "b", "new"):
            try:
                said.append(look_up(word))
            except BaseException as error:  # noqa: BLE001
                said.append(type(error).__name__)
        return said

    run("a")
    recorded = newest()
    happened = list(world.happened)
    for sessions in (replay, resume):
        with pytest.raises(DivergenceError, match="look_up"), sessions(recorded):
            assert run("other") == ["ReplayStopped"] * 3
    with pytest.raises(DivergenceError), fork(recorded, at=1):
        run("other")

    assert world.happened == happened


def test_an_answer_of_no_use_is_a_difference_though_swallowed(world):
    """A result whose class nobody names, and a generator that is read further."""

    @dataclasses.dataclass
    class Page:
        title: str

    @tool
    def find():
        return Page("a")

    @tool
    def pieces() -> Iterator[int]:
        yield from range(5)

    @agent
    def run(count: int) -> str:
        with contextlib.suppress(Exception):
            find()
        generator = pieces()
        with contextlib.suppress(Exception):
            for _ in range(count):
                next(generator)
        generator.close()
        return "done"

    run(2)
    with replay(newest(), strict=False) as opened:
        assert run(2) == "done"
    (unusable,) = opened.report.divergences
    assert str(unusable).startswith("changed: find (step 0) in run: answer: was None")
    assert "Annotate the function's return type" in unusable.fields[0].actual

    with replay(newest(), strict=False) as opened:
        run(3)
    assert "stopped reading here" in opened.report.divergences[-1].fields[0].actual


def test_a_call_that_cannot_be_redacted_stops_the_agent():
    """It cannot be looked up, and must not go live."""

    def fail(call: Call) -> Call:
        raise BoomError(call.name)

    run = Run(run_id="r", trace_id="t")
    replayer = Replayer(
        run, plan_of(run, "replay"), Tools(redact=fail, redact_outcome=lambda o, _: o)
    )

    with session(replayer), pytest.raises(ReplayStopped):
        open_call(Call(kind="tool", name="f", inputs={}))

    assert replayer.log.stopped
    assert [each.kind for each in replayer.log.divergences] == ["unexpected"]
    assert replayer.log.notes == ["f could not be redacted: f"]


# --- writes ------------------------------------------------------------------------------


class Echo(LocalServer):
    """Answers anything."""

    def respond(self, _):
        return Reply(body=b"ok")


@pytest.fixture
def server():
    with Echo() as opened:
        yield opened


def writing_agent(world: World, server: Echo):  # noqa: C901 - one function each
    @tool(effect="write")
    def send(to: str) -> str:
        world.happened.append(f"send {to}")
        httpx.post(f"{server.url}/send", content=to)
        return note(to)

    @memory(operation="upsert_memory")
    def note(text: str) -> str:
        world.happened.append(f"note {text}")
        return text

    @tool
    def research(what: str) -> str:
        httpx.post(f"{server.url}/search", content=what)
        if what == "send":
            return send("inside")
        if what == "note":
            return note("inside")
        return what

    @agent
    def run(*, what: str) -> list[str]:
        checkpoint({})
        if what == "post":
            httpx.post(f"{server.url}/direct", content=b"x")
            return []
        if what == "get":
            return [httpx.get(f"{server.url}/page").text]
        return [send("first") if what == "send first" else research(what)]

    return run


@pytest.mark.parametrize(
    ("what", "blocked"),
    [
        ("nothing", None),
        ("get", None),
        ("send", "send"),
        ("note", "note"),
        ("send first", "send"),
        ("post", "POST 127.0.0.1/direct"),
    ],
)
def test_writes_after_a_fork_need_to_be_allowed(world, server, what, blocked):
    """Tools, memory, requests; a request inside a reading tool is that tool's doing."""
    run = writing_agent(world, server)
    run(what="get")
    recorded = newest()
    asked = len(server.requests)

    if blocked is None:
        with fork(recorded, at=0) as opened:
            run(what=what)
        assert opened.report.blocked == ()
        assert len(server.requests) == asked + 1
        return

    with pytest.raises(WriteBlockedError) as raised, fork(recorded, at=0) as opened:
        run(what=what)
    assert raised.value.name.replace(f":{server.port}", "") == blocked
    assert world.happened == []
    assert opened.report.blocked
    assert len(server.requests) - asked == (1 if what in {"send", "note"} else 0)


@pytest.mark.parametrize(
    ("what", "allowed"),
    [
        ("send", "send"),
        ("send first", "send"),
        ("post", "127.0.0.1"),
        ("post", "127.0.0.1:PORT"),
        ("send", "*"),
    ],
)
def test_an_allowed_write_may_do_all_it_does(world, server, what, allowed):
    """Its requests and what it writes inside; by name, by host, all."""
    run = writing_agent(world, server)
    run(what="get")
    names = [allowed.replace("PORT", str(server.port))]

    with fork(newest(), at=0, allow_writes=names) as opened:
        run(what=what)

    assert opened.report.blocked == ()
    assert len(opened.report.live) >= 1


# --- changes -----------------------------------------------------------------------------


async def _looked_up(word: str) -> str:
    return word


@tool
def starts(word: str):
    """Return what must be awaited."""
    return _looked_up(word)


@tool
def lists(count: int) -> Iterator[int]:
    yield from range(count)


async def test_a_changed_result_comes_the_way_the_recorded_one_did(world):
    """To be awaited, or piece by piece."""

    @agent
    async def run() -> list[object]:
        return [await starts("a"), list(lists(2))]

    assert await run() == ["a", [0, 1]]
    recorded = newest()

    with fork(recorded, at=0, result="b") as first:
        assert await run() == ["b", [0, 1]]
    with fork(recorded, at=1, result=[7, 8, 9]) as second:
        assert await run() == ["a", [7, 8, 9]]

    for forked in (first.run, second.run):
        with replay(forked) as again:
            await run()
        assert again.report.ok
        assert compare(forked, again.run).same


def test_a_change_where_nothing_is_asked_is_refused(world):
    """Inside an answered tool, on a checkpoint, on what a resume made again."""
    look_up = tools_of(world)
    crash = True

    @tool
    def outer() -> object:
        return look_up("inside")

    @tool
    def fails() -> str:
        if crash:
            raise BoomError
        return "done"

    @agent
    def run() -> object:
        checkpoint({})
        return [outer(), fails()]

    with pytest.raises(BoomError):
        run()
    crash = False
    with resume(newest()) as opened:
        run()
    recorded = opened.run
    again = next(each.index for each in recorded.steps if each.superseded)
    names = {each.call.name: each.index for each in recorded.steps}

    for at, said in [
        (names["look_up"], "inside step 1, outer, which is answered as a whole"),
        (names["state"], "use `answer` for a model and `state` for a checkpoint"),
        (again, "made again by a resume"),
    ]:
        with (
            pytest.raises(ConfigurationError, match=said),
            fork(recorded, at=at, result=1),
        ):
            pytest.fail("must not run")
    with fork(recorded, at=names["look_up"]) as opened:
        run()
    assert opened.report.live == ("fails",)


def test_a_change_that_leads_nowhere_is_not_taken_for_made(world):
    """Though the agent swallows the error of its checkpoint."""

    @agent
    def run() -> str:
        with contextlib.suppress(Exception):
            checkpoint({"a": 1})
        return "done"

    run()
    forked = fork(newest(), at=0, state={"b.c": 1})
    with pytest.raises(DivergenceError, match="checkpoint"), forked:
        run()


# --- resume ------------------------------------------------------------------------------


def test_calls_side_by_side_that_failed_are_made_again(world):
    """Also where another began after them and finished."""
    crash = True

    @tool
    async def get(word: str) -> str:
        await asyncio.sleep(0)
        world.happened.append(word)
        if crash and word == "b":
            while world.happened[-1] != "c":  # noqa: ASYNC110 - until c has finished
                await asyncio.sleep(0)
            raise BoomError(word)
        return word.upper()

    @agent
    async def run() -> list[str]:
        return await asyncio.gather(*map(get, "abc"))

    with pytest.raises(BoomError):
        asyncio.run(run())
    assert len(newest().steps) == 3
    crash = False
    with resume(newest()) as opened:
        assert asyncio.run(run()) == ["A", "B", "C"]

    assert opened.report.live == ("get",)
    assert world.happened == ["a", "b", "c", "b"]
    assert opened.run.status == "success"


def test_a_failure_that_the_agent_went_on_from_stays(world):
    """It is answered as it was; the one that ended the run is made again."""
    failing = {"a", "c"}

    @tool
    def get(word: str) -> str:
        world.happened.append(word)
        if word in failing:
            raise BoomError(word)
        return word.upper()

    @agent
    def run() -> list[str]:
        try:
            get("a")
        except BoomError:
            get("b")
        return [get("c")]

    with pytest.raises(BoomError):
        run()
    failing = set()
    with resume(newest()):
        assert run() == ["C"]

    assert world.happened == ["a", "b", "c", "c"]


def test_a_tool_that_failed_half_way_is_made_again_whole(world):
    """What it did inside is its own to do again."""
    look_up = tools_of(world)
    crash = True

    @tool
    def outer() -> object:
        found = look_up("inside")
        if crash:
            raise BoomError
        return found

    @agent
    def run() -> list[object]:
        return [look_up("before"), outer(), look_up("after")]

    with pytest.raises(BoomError):
        run()
    crash = False
    with resume(newest()) as opened:
        assert run() == [0, 2, 3]

    assert world.happened == ["before", "inside", "inside", "after"]
    assert opened.report.ok
    with replay(opened.run) as again:
        assert run() == [0, 2, 3]
    assert again.report.ok


def test_a_run_that_succeeded_has_nothing_left_to_do(world):
    """Though its last call failed: the agent had an answer to that."""

    @tool
    def fails() -> str:
        world.happened.append("fails")
        raise BoomError

    @agent
    def run() -> str:
        try:
            return fails()
        except BoomError:
            return "sorry"

    run()
    with resume(newest()) as opened:
        assert run() == "sorry"

    assert (opened.report.live, world.happened) == ((), ["fails"])
