"""Where the agent of a test may run: threads, async tests, unittest, children."""

from __future__ import annotations

import sys

from tests.golden.project import added, clerk_project


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
