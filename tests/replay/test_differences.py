"""What a session tells of code that differs from its recording."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

import pytest

from otel_agent_replay import (
    DivergenceError,
    agent,
    checkpoint,
    fork,
    replay,
    resume,
    step,
    tool,
)
from otel_agent_replay.intercept import open_call, session
from otel_agent_replay.model.call import Call
from otel_agent_replay.model.run import Run
from otel_agent_replay.replay.plan import plan_of
from otel_agent_replay.replay.replayer import Replayer, ReplayStopped
from otel_agent_replay.replay.tools import Tools
from tests.replay.recorded import BoomError, newest, tools_of


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
