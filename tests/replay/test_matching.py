"""How calls find their steps: modes, functions, normalisers."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

import pytest

import otel_agent_replay
from otel_agent_replay import (
    DivergenceError,
    agent,
    checkpoint,
    fork,
    replay,
    step,
    tool,
)
from otel_agent_replay.errors import ConfigurationError
from tests.replay.recorded import CHILD, URL, newest, told


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


# --- processes ---------------------------------------------------------------------------


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
