"""The battery, run on this package."""

import pytest

from otel_agent_replay.testing.battery import CASES, Ours, judge


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_of_the_battery(case, tmp_path):
    """Unchanged code gets its recorded answers; each change is noticed."""
    tool = Ours(tmp_path)

    judged = judge(tool, case)

    assert [each for each in judged if not each.good] == []
    assert judged[0].verdict == "ok"
