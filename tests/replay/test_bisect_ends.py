"""What a bisection is asked for, and when it says nothing."""

from __future__ import annotations

import dataclasses
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_agent_replay import (
    agent,
    bisect,
    step,
)
from otel_agent_replay.errors import (
    BisectionError,
    ConfigurationError,
    RunIncompleteError,
)
from otel_agent_replay.model.run import Gap
from tests.replay.bisected import getter, ran, steps


def test_trials_can_be_too_few(world):
    """Then what was found is not known to be the smallest."""
    get = getter(world)

    @agent
    def act() -> str:
        return "bad" if sum(get(key) for key in "abcdefgh") > 12 else "good"

    good = ran(world, act, **dict.fromkeys("abcdefgh", 1))
    bad = ran(world, act, **dict.fromkeys("abcdefgh", 2))

    found = bisect(good, bad, act, trials=4)

    assert (found.minimal, found.trials) == (False, 4)
    assert bisect(good, bad, act, trials=100).minimal
    with pytest.raises(ConfigurationError, match="1 is less than 2"):
        bisect(good, bad, act, trials=1)


@pytest.mark.parametrize(
    ("until", "said"),
    [
        (None, "both runs ended with the answer 'fine'"),
        ("failed", "does not hold for run"),
        ("answer~fine", "too, which is to be the good one"),
        ("answer~(", "no regular expression"),
        ("answered", "neither 'failed' nor 'answer~REGEX'"),
    ],
)
def test_a_condition_that_tells_nothing(world, until, said):
    """It must hold for the bad run, and for that one only."""
    get = getter(world)

    @agent
    def act() -> str:
        get("a")
        return "fine"

    good, bad = ran(world, act, a=1), ran(world, act, a=2)

    with pytest.raises(ConfigurationError, match=said):
        bisect(good, bad, act, until=until)


def test_code_that_ends_otherwise_is_said(world):
    """The trials with all that one run was given must end as it did."""
    get, ends = getter(world), count()

    @agent
    def act() -> str:
        return f"{next(ends)} {get('a')}"

    good, bad = ran(world, act, a=1), ran(world, act, a=2)
    with pytest.raises(BisectionError, match="given all that") as raised:
        bisect(good, bad, act)
    assert good.run_id in raised.value.problem
    assert "it ended with the answer '2 1'" in raised.value.problem


def test_nothing_given_differently_is_the_code(world):
    """There is nothing to look for among what was recorded."""
    get, ends = getter(world), count()

    @agent
    def act() -> str:
        return f"{next(ends)} {get('a')}"

    good, bad = ran(world, act, a=1), ran(world, act, a=1)

    with pytest.raises(BisectionError, match="it is the code that"):
        bisect(good, bad, act)


def test_a_run_with_gaps_must_be_allowed(world):
    """Of either run."""
    get = getter(world)

    @agent
    def act() -> str:
        return str(get("a"))

    good, bad = ran(world, act, a=1), ran(world, act, a=2)
    holed = dataclasses.replace(bad, gaps=(Gap(text="something is lost"),))

    with pytest.raises(RunIncompleteError):
        bisect(good, holed, act)
    assert steps(bisect(good, holed, act, allow_gaps=True)) == [0]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_all_that_a_run_was_given_makes_its_end(world, data):
    """Whatever calls follow from it: then what is found makes it too."""
    get = getter(world)
    keys = st.sampled_from("abcd")
    tables = st.fixed_dictionaries(
        {key: st.lists(keys, min_size=6, max_size=6) for key in "abcd"}
    )

    @step
    def inside(key: str) -> object:
        return get(key)

    @agent
    def act() -> str:
        seen = ["a"]
        for number in range(6):
            ask = inside if number % 3 == 2 else get
            seen.append(ask(seen[-1]))
        return "".join(seen)

    good = ran(world, act, **data.draw(tables))
    bad = ran(world, act, **data.draw(tables))
    if good.output == bad.output:
        return

    found = bisect(good, bad, act, trials=200)

    assert found.changes
    assert found.minimal
    assert "bad" not in found.without.values()
    assert world.happened == []
