"""Tail sampling: decided when a run ends, alike in every process."""

from __future__ import annotations

import pytest

import otel_agent_replay
from otel_agent_replay import agent, open_store, tool
from otel_agent_replay.capture.sampling import Rates
from otel_agent_replay.errors import ConfigurationError

LONG = "what a customer said, at length. " * 100


@tool
def look(number: int) -> str:
    """Answer at length."""
    return f"{number}: {LONG}"


@agent(name="sampled")
def play(*, fails: bool = False) -> str:
    """Look twice."""
    look(1)
    look(2)
    if fails:
        raise LookupError
    return "done"


def test_a_success_that_is_left_out_keeps_its_line(use_provider, store_url, runs):
    """Its sums and times stay; its payloads are gone, and it says why."""
    use_provider()
    otel_agent_replay.configure(store=store_url, sample_success=0)

    play()

    [run] = runs()
    assert run.status == "success"
    assert [step.dropped for step in run.steps] == ["sampled out", "sampled out"]
    assert run.dropped == {}
    with open_store(store_url) as store:
        [line] = store.runs()
        assert (line.agent_name, line.step_count, line.dropped) == ("sampled", 2, 0)
        assert store.runs(text="customer") == []


def test_what_failed_is_always_whole(use_provider, store_url, runs):
    """A failure is what the recording is for."""
    use_provider()
    otel_agent_replay.configure(store=store_url, sample_success=0)

    with pytest.raises(LookupError):
        play(fails=True)

    [run] = runs()
    assert run.status == "failed"
    assert run.gaps == ()
    assert run.steps[1].outcome.value == f"2: {LONG}"


def test_a_run_that_never_ends_is_kept(use_provider, store_url, runs):
    """What is held when recording stops is an interrupted run."""
    use_provider()
    otel_agent_replay.configure(store=store_url, sample_success=0)

    @agent(name="sampled")
    def stop_inside() -> None:
        look(1)
        otel_agent_replay.shutdown()

    stop_inside()

    [run] = runs()
    assert run.status == "interrupted"
    assert run.steps[0].outcome.value == f"1: {LONG}"


def test_agents_have_rates_of_their_own(use_provider, store_url, runs):
    """The rate of an agent comes before that of all."""
    use_provider()
    otel_agent_replay.configure(
        store=store_url, sample_success=0, sample_agents=["sampled=100"]
    )

    play()

    [run] = runs()
    assert run.gaps == ()


def test_every_process_decides_alike():
    """The run id decides, and about as many stay as were asked for."""
    rates = Rates(success=25)
    kept = [number for number in range(4000) if rates.keeps(f"run {number}", "a")]

    assert kept == [n for n in range(4000) if Rates(success=25).keeps(f"run {n}", "b")]
    assert 800 < len(kept) < 1200
    assert all(Rates(success=30).keeps(f"run {number}", "a") for number in kept)


@pytest.mark.parametrize(
    "settings",
    [{"sample_success": 101}, {"sample_success": -1}, {"sample_agents": ["a=x"]}],
)
def test_a_rate_is_a_percentage(store_url, settings):
    """Anything else is said to be none."""
    with pytest.raises(ConfigurationError, match="0 to 100"):
        otel_agent_replay.configure(store=store_url, **settings)
