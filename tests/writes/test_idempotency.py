"""Writes with an idempotency key: what they intend is stored, and they run once."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import otel_agent_replay
from otel_agent_replay import (
    agent,
    current_idempotency_key,
    fork,
    open_store,
    replay,
    resume,
    tool,
)
from otel_agent_replay.errors import (
    ConfigurationError,
    WriteBlockedError,
    WriteChangedError,
    WriteInDoubtError,
    WriteNotBegunError,
)
from otel_agent_replay.model.intention import Decision


class Crash(BaseException):
    """Cuts a body off, as a kill does: nobody can catch it by `except Exception`."""


@pytest.fixture(params=["sqlite", "clickhouse"])
def url(request, tmp_path: Path) -> str:
    """Record into a new store."""
    found = f"sqlite:///{tmp_path}/runs.db"
    if request.param == "clickhouse":
        found = request.getfixturevalue("clickhouse_url")
    otel_agent_replay.configure(store=found, spool=str(tmp_path / "spool"))
    return found


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    """Record into a new file."""
    found = f"sqlite:///{tmp_path}/runs.db"
    otel_agent_replay.configure(store=found)
    return found


def newest(url: str):
    otel_agent_replay.flush()
    with open_store(url) as store:
        return store.load(store.runs()[0].run_id)


def states(url: str) -> dict[str, str]:
    """Return the state of each write of the newest run, by name."""
    otel_agent_replay.flush()
    with open_store(url) as store:
        return {e.name: e.state for e in store.writes(store.runs()[0].run_id)}


class Shop:
    """A tool that writes, and what really happened."""

    def __init__(self, **options: object) -> None:
        self.happened: list[tuple[str, int]] = []
        self.keys: list[str | None] = []
        self.failing: list[BaseException] = []
        options = {"idempotency_key": "order", **options}
        self.pay = tool(name="pay", effect="write", **options)(self._pay)

    def _pay(self, order: str, amount: int = 1) -> dict[str, object]:
        self.keys.append(current_idempotency_key())
        if self.failing:
            raise self.failing.pop()
        self.happened.append((order, amount))
        return {"order": order, "at": {amount}}


def test_a_second_call_returns_what_the_first_one_did(url):
    """In its own type; the body runs once a key, and the store knows each outcome."""
    shop = Shop()

    @agent
    def buys() -> list[object]:
        return [shop.pay("a"), shop.pay("b"), shop.pay("a")]

    first, other, again = buys()

    assert first == again == {"order": "a", "at": {1}}
    assert other["order"] == "b"
    assert shop.happened == [("a", 1), ("b", 1)]
    assert states(url) == {"pay:a": "done", "pay:b": "done"}
    run = newest(url)
    marks = [
        each.call.attributes.get("agent_replay.step.write_as") for each in run.steps
    ]
    assert marks == [None, None, "repeated"]
    with replay(run) as session:
        assert buys() == [first, other, again]
    assert session.report.ok
    assert len(shop.happened) == 2


def test_keys_belong_to_a_run(file_url):
    """Another run is another purchase."""
    shop = Shop()
    buys = agent(name="buys")(lambda: shop.pay("a"))

    buys()
    buys()

    assert shop.happened == [("a", 1)] * 2
    assert len({*shop.keys}) == 2


def test_the_key_to_pass_on_is_the_same_in_every_attempt(file_url):
    """It tells writes apart; outside of one there is none."""
    shop = Shop()

    @agent
    def buys() -> None:
        shop.failing.append(ValueError("refused"))
        with pytest.raises(ValueError, match="refused"):
            shop.pay("a")
        shop.pay("a")
        shop.pay("b")

    buys()

    first, second, other = shop.keys
    assert first == second != other
    assert current_idempotency_key() is None


@pytest.mark.parametrize(
    "key", [("order", "amount"), lambda order, amount=1: f"{order}/{amount}"]
)
def test_a_key_of_several_arguments(file_url, key):
    """Names of parameters, or a function of the arguments."""
    shop = Shop(idempotency_key=key)

    @agent
    def buys() -> None:
        for amount in (1, 2, 2):
            shop.pay("a", amount)

    buys()

    assert shop.happened == [("a", 1), ("a", 2)]


def test_the_same_key_with_other_arguments_is_refused(url):
    """Nothing runs, and the error says what to do."""
    shop = Shop()

    @agent
    def buys() -> None:
        shop.pay("a", 1)
        with pytest.raises(WriteChangedError, match="pay:a"):
            shop.pay("a", 2)

    buys()

    assert shop.happened == [("a", 1)]


def test_nothing_raw_is_stored(file_url, tmp_path):
    """Key, arguments and outcome are redacted before they leave the process."""
    shop = Shop()

    @agent
    def buys() -> None:
        shop.pay("ada.lovelace@example.com")
        shop.pay("ada.lovelace@example.com")

    buys()
    (name,) = states(file_url)

    assert len(shop.happened) == 1
    assert "@" in name
    files = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert not [f for f in files if b"lovelace" in f.read_bytes()]


def test_a_write_that_failed_is_made_again(url):
    """Its exception says that it did not happen."""
    shop = Shop()
    shop.failing.append(ValueError("refused"))

    @agent
    def buys() -> object:
        return shop.pay("a")

    with pytest.raises(ValueError, match="refused"):
        buys()
    assert states(url) == {"pay:a": "failed"}
    with resume(newest(url)) as session:
        buys()

    assert shop.happened == [("a", 1)]
    assert session.run.status == "success"
    assert states(url) == {"pay:a": "done"}


@pytest.mark.parametrize("choice", ["retry", "assume_done"])
def test_a_write_that_was_cut_off_is_in_doubt(url, choice):
    """A resume stops at it, until somebody says what becomes of it."""
    _decided(url, choice, "mapping")


@pytest.mark.parametrize("form", ["function", "word"])
@pytest.mark.parametrize("choice", ["retry", "assume_done"])
def test_who_decides_may_be_a_function_or_one_word(file_url, choice, form):
    """As well as a mapping of names."""
    _decided(file_url, choice, form)


def _decided(url: str, choice: str, form: str) -> None:
    shop = Shop()
    shop.failing.append(Crash())

    @agent
    def buys() -> object:
        shop.pay("a")
        return shop.pay("b")

    with pytest.raises(Crash):
        buys()
    run = newest(url)
    assert states(url) == {"pay:a": "open"}
    with pytest.raises(WriteInDoubtError, match=r"pay:a.*assume_done"), resume(run):
        buys()
    assert shop.happened == []

    decision = Decision(action=choice, result={"order": "known"})
    given = {
        "mapping": {"pay:a": decision},
        "function": lambda intention: decision if intention.key == "a" else "stop",
        "word": choice,
    }[form]
    with resume(newest(url), in_doubt=given) as session:
        assert buys()["order"] == "b"

    assert session.report.ok
    assert shop.happened == [("a", 1)] * (choice == "retry") + [("b", 1)]
    assert states(url) == {"pay:a": "done", "pay:b": "done"}
    (first,) = [e for e in session.run.steps if not e.superseded][:1]
    if choice == "assume_done":
        assert first.outcome.value == (None if form == "word" else {"order": "known"})


def test_a_write_in_doubt_is_not_made_again_in_the_same_run(file_url):
    """An agent that catches what cut its write off is told, at every further try."""
    shop = Shop()
    shop.failing.append(Crash())

    @agent
    def buys() -> None:
        with pytest.raises(Crash):
            shop.pay("a")
        with pytest.raises(WriteInDoubtError, match="this process"):
            shop.pay("a")

    buys()

    assert shop.happened == []


def test_an_agent_that_swallows_everything_cannot_pass_a_doubt(file_url):
    """The resume says so even if the agent goes on as if nothing was."""
    shop = Shop()
    shop.failing.append(Crash())

    @agent
    def buys(swallow: bool) -> None:  # noqa: FBT001 - an agent's input
        try:
            shop.pay("a")
        except BaseException:
            if not swallow:
                raise

    with pytest.raises(Crash):
        buys(swallow=False)
    with pytest.raises(WriteInDoubtError), resume(newest(file_url)):
        buys(swallow=True)

    assert shop.happened == []


def test_a_fork_has_keys_of_its_own_but_not_for_what_it_shares(file_url):
    """After the fork point a write needs its name; a shared one is never made again."""
    shop = Shop()

    @agent
    def buys() -> list[object]:
        return [shop.pay(each) for each in ("a", "b", "a")]

    buys()
    run = newest(file_url)
    with pytest.raises(WriteBlockedError), fork(run, at=0):
        buys()
    assert shop.happened == [("a", 1), ("b", 1)]
    with fork(run, at=0, allow_writes=["pay"]):
        buys()

    assert shop.happened == [("a", 1), ("b", 1), ("b", 1)]
    assert shop.keys[1] != shop.keys[2]


def test_a_second_call_beside_the_first_waits_for_it(url):
    """In threads and in tasks; the event loop goes on meanwhile."""
    began, go_on = threading.Event(), threading.Event()
    happened = []

    @tool(effect="write", idempotency_key="order")
    def pay(order: str) -> str:
        began.set()
        go_on.wait(30)
        happened.append(order)
        return f"paid {order}"

    @tool(effect="write", idempotency_key="order")
    async def send(order: str) -> str:
        await asyncio.to_thread(go_on.wait, 30)
        happened.append(order)
        return f"sent {order}"

    @agent
    def buys() -> list[str]:
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(pay, "a") for _ in range(4)]
            began.wait(30)
            go_on.set()
            return [each.result() for each in asked]

    @agent
    async def sends() -> list[str]:
        async def set_later() -> str:
            go_on.set()
            return ""

        go_on.clear()
        return await asyncio.gather(*(send("b") for _ in range(4)), set_later())

    assert buys() == ["paid a"] * 4
    assert asyncio.run(sends()) == [*["sent b"] * 4, ""]
    assert happened == ["a", "b"]


def in_a_child(order: str, marks: str) -> None:
    Path(marks, f"child-{order}").write_text(str(os.getpid()))


@tool(effect="write", idempotency_key="order")
def mark(order: str, marks: str) -> str:
    """Write a file a process."""
    in_a_child(order, marks)
    return f"marked by {os.getpid()}"


@tool(effect="write", idempotency_key="order")
def mark_in_child(order: str, marks: str) -> str:
    """Have another process do what this one is at."""
    made = multiprocessing.get_context("fork").Process(
        target=_mark_again, args=(order, marks)
    )
    made.start()
    made.join()
    return Path(marks, "said").read_text()


def _mark_again(order: str, marks: str) -> None:
    try:
        said = mark_in_child(order, marks)
    except WriteInDoubtError as error:
        said = str(error)
    Path(marks, "said").write_text(said)


def test_another_process_gets_the_outcome_or_is_told(file_url, tmp_path):
    """What a child wrote is not written again; what goes on elsewhere is said."""

    @agent
    def marks() -> str:
        child = multiprocessing.get_context("fork").Process(
            target=mark, args=("a", str(tmp_path))
        )
        child.start()
        child.join()
        assert child.exitcode == 0
        return mark("a", str(tmp_path)) + mark_in_child("b", str(tmp_path))

    said = marks()

    written = (tmp_path / "child-a").read_text()
    assert written != str(os.getpid())
    assert said.startswith(f"marked by {written}")
    assert f"process {os.getpid()}" in said
    assert "is at it now" in said


def test_without_its_store_a_write_does_not_run(tmp_path):
    """The error says so, and that it is safe to call again; reads go on."""
    (tmp_path / "file").write_text("no folder")
    away = f"sqlite:///{tmp_path}/file/runs.db"
    otel_agent_replay.configure(store=away, spool=str(tmp_path / "spool"))
    shop = Shop()
    look = tool(name="look")(lambda word: word)

    @agent
    def buys() -> str:
        with pytest.raises(WriteNotBegunError, match="safe to call it again"):
            shop.pay("a")
        return look("found")

    assert buys() == "found"
    assert shop.happened == []


def test_what_cannot_be_a_keyed_write_is_refused():
    """Where it is decorated, with what to do instead."""

    def several(order: str):
        yield order

    async def async_several(order: str):
        yield order

    keyed = tool(effect="write", idempotency_key="order")
    for function in (several, async_several):
        with pytest.raises(ConfigurationError, match="generator"):
            keyed(function)
    with pytest.raises(ConfigurationError, match="no parameter 'order'"):
        keyed(lambda amount: amount)
    with pytest.raises(ConfigurationError, match="effect='write'"):
        tool(idempotency_key="order")


def test_an_empty_key_is_refused(file_url):
    """It would make all writes one."""
    shop = Shop()

    @agent
    def buys() -> None:
        with pytest.raises(ConfigurationError, match="empty"):
            shop.pay("")

    buys()

    assert shop.happened == []


def test_nothing_is_asked_of_a_write_that_is_not_recorded(tmp_path):
    """The function is the bare one."""
    shop = Shop()

    shop.pay("a")
    shop.pay("a")

    assert shop.happened == [("a", 1)] * 2
    assert shop.keys == [None, None]
    assert not [*tmp_path.iterdir()]


def test_erasing_a_run_erases_its_writes(url):
    """Nothing is left of what it intended."""
    shop = Shop()
    buys = agent(name="buys")(lambda: shop.pay("a"))
    buys()
    run = newest(url)

    with open_store(url) as store:
        store.erase(run.run_id)
        log = otel_agent_replay.store.open_intentions(url)
        assert log.of_run(run.run_id) == ()
        log.close()


def test_a_cancelled_task_that_never_wrote_leaves_no_doubt(file_url):
    """Who gives up while its intention is being stored has not begun."""
    happened = []

    @tool(effect="write", idempotency_key="order")
    async def send(order: str) -> str:
        happened.append(order)
        return order

    @agent
    async def sends() -> str:
        task = asyncio.create_task(send("a"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await send("a")

    assert asyncio.run(sends()) == "a"
    assert happened == ["a"]


def test_a_resume_that_was_refused_allows_nothing(file_url, tmp_path):
    """After a kill, a write without a key needs its name however often one tries."""
    marks = tmp_path / "marks"
    marks.mkdir()
    program = [sys.executable, "-c", KILLED]
    environment = {**os.environ, "AGENT_REPLAY_STORE": file_url, "MARKS": str(marks)}
    killed = subprocess.run(program, env=environment, cwd=tmp_path, check=False)
    assert killed.returncode == -signal.SIGKILL

    @tool(effect="write")
    def pay(order: str) -> str:
        pytest.fail(f"paid {order} twice")

    buys = agent(name="buys")(lambda: pay("a"))
    for _ in range(2):
        run = newest(file_url)
        with pytest.raises(WriteBlockedError), resume(run):
            buys()

    assert [each.name for each in marks.iterdir()] == ["a"]


KILLED = """
import os, pathlib, signal
import otel_agent_replay
from otel_agent_replay import agent, tool

otel_agent_replay.configure()

@tool(effect="write")
def pay(order: str) -> str:
    pathlib.Path(os.environ["MARKS"], order).touch()
    otel_agent_replay.flush()
    os.kill(os.getpid(), signal.SIGKILL)

@agent(name="buys")
def buys() -> str:
    return pay("a")

buys()
"""
