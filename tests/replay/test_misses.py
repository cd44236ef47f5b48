"""What a call that no step answers is told, and what may go live instead."""

from __future__ import annotations

import pytest

from otel_agent_replay import (
    DivergenceError,
    agent,
    replay,
    tool,
)
from otel_agent_replay.errors import WriteBlockedError
from tests.replay.recorded import newest, told


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
