"""Random agents: what was changed is what the report names, and nothing else."""

import os
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import otel_agent_replay
from otel_agent_replay import DivergenceError, open_store
from otel_agent_replay import replay as replayed
from tests.battery.random_agents import (
    Actor,
    Ask,
    asks_of,
    changed,
    neighbours,
    plans,
    plans_of_equal_calls,
    swapped,
)

CASES = int(os.environ.get("AGENT_REPLAY_TEST_CASES", "20"))
SEARCH = settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


@pytest.fixture
def store(tmp_path):
    """Record into a file; give its URL."""
    url = f"sqlite:///{tmp_path}/runs.db"
    otel_agent_replay.configure(store=url)
    return url


def record(store, plan, seed=None):
    Actor(seed).run(plan)
    otel_agent_replay.flush()
    with open_store(store) as opened:
        return opened.load(opened.runs(limit=1)[0].run_id)


def play(run, plan, seed=None, **matching):
    """Return the report of a replay, and how many calls went live in it."""
    actor = Actor(seed)
    with suppress(DivergenceError), replayed(run, strict=False, **matching) as session:
        actor.run(plan)
    return session.report, actor.live


def inputs(run, index):
    return run.steps[index].call.inputs


def told(ask):
    return {"number": ask.number, "value": ask.value, "fails": ask.fails}


def chosen(data, plan):
    return data.draw(st.sampled_from([*asks_of(plan)]))


@SEARCH
@given(plan=plans())
def test_unchanged_code_is_answered_in_any_interleaving(store, plan):
    """A replay of the same plan says nothing and runs nothing."""
    run = record(store, plan)

    report, live = play(run, plan)

    assert (report.divergences, report.unused, live) == ((), (), 0)


@SEARCH
@given(
    plan=plans_of_equal_calls(),
    seeds=st.tuples(st.integers(0, 99), st.integers(0, 99)),
    match=st.sampled_from(["strict", "by_arguments"]),
)
def test_equal_calls_get_their_own_answers_or_it_is_said(store, plan, seeds, match):
    """Where nothing tells apart what made them, a note says that chance decided."""
    run = record(store, plan, seeds[0])

    report, live = play(run, plan, seeds[1], match=match)

    assert (report.unused, live) == ((), 0)
    if not any("side by side" in note for note in report.notes):
        assert report.divergences == ()


@SEARCH
@given(plan=plans(), data=st.data())
def test_a_changed_argument_is_named(store, plan, data):
    """The first divergence is the changed call, its recorded step, and the field."""
    ask = chosen(data, plan)
    run = record(store, plan)
    new = replace(ask, value=ask.value + 10)

    report, live = play(run, changed(plan, lambda *_: (new,), ask.number))

    first = report.divergences[0]
    assert (first.kind, first.name) == ("changed", "ask")
    assert inputs(run, first.step) == told(ask)
    assert [each.path for each in first.fields] == ["value"]
    assert live == 0


@SEARCH
@given(plan=plans(), data=st.data())
def test_a_call_of_another_tool_is_named(store, plan, data):
    """A call of another tool is unexpected."""
    ask = chosen(data, plan)
    run = record(store, plan)
    new = replace(ask, name="other")

    report, live = play(run, changed(plan, lambda *_: (new,), ask.number))

    first = report.divergences[0]
    assert (first.kind, first.name, live) == ("unexpected", "other", 0)


@SEARCH
@given(plan=plans(), data=st.data())
def test_a_missing_call_is_named(store, plan, data):
    """A call that is no longer made is the only thing missing."""
    ask = chosen(data, plan)
    run = record(store, plan)

    report, live = play(run, changed(plan, lambda *_: (), ask.number))

    missing = [each for each in report.divergences if each.kind == "missing"]
    assert [inputs(run, each.step) for each in missing] == [told(ask)]
    assert [each.kind for each in report.divergences if each not in missing] in (
        [],
        ["changed"],  # what the agent returned has one part less
    )
    assert (len(report.unused), live) == (1, 0)


@SEARCH
@given(plan=plans(), data=st.data())
def test_an_extra_call_is_named(store, plan, data):
    """A call that was not recorded stops the replay."""
    ask = chosen(data, plan)
    run = record(store, plan)
    new = Ask(-1, 7)

    report, live = play(run, changed(plan, lambda *_: (ask, new), ask.number))

    first = report.divergences[0]
    assert first.name == "ask"
    assert first.kind in {"unexpected", "changed"}
    assert live == 0


@SEARCH
@given(plan=plans(), data=st.data())
def test_two_calls_in_another_order_are_named(store, plan, data):
    """Calls that one task made one after another keep their order."""
    pairs = [*neighbours(plan)]
    assume(pairs)
    first, second = data.draw(st.sampled_from(pairs))
    run = record(store, plan)

    report, live = play(run, swapped(plan, (first, second)))

    moved = [each for each in report.divergences if each.kind == "out_of_order"]
    numbers = {inputs(run, each.step)["number"] for each in moved}
    assert numbers
    assert numbers <= {first, second}
    assert live == 0
