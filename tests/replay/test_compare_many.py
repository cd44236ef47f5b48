"""Many runs beside one."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from otel_agent_replay.replay.compare import compare_many
from tests.replay.compared import run, steps, tool


def cells(compared):
    return [tuple(s and s.index for s in row.steps) for row in compared.rows]


def test_many_runs_stand_beside_the_first():
    """A row a step, a cell a run; what several others do alike shares a row."""
    base = run(tool("a"), tool("b", {"n": 1}), tool("c"))
    one = run(tool("a"), tool("b", {"n": 2}), tool("new"), run_id="one")
    two = run(tool("a"), tool("b", {"n": 1}), tool("new"), tool("c"), run_id="two")

    found = compare_many(base, one, two)

    assert cells(found) == [(0, 0, 0), (1, 1, 1), (None, 2, 2), (2, None, 3)]
    assert found.shared == 1
    assert [len(each) for each in found.rows[1].fields] == [0, 1, 0]
    assert [each.b for each in found.comparisons] == ["one", "two"]
    assert compare_many(base, replace(base, run_id="x")).same


def test_what_several_runs_do_alike_shares_a_row():
    """Steps of one kind and name after the same step stand side by side."""
    base = run(tool("a"))
    one = run(tool("a"), tool("new", {"n": 1}))
    two = run(tool("a"), tool("other"), tool("new", {"n": 2}))

    found = compare_many(base, one, two)

    assert cells(found) == [(0, 0, 0), (None, None, 1), (None, 1, 2)]


@given(steps, steps, steps)
def test_every_step_of_many_runs_has_one_cell(one, two, three):
    """Nothing is left out or told twice."""
    runs = run(*one), run(*two), run(*three)

    rows = compare_many(*runs).rows

    for column, each in enumerate(runs):
        told = [row.steps[column].index for row in rows if row.steps[column]]
        assert sorted(told) == [s.index for s in each.steps]
