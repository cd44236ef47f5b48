"""A write with a key runs once: again, beside itself, in another process."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import otel_agent_replay
from otel_agent_replay import (
    agent,
    fork,
    open_store,
    replay,
    resume,
    tool,
)
from otel_agent_replay.errors import (
    WriteBlockedError,
    WriteInDoubtError,
    WriteNotBegunError,
)
from tests.writes.shop import Shop, newest, states


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
