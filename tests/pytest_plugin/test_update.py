"""`--golden-update` and `agent-replay golden update`: what is written, and when not."""

from __future__ import annotations

import json

import pytest

from tests.golden.project import Project, added, clerk_project

GOLDEN = "tests/goldens/clerk.json"
TEST = "tests/test_clerk.py"
# The agent of these runs live, so nothing forbids it.
LIVE = {"OFFLINE": ""}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Project:
    """Return a project with a golden."""
    project = clerk_project(tmp_path_factory.mktemp("clerk"))
    added(project)
    agent = (project.folder / "clerk_agent.py").read_text()
    agent = agent.replace(
        '"OFFLINE" not in os.environ', 'not os.environ.get("OFFLINE")'
    )
    project.write({"clerk_agent.py": agent})
    return project


@pytest.fixture
def project(recorded, tmp_path) -> Project:
    """Return a copy of it, without the store."""
    files = {name: text.decode() for name, text in recorded.files().items()}
    return Project(tmp_path, files)


def update(project: Project, *words: str, **added: str):
    """Run `golden update` as a script would."""
    plugin = {"PYTEST_PLUGINS": "otel_agent_replay_pytest"}
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **plugin}
    return project.cli("golden", "update", "--json", *words, **alone, **added)


def changes(done) -> list[tuple[str, str, bool]]:
    found = done.json["changes"]
    return [(c["category"], c["path"].rpartition("/")[2], c["written"]) for c in found]


def edit(project: Project, name: str, old: str, new: str) -> None:
    path = project.folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_create_and_trim(project):
    """A golden that a test names is recorded; what nothing names or has is deleted."""
    edit(project, TEST, '"clerk")', '"renamed")')
    before = project.files()
    said = update(project)

    assert changes(said) == [
        ("create", "renamed.json", False),
        ("trim", "clerk.json", False),
    ]
    assert said.code == 79
    assert project.files() == before

    done = update(project, "--category", "create", "--category", "trim", **LIVE)

    assert changes(done) == [
        ("create", "renamed.json", True),
        ("trim", "clerk.json", True),
    ]
    assert done.code == 0, done.err
    assert "tests/goldens/renamed.json" in project.files()
    assert GOLDEN not in project.files()
    assert project.pytest("tests").counts == {"passed": 1}


def test_fix(project):
    """A golden whose test fails now is recorded again, live, and then passes."""
    edit(project, "clerk_agent.py", '"ten days"', '"a year"')
    edit(project, "clerk_agent.py", "for word in words[1:]", "for word in words[::-1]")
    edit(project, TEST, '"five days, ten days"', '"a year, five days"')
    change = {"CHANGE": "less"}
    before = project.files()
    red = project.pytest("tests", **change)
    said = update(project, **change)

    assert red.counts == {"failed": 1}
    assert changes(said) == [("fix", "clerk.json", False)]
    assert project.files() == before

    done = update(project, "--category", "fix", **LIVE, **change)

    assert changes(done) == [("fix", "clerk.json", True)]
    assert project.pytest("tests", **change).counts == {"passed": 1}
    assert project.files().keys() == before.keys()


def test_a_live_run_whose_test_fails_is_not_written(project):
    """What the test itself asserts has to hold."""
    edit(project, "clerk_agent.py", '"ten days"', '"a year"')
    before = project.files()

    done = update(project, "--category", "fix", CHANGE="answer", **LIVE)

    assert changes(done) == []
    assert done.code == 79
    assert project.files() == before


def test_update(project):
    """A golden that is written otherwise is rewritten; nothing is run live."""
    whole = project.files()
    text = json.dumps(json.loads(whole[GOLDEN]))
    project.write({GOLDEN: text})
    said = update(project)
    done = update(project, "--category", "update")

    assert changes(said) == [("update", "clerk.json", False)]
    assert changes(done) == [("update", "clerk.json", True)]
    assert project.files() == whole
    nothing = update(project)
    assert (nothing.code, changes(nothing)) == (0, [])


def test_nothing_is_written_in_ci(project):
    """Neither by the command nor by pytest's flag; looking is allowed."""
    edit(project, TEST, '"clerk")', '"renamed")')
    before = project.files()

    command = update(project, "--category", "create", CI="true", **LIVE)
    flag = project.pytest("tests", "--golden-update=create", CI="1", **LIVE)
    looked = update(project, "--dry-run", "--category", "create", CI="true")
    add = project.cli("golden", "add", "last", "--test", "tests", CI="yes")

    assert command.code == add.code == 2
    assert flag.code == 4
    assert "never written there" in command.err
    assert "never written there" in flag.out + flag.err
    assert changes(looked)[0] == ("create", "renamed.json", False)
    assert project.files() == before


def test_what_the_flag_refuses(project):
    """Words that are no category, and several processes."""
    wrong = project.pytest("tests", "--golden-update=everything")
    several = project.pytest(
        "tests", "-p", "xdist", "-n", "2", "--golden-update=update"
    )

    assert wrong.code == several.code == 4
    assert "create, fix, update, trim" in wrong.out + wrong.err
    assert "use -n 0" in several.out + several.err


SECOND = """
import pytest
from clerk_agent import clerk


@pytest.mark.golden("second")
def test_second():
    clerk(["refunds"])
"""
LEFT_OUT = {
    "a module that skips itself": {
        "tests/test_second.py": f"import pytest\npytest.importorskip('nowhere')\n{SECOND}"
    },
    "a module left out": {"tests/conftest.py": "collect_ignore = ['test_second.py']"},
    "a test that was deselected": {
        "tests/conftest.py": """
            def pytest_collection_modifyitems(config, items):
                left = [each for each in items if "second" in each.name]
                items[:] = [each for each in items if each not in left]
                config.hook.pytest_deselected(items=left)
        """
    },
    "an interrupt": {
        "tests/conftest.py": """
            def pytest_runtest_logfinish():
                raise KeyboardInterrupt
        """
    },
    "a golden that cannot be read": {
        "tests/goldens/bad.json": "{",
        "tests/test_second.py": "",
    },
}


@pytest.mark.parametrize("why", LEFT_OUT)
def test_nothing_is_trimmed_unless_all_tests_ran(project, why):
    """A golden whose test did not run this time is not one that nobody uses."""
    golden = (project.folder / GOLDEN).read_text()
    second = golden.replace('"name": "clerk"', '"name": "second"', 1)
    project.write({"tests/test_second.py": SECOND})
    (project.folder / "tests/goldens/second.json").write_text(second)
    project.write(LEFT_OUT[why])
    before = project.files()

    done = project.pytest("tests", "--golden-update=trim")

    assert "\ntrim " not in done.out, done.out
    assert project.files() == before


def test_two_tests_do_not_write_one_golden(project):
    """The first that records it has it; the other is red, and says what differs."""
    project.write(
        {
            TEST: """
                import pytest
                from clerk_agent import clerk


                @pytest.mark.golden("both")
                @pytest.mark.parametrize("word", ["refunds", "shoes"])
                def test_both(word):
                    clerk([word])
            """
        }
    )

    done = update(project, "--category", "create", "--category", "fix", **LIVE)

    assert changes(done)[0] == ("create", "both.json", True)
    assert [each for each in changes(done) if each[0] == "fix"] == []
    assert done.code == 79
    assert "was 'refunds', now 'shoes'" in done.err
    assert project.pytest("tests").counts == {"passed": 1, "failed": 1}


def test_a_test_that_names_its_golden_wrongly_is_red_in_an_update(project):
    """And the others are updated."""
    project.write(
        {
            "tests/test_wrong.py": """
                import pytest


                @pytest.mark.golden("a", "b")
                def test_wrong():
                    pass
            """
        }
    )
    text = json.dumps(json.loads(project.files()[GOLDEN]))
    project.write({GOLDEN: text})

    done = update(project, "--category", "update")

    assert changes(done) == [("update", "clerk.json", True)]
    assert done.code == 79
    assert "with one name" in done.err
