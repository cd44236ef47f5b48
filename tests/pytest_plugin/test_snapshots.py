"""Intermediate states as snapshots, with the real inline-snapshot and syrupy."""

from __future__ import annotations


def test_inline_snapshot(project):
    """It writes what the run gives, and that holds from then on; until it changes."""
    project.write(
        {
            "tests/test_clerk.py": """
                import pytest
                from clerk_agent import clerk
                from inline_snapshot import snapshot


                @pytest.mark.golden("clerk")
                def test_states(agent_replay):
                    clerk(["refunds", "shoes"])
                    run = agent_replay.run
                    assert run.states == snapshot()
                    assert run.tool_calls == snapshot()
                    assert run.steps == snapshot()
            """,
        }
    )
    plugin = ("-p", "inline_snapshot.pytest_plugin")

    project.pytest("tests", *plugin, "--inline-snapshot=create")
    text = (project.folder / "tests/test_clerk.py").read_text().replace("'", '"')
    again = project.pytest("tests", *plugin)

    assert 'snapshot([{"retrieved": 1}, {"retrieved": 2}])' in text
    assert '"arguments": {"word": "refunds"}' in text
    assert again.counts == {"passed": 1}, again.out
    path = project.folder / "tests/test_clerk.py"
    path.write_text(text.replace('"retrieved": 2', '"retrieved": 3', 1))
    assert project.pytest("tests", *plugin).counts["failed"] == 1


def test_syrupy(project):
    """Its file is written once and compared then."""
    project.write(
        {
            "tests/test_clerk.py": """
                import pytest
                from clerk_agent import clerk


                @pytest.mark.golden("clerk")
                def test_states(agent_replay, snapshot):
                    clerk(["refunds", "shoes"])
                    run = agent_replay.run
                    assert run.states == snapshot
                    assert run.steps == snapshot(name="steps")
            """,
        }
    )
    plugin = ("-p", "syrupy")

    wrote = project.pytest("tests", *plugin, "--snapshot-update")
    again = project.pytest("tests", *plugin)
    path = project.folder / "tests/__snapshots__/test_clerk.ambr"
    text = path.read_text()
    path.write_text(text.replace("'retrieved': 2", "'retrieved': 3", 1))

    assert wrote.code == again.code == 0, wrote.out + again.out
    assert "'word': 'refunds'" in text
    assert project.pytest("tests", *plugin).code == 1
