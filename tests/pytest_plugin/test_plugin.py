"""The plugin in other people's projects: what is green, what is red, and what it says."""

from __future__ import annotations

TEST = """\
import pytest
from clerk_agent import clerk


@pytest.mark.golden("clerk")
def test_reads_well(agent_replay):
    assert agent_replay.input == {"words": ["refunds", "shoes"]}
    assert clerk(**agent_replay.input) == agent_replay.recorded.answer

    run = agent_replay.run
    assert run.tools == ["look_up", "look_up"]
    assert run.calls("look_up") <= 3
    assert run.calls() == 2
    assert run.state_at(3)["retrieved"] == 2
    assert run.state_at(2) == {"retrieved": 1}
    assert run.states == [{"retrieved": 1}, {"retrieved": 2}]
    assert run.state == {"retrieved": 2}
    assert run.answer == "five days, ten days"
    assert run.status == "success"
    assert run.error is None
    assert run.cost_usd is None
    assert run.tokens == 0
    assert run.models == []
    assert run.messages_at(3) == []
    assert len(run.steps) == 4
    assert run.steps[0] == {
        "index": 0,
        "kind": "tool",
        "name": "look_up",
        "arguments": {"word": "refunds"},
        "result": "five days",
    }
    assert agent_replay.report.served == (0, 1, 2, 3)
    assert run.run.steps[0].outcome.served_from


@pytest.mark.golden("clerk")
def test_without_the_fixture():
    clerk(["refunds", "shoes"])
"""


def test_the_generated_test_is_green_and_asserts_what_was_seen(project):
    """And it is red on every change of the agent, with what changed."""
    text = (project.folder / "tests/test_clerk.py").read_text()
    assert 'clerk(words=["refunds", "shoes"])' in text
    assert 'assert run.tools == ["look_up", "look_up"]' in text
    assert 'assert run.answer == "five days, ten days"' in text

    assert project.pytest("tests").counts == {"passed": 1}
    said = {
        "other": "changed: look_up (step",
        "less": "missing: look_up (step 0",
        "answer": "was 'five days, ten days', now 'all'",
        "nothing": "missing: look_up (step 0",
    }
    for change, words in said.items():
        done = project.pytest("tests", CHANGE=change)
        assert done.counts == {"failed": 1}, (change, done.out)
        assert words in done.out, (change, done.out)
        assert "golden clerk: the agent did not do what the golden says" in done.out
        assert "Traceback" not in done.out
        assert "_setup" not in done.out


def test_a_run_is_read_in_plain_words(project):
    """Everything that the fixture gives; the marker alone is enough too."""
    project.write({"tests/test_clerk.py": TEST})

    done = project.pytest("tests")

    assert done.counts == {"passed": 2}, done.out


def test_a_marked_test_that_asks_for_no_fixture_is_judged(project):
    """What it did not assert fails it all the same."""
    project.write({"tests/test_clerk.py": TEST})

    done = project.pytest("tests", "-k", "without", CHANGE="less")

    assert done.counts == {"failed": 1}, done.out
    assert "missing: look_up" in done.out


def test_a_test_that_fails_by_itself_says_so(project):
    """Its own assertion where the agent did as recorded; both where it did not."""
    project.write(
        {
            "tests/test_clerk.py": """
                import pytest
                from clerk_agent import clerk


                @pytest.mark.golden("clerk")
                def test_own():
                    assert clerk(["refunds", "shoes"]) == "three days"
            """,
        }
    )

    own = project.pytest("tests")
    both = project.pytest("tests", CHANGE="answer")

    assert own.counts == both.counts == {"failed": 1}
    assert "three days" in own.out
    assert "golden clerk" not in own.out
    assert "was 'five days, ten days', now 'all'" in both.out
    assert "the test itself: AssertionError" in both.out


def test_matching_can_be_told_for_a_test(project):
    """What the marker names is handed to the replay."""
    project.write(
        {
            "tests/test_clerk.py": """
                import pytest
                from clerk_agent import clerk

                def never(call, candidates):
                    return None

                @pytest.mark.golden("clerk", match="by_arguments", normalise=["uuids"])
                def test_loose(agent_replay):
                    clerk(["refunds", "shoes"])

                @pytest.mark.golden("clerk", match=never)
                def test_never(agent_replay):
                    clerk(["refunds", "shoes"])
            """,
        }
    )

    assert project.pytest("tests").counts == {"passed": 1, "failed": 1}


def test_a_suite_without_goldens_does_not_import_the_package(project):
    """The plugin costs those who do not use it next to nothing."""
    project.write(
        {
            "tests/test_clerk.py": """
                import sys

                def test_nothing():
                    assert "otel_agent_replay_pytest" in sys.modules
                    assert "otel_agent_replay" not in sys.modules
            """,
        }
    )

    assert project.pytest("tests").counts == {"passed": 1}


def test_what_may_be_reached_can_be_told_for_a_test(project):
    """The network is closed to an agent in a test, but for what the marker names."""
    agent = (project.folder / "clerk_agent.py").read_text()
    head = "import socket\nPORT = 0\n"
    reach = "    socket.create_connection(('127.0.0.1', PORT)).close()\n    state ="
    project.write({"clerk_agent.py": head + agent.replace("    state =", reach, 1)})
    project.write(
        {
            "tests/test_clerk.py": """
                import socket

                import clerk_agent
                import pytest


                @pytest.fixture(autouse=True)
                def server(monkeypatch):
                    with socket.create_server(("127.0.0.1", 0)) as server:
                        port = server.getsockname()[1]
                        monkeypatch.setattr(clerk_agent, "PORT", port)
                        yield


                @pytest.mark.golden("clerk", network=["127.0.0.1"], clock="live")
                def test_open():
                    clerk_agent.clerk(["refunds", "shoes"])


                @pytest.mark.golden("clerk")
                def test_closed():
                    clerk_agent.clerk(["refunds", "shoes"])
            """,
        }
    )

    done = project.pytest("tests")

    assert done.counts == {"passed": 1, "failed": 1}, done.out
    assert "the network is closed in a replay" in done.out
