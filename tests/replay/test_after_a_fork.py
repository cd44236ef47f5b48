"""What may run after a fork, and what a fork changes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import httpx
import pytest

from otel_agent_replay import (
    DivergenceError,
    agent,
    checkpoint,
    compare,
    fork,
    memory,
    replay,
    resume,
    tool,
)
from otel_agent_replay.errors import ConfigurationError, WriteBlockedError
from otel_agent_replay.testing.local_server import LocalServer, Reply
from tests.replay.recorded import BoomError, World, newest, tools_of

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
