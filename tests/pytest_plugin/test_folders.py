"""One test for a folder of goldens."""

from __future__ import annotations

import pytest


def test_a_folder_of_goldens(project):
    """A test for each; the one that differs is named. In several processes too."""
    golden = (project.folder / "tests/goldens/clerk.json").read_text()
    project.write(
        {
            "tests/goldens/again.json": golden.replace('"clerk"', '"again"', 1),
            "tests/test_clerk.py": """
                import pytest
                from clerk_agent import clerk


                @pytest.mark.golden_folder("goldens")
                def test_all(agent_replay):
                    clerk(**agent_replay.input)
                    assert agent_replay.run.calls("look_up") == 2


                @pytest.mark.golden_folder()
                def test_default(agent_replay):
                    clerk(**agent_replay.input)
            """,
        }
    )

    one = project.pytest("tests", "-vv")
    both = ("-p", "xdist", "-n", "2")
    two = project.pytest("tests", *both)
    red = project.pytest("tests", *both, CHANGE="less")

    assert one.counts == two.counts == {"passed": 4}, one.out + two.out
    assert "test_all[again] PASSED" in one.out
    assert red.counts == {"failed": 4}, red.out


@pytest.mark.parametrize("folder", ["goldens/nothing", "nowhere"])
def test_a_folder_without_goldens_is_red(project, folder):
    """A test that runs on nothing would be green."""
    (project.folder / "tests/goldens/nothing").mkdir()
    project.write(
        {
            "tests/test_clerk.py": f"""
                import pytest


                @pytest.mark.golden_folder("{folder}")
                def test_all(agent_replay):
                    pass
            """,
        }
    )

    done = project.pytest("tests")

    assert done.code != 0
    assert "would compare nothing" in done.out + done.err
