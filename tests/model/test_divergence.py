"""Differences between values, and how they are told."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.comparison import AlignedSteps, Comparison
from otel_agent_replay.model.divergence import (
    Candidate,
    Divergence,
    FieldDifference,
    ReplayReport,
    differences,
)
from otel_agent_replay.model.step import Step

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(json_values)
def test_a_value_does_not_differ_from_its_copy(value):
    """Whatever it is."""
    assert differences(value, copy.deepcopy(value)) == ()


@given(json_values, json_values)
def test_differences_are_seen_from_both_sides(one, other):
    """At the same places, with the sides exchanged."""
    there, back = differences(one, other), differences(other, one)

    assert {each.path for each in there} == {each.path for each in back}
    assert bool(there) == bool(back)


@pytest.mark.parametrize(
    ("expected", "actual", "told"),
    [
        (1, 1.0, []),
        (1, True, ["value: was 1, now True"]),
        (0, False, ["value: was 0, now False"]),
        (0.0, -0.0, ["value: was 0.0, now -0.0"]),
        (0, -0.0, ["value: was 0, now -0.0"]),
        (float("nan"), float("nan"), []),
        (float("nan"), None, ["value: was nan, now None"]),
        (None, False, ["value: was None, now False"]),
        ("1", 1, ["value: was '1', now 1"]),
        ({"a": 1}, {"a": 1, "b": None}, ["b: not recorded, now None"]),
        ({"a": None}, {}, ["a: was None, now absent"]),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, ["a.b[1]: was 2, now 3"]),
        ([1], [1, 2], ["[1]: not recorded, now 2"]),
        ([1, [2]], [1], ["[1]: was [2], now absent"]),
        ({"a": [1]}, {"a": {"0": 1}}, ["a: was [1], now {'0': 1}"]),
        ({"a": 1, "b": 2}, {"b": 3, "a": 4}, ["a: was 1, now 4", "b: was 2, now 3"]),
    ],
)
def test_each_difference_is_told_with_its_place(expected, actual, told):
    """In the order of the recorded value; an absent side is told from None."""
    assert [str(each) for each in differences(expected, actual)] == told


def test_long_values_are_told_short():
    """The difference itself keeps them whole."""
    (found,) = differences("a" * 500, "b" * 500)

    assert len(str(found)) < 200
    assert str(found).count("…") == 2
    assert found.expected == "a" * 500


def test_a_divergence_is_one_line():
    """Kind, name, step, place, and the first three fields."""
    fields = tuple(
        FieldDifference(path=f"f{n}", expected=n, actual=-n) for n in range(1, 6)
    )
    found = Divergence(
        kind="changed", name="f", step=3, parent=("a", "b"), fields=fields
    )

    assert str(found) == (
        "changed: f (step 3) in a > b: f1: was 1, now -1; f2: was 2, now -2; "
        "f3: was 3, now -3"
    )
    assert str(Divergence(kind="unexpected", name="f")) == "unexpected: f"


def test_what_else_there_is_to_say_stands_before_the_fields():
    """A reason, and of a candidate whether it had answered already."""
    field = FieldDifference(path="word", expected="a", actual="b")
    found = Divergence(kind="changed", name="f", reason="asked again", fields=(field,))

    assert str(found) == "changed: f: asked again; word: was 'a', now 'b'"
    assert str(Candidate(step=2, name="f", used=True)) == (
        "step 2 f, used already: the same"
    )
    assert str(Candidate(step=2, name="f", fields=(field, field))) == (
        "step 2 f: word: was 'a', now 'b'; and 1 more"
    )


def test_a_report_is_ok_if_nothing_differed_and_nothing_was_refused():
    """What was live or unused is no reproach by itself."""
    assert ReplayReport(run_id="r", live=("f",), unused=(1,), notes=("n",)).ok
    assert not ReplayReport(run_id="r", blocked=("f",)).ok
    different = Divergence(kind="unexpected", name="f")
    assert not ReplayReport(run_id="r", divergences=(different,)).ok


def test_rows_and_comparisons_that_are_the_same():
    """Both sides there and alike; inputs and answers count too."""
    one = Step(
        index=0, span_id="1", call=Call(kind="tool", name="f"), outcome=Outcome()
    )
    field = FieldDifference(path="x")

    assert AlignedSteps(a=one, b=one).same
    assert not AlignedSteps(a=one).same
    assert not AlignedSteps(a=one, b=one, fields=(field,)).same
    assert Comparison(a="a", b="b").same
    assert not Comparison(a="a", b="b", answer=(field,)).same
    assert not Comparison(a="a", b="b", input=(field,)).same
    assert not Comparison(a="a", b="b", first_divergence=0).same
