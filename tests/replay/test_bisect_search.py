"""The smallest part that decides, whatever it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agent_replay.replay.bisect import smallest


def deciding(*wanted: int):
    """Return a test that is bad where all of these are taken."""
    return lambda part: "bad" if part >= set(wanted) else "good"


@given(
    st.integers(1, 40).flatmap(
        lambda n: st.tuples(
            st.just(n), st.sets(st.integers(0, n - 1), min_size=1, max_size=5)
        )
    )
)
def test_what_decides_is_found_whatever_it_is(case):
    """No more and no less, proved by trials, none of them made twice."""
    number, wanted = case
    asked: list[frozenset[int]] = []

    def test(part):
        asked.append(part)
        return deciding(*wanted)(part)

    found = smallest(number, test, trials=10_000)

    assert found is not None
    assert (found.part, found.minimal) == (wanted, True)
    assert {found.without(each) for each in wanted} == {"good"}
    assert len(asked) == len(set(asked)) == len(found.verdicts)


@given(st.integers(1, 8), st.randoms(use_true_random=False))
def test_no_single_one_can_be_left_out(number, chance):
    """Also where trials say what they like, and some say nothing."""
    said: dict[frozenset[int], str] = {
        frozenset(): "good",
        frozenset(range(number)): "bad",
    }

    def test(part):
        return said.setdefault(part, chance.choice(["good", "bad", "unresolved"]))

    found = smallest(number, test, trials=10_000)

    assert found is not None
    assert found.minimal
    assert said[found.part] == "bad"
    assert all(said[found.part - {each}] != "bad" for each in found.part)


@given(st.integers(2, 30), st.integers(2, 20))
def test_without_trials_left_it_says_so(number, most):
    """What is found by then is bad all the same."""
    wanted = {0, number - 1}

    found = smallest(number, deciding(*wanted), trials=most)

    assert found is not None
    assert len(found.verdicts) <= most
    assert found.part >= wanted
    assert not found.minimal or found.part == wanted


def test_of_parts_that_do_alike_the_first_is_found():
    """What comes later often follows from it."""
    found = smallest(16, lambda part: "bad" if part else "good", trials=100)

    assert found is not None
    assert found.part == {0}


@pytest.mark.parametrize(
    "said", [("bad", "bad"), ("good", "good"), ("unresolved", "bad")]
)
def test_nothing_follows_where_the_ends_are_not_what_they_should_be(said):
    """Nothing at all is good, everything is bad; else there is nothing to look for."""
    nothing, everything = said

    found = smallest(3, lambda part: everything if part else nothing, trials=100)

    assert found is None
