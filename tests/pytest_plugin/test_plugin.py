"""The plugin in other people's projects: what is green, what is red, and what it says."""

from __future__ import annotations

import sys

import pytest

from tests.golden.project import Project, added, clerk_project

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


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Project:
    """Return a project whose agent was recorded, with a golden and its test."""
    project = clerk_project(tmp_path_factory.mktemp("clerk"))
    added(project)
    return project


@pytest.fixture
def project(recorded, tmp_path) -> Project:
    """Return a copy of it, without the store."""
    files = {name: text.decode() for name, text in recorded.files().items()}
    return Project(tmp_path, files)


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


def test_what_a_test_names_wrongly_is_red(project):
    """No golden, two names, an option that there is not, an empty folder."""
    project.write(
        {
            "tests/test_clerk.py": """
                import pytest
                from clerk_agent import clerk


                @pytest.mark.golden("nowhere")
                def test_absent(agent_replay):
                    clerk(["refunds", "shoes"])


                @pytest.mark.golden("../goldens/clerk")
                def test_path(agent_replay):
                    clerk(["refunds", "shoes"])


                @pytest.mark.golden("clerk", "clerk")
                def test_two(agent_replay):
                    clerk(["refunds", "shoes"])


                @pytest.mark.golden("clerk", mode="lax")
                def test_option(agent_replay):
                    clerk(["refunds", "shoes"])


                def test_unmarked(agent_replay):
                    clerk(["refunds", "shoes"])
            """,
        }
    )

    done = project.pytest("tests")

    assert "passed" not in done.counts, done.out
    assert sum(done.counts.values()) == 5
    for words in (
        "nowhere.json is not there. Goldens there: clerk",
        "a name has letters",
        "with one name",
        "golden has no mode",
    ):
        assert words in done.out


def test_the_agent_runs_elsewhere_than_the_test(project):
    """Async code, threads, child processes and unittest get their answers too."""
    project.write(
        {
            "tests/test_clerk.py": """
                import asyncio
                import subprocess
                import sys
                import threading
                import unittest

                import pytest
                from clerk_agent import clerk

                WORDS = ["refunds", "shoes"]


                @pytest.mark.golden("clerk")
                def test_in_a_thread(agent_replay):
                    thread = threading.Thread(target=clerk, args=(WORDS,))
                    thread.start()
                    thread.join()
                    assert agent_replay.run.calls("look_up") == 2


                @pytest.mark.asyncio
                @pytest.mark.golden("clerk")
                async def test_asyncio(agent_replay):
                    await asyncio.to_thread(clerk, WORDS)
                    assert agent_replay.run.calls("look_up") == 2


                @pytest.mark.anyio
                @pytest.mark.parametrize("anyio_backend", ["asyncio"])
                @pytest.mark.golden("clerk")
                async def test_anyio(agent_replay, anyio_backend):
                    clerk(WORDS)
                    assert agent_replay.run.calls("look_up") == 2


                class TestClerk(unittest.TestCase):
                    @pytest.mark.golden("clerk")
                    def test_unittest(self):
                        clerk(WORDS)
                        self.assertEqual(self.agent_replay.run.calls("look_up"), 2)

                    def test_unmarked(self):
                        self.assertFalse(hasattr(self, "agent_replay"))


                class TestAsync(unittest.IsolatedAsyncioTestCase):
                    @pytest.mark.golden("clerk")
                    async def test_unittest_async(self):
                        clerk(WORDS)
            """,
        }
    )

    plugins = ("-p", "pytest_asyncio.plugin", "-p", "anyio.pytest_plugin")
    green = project.pytest("tests", *plugins)
    red = project.pytest("tests", *plugins, CHANGE="other")

    assert green.counts == {"passed": 6}, green.out
    assert red.counts == {"failed": 5, "passed": 1}, red.out
    assert red.out.count("changed: look_up (step") >= 5


def test_a_child_process_is_answered(tmp_path):
    """It joins the replay as it would join one of a stored run."""
    project = clerk_project(tmp_path)
    project.write(
        {
            "parent_agent.py": """
                import subprocess
                import sys

                from otel_agent_replay import agent

                CHILD = "import clerk_agent; print(clerk_agent.look_up('refunds'))"


                @agent(name="parent")
                def parent() -> str:
                    done = subprocess.run(
                        [sys.executable, "-c", CHILD],
                        capture_output=True,
                        text=True,
                        check=True,
                    )
                    return done.stdout.strip()
            """,
            "main.py": "import parent_agent; print(parent_agent.parent())",
        }
    )
    assert project.cli("record", "-q", "--", sys.executable, "main.py").code == 0
    added(project)

    done = project.pytest("tests")

    assert done.counts == {"passed": 1}, done.out


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


def test_skipped_and_expected_failures_stay_what_they_are(project):
    """A test that is skipped in its middle compares nothing, and says so by being so."""
    project.write(
        {
            "tests/test_clerk.py": """
                import pytest
                from clerk_agent import clerk


                @pytest.mark.golden("clerk")
                def test_skips():
                    pytest.skip("not here")


                @pytest.mark.xfail(strict=True)
                @pytest.mark.golden("clerk")
                def test_xfails():
                    pass
            """,
        }
    )

    assert project.pytest("tests").counts == {"skipped": 1, "xfailed": 1}


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
