"""What compares nothing, or something else than it says, is red."""

from __future__ import annotations

import re
import textwrap

from tests.golden.project import Done, Project


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


def red(project: Project, code: str, *words: str, said: tuple[str, ...]) -> Done:
    """Run tests of which each has to fail, without anything going live."""
    head = "import pytest, unittest\nfrom clerk_agent import clerk\n"
    body = textwrap.dedent(code)
    project.write(
        {"tests/test_clerk.py": f"{head}WORDS = ['refunds', 'shoes']\n{body}"}
    )
    done = project.pytest("tests", *words)
    tests = len(re.findall(r"^ *(?:async )?def test_", body, re.MULTILINE))
    bad = done.counts.get("failed", 0) + done.counts.get("error", 0)
    assert (bad, sum(done.counts.values())) == (tests, tests), done.out
    assert "went live" not in done.out
    for each in said:
        assert each in done.out, each
    return done


def test_a_marker_that_is_none_is_red(project):
    """Misspelt, twice, or where it cannot be taken: the agent would run live."""
    red(
        project,
        """
        @pytest.mark.goldne("clerk")
        def test_misspelt():
            clerk(WORDS)

        @pytest.mark.golden("clerk")
        @pytest.mark.golden("other")
        def test_two_markers():
            clerk(WORDS)

        @pytest.mark.golden_folder("goldens")
        @pytest.mark.golden("clerk")
        def test_both(agent_replay):
            clerk(WORDS)

        class TestClerk(unittest.TestCase):
            @pytest.mark.golden_folder("goldens")
            def test_folder(self):
                clerk(WORDS)

        @pytest.mark.golden("clerk")
        @pytest.mark.parametrize("word", [])
        def test_nothing(word):
            clerk(WORDS)
        """,
        said=(
            "the marker goldne is none; golden is",
            "it names its golden twice",
            "which unittest cannot take",
            "parametrized over nothing",
        ),
    )


def test_a_marker_that_comes_late_is_no_way_out(project):
    """One from a conftest is as any; one from a fixture is too late, and red."""
    project.write(
        {
            "tests/conftest.py": """
                import pytest


                def pytest_collection_modifyitems(items):
                    items[0].add_marker(pytest.mark.golden("clerk"))
            """
        }
    )
    red(
        project,
        """
        def test_marked_by_conftest():
            clerk(WORDS[:1])

        @pytest.fixture
        def late(request):
            request.node.add_marker(pytest.mark.golden("clerk"))

        def test_marked_by_fixture(late):
            clerk(WORDS)
        """,
        said=("missing: look_up", "marked after its setup had begun"),
    )


def test_a_fixture_of_the_same_name_is_no_way_out(project):
    """A test that is given something else was not compared."""
    red(
        project,
        """
        @pytest.fixture
        def agent_replay():
            return None

        @pytest.mark.golden("clerk")
        def test_other(agent_replay):
            clerk(WORDS)
        """,
        said=("a fixture agent_replay of its own",),
    )


def test_what_the_agent_did_is_no_reason_to_skip(project):
    """Nor to fail with other words, to swallow it, or to exit."""
    red(
        project,
        """
        pytestmark = pytest.mark.golden("clerk")

        def test_skips():
            try:
                clerk(["hats"])
            except BaseException:
                pytest.skip("does not work here")

        def test_swallows():
            try:
                clerk(["hats"])
            except BaseException:
                pass

        def test_fails():
            try:
                clerk(["hats"])
            except BaseException:
                pytest.fail("it crashed")

        def test_exits():
            clerk(WORDS[:1])
            raise SystemExit(0)

        def test_swallows_the_verdict(agent_replay):
            clerk(WORDS[:1])
            try:
                agent_replay.run
            except BaseException:
                pass

        class TestClerk(unittest.TestCase):
            def test_unittest_skips(self):
                try:
                    clerk(["hats"])
                except BaseException:
                    self.skipTest("does not work here")
        """,
        said=(
            "the test itself: Skipped: does not work here",
            "itself: Failed: it crashed",
        ),
    )


def test_an_agent_that_runs_after_the_replay_is_red(project):
    """Asking for the run ended the replay; nothing goes live after that."""
    red(
        project,
        """
        pytestmark = pytest.mark.golden("clerk")

        def test_again(agent_replay):
            clerk(WORDS)
            assert agent_replay.run.answer
            clerk(WORDS)

        def test_again_and_swallows(agent_replay):
            clerk(WORDS)
            assert agent_replay.run.answer
            try:
                clerk(WORDS)
            except Exception:
                pass

        def test_twice(agent_replay):
            clerk(WORDS)
            clerk(WORDS)
        """,
        said=("clerk was called after the replay had ended", "once more than recorded"),
    )


def test_a_test_that_never_came_to_its_agent_speaks_for_itself(project):
    """Its own error is what is wrong."""
    done = red(
        project,
        """
        @pytest.mark.golden("clerk")
        def test_early():
            assert len(WORDS) == 3

        @pytest.mark.golden("clerk")
        async def test_async():
            clerk(WORDS)
        """,
        said=("assert 2 == 3", "async def functions are not natively supported"),
    )
    assert "never ran the agent" not in done.out


def test_the_golden_is_opened_before_what_the_test_asks_for(project):
    """A fixture of the test may run the agent, and tidies up as ever afterwards.

    What a module or session has is outside.
    """
    project.write(
        {
            "tests/test_clerk.py": """
                import socket

                import pytest
                from clerk_agent import clerk, look_up


                @pytest.fixture(scope="session", autouse=True)
                def server():
                    with socket.create_server(("127.0.0.1", 0)) as server:
                        with socket.create_connection(server.getsockname()):
                            yield


                @pytest.fixture
                def answer():
                    return clerk(["refunds", "shoes"])


                @pytest.fixture
                def tidied():
                    yield
                    with pytest.raises(AssertionError, match="went live"):
                        look_up("refunds")


                @pytest.mark.golden("clerk")
                def test_fixture_runs_it(answer, tidied, agent_replay):
                    assert agent_replay.run.answer == answer


                @pytest.mark.golden("clerk")
                class TestMethods:
                    def setup_method(self):
                        self.answer = clerk(["refunds", "shoes"])

                    def test_method(self):
                        assert self.answer
            """,
        }
    )

    done = project.pytest("tests")

    assert done.counts == {"passed": 2}, done.out


def test_a_golden_that_no_name_fits_is_red(project):
    """A file that a folder's test would silently leave out."""
    golden = project.folder / "tests/goldens/clerk.json"
    golden.rename(golden.with_name("the clerk.json"))
    code = """
        @pytest.mark.golden_folder("goldens")
        def test_all(agent_replay):
            clerk(**agent_replay.input)
        """
    project.write({"tests/test_clerk.py": f"import pytest\n{textwrap.dedent(code)}"})

    done = project.pytest("tests")
    check = project.cli("golden", "check", "tests", "--json")

    assert done.code != 0
    assert "can be no golden by its name" in done.out + done.err
    assert check.code == 79
    assert check.json["problems"][0]["name"] == "the clerk.json"
