"""What becomes of goldens when their run is erased, and of runs that have no end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.golden.project import Project, added

AGENT = '''\
import os, signal
from otel_agent_replay import agent, flush, tool

PAGE = "A long passage about Ada Lovelace, once and again. " * 200


@tool
def look_up(word: str) -> str:
    """Return a page."""
    if word == "nothing":
        flush()
        os.kill(os.getpid(), signal.SIGKILL)
    return PAGE + word if word == "more" else PAGE


@agent(name="reader")
def reader(words: list[str]) -> int:
    """Read pages."""
    return len([look_up(word) for word in words])
'''


def recorded(project: Project, *words: str) -> None:
    project.write({"main.py": f"import reader_agent; reader_agent.reader({[*words]})"})
    project.cli("record", "-q", "--", sys.executable, "main.py")


@pytest.fixture
def project(tmp_path) -> Project:
    """Return a project with two goldens that share a body, of two runs."""
    project = Project(tmp_path, {"reader_agent.py": AGENT})
    recorded(project, "page")
    added(project, "--name", "first")
    recorded(project, "page", "more")
    added(project, "--name", "second")
    return project


def bodies(project: Project) -> list[Path]:
    return sorted((project.folder / "tests/goldens/bodies").iterdir())


def test_an_erased_run_is_gone_from_goldens(project):
    """Its golden and the bodies that only that one had; another run's stay whole."""
    shared, alone = sorted(bodies(project), key=lambda each: each.stat().st_size)

    done = project.cli("erase", "last", "--yes", "--json")

    assert done.code == 0, done.err
    gone = {Path(each).name for each in done.json["files"]}
    assert gone == {"second.json", alone.name}
    assert bodies(project) == [shared]
    assert not (project.folder / "tests/goldens/second.json").exists()
    assert project.cli("golden", "check", "tests").code == 0
    red = project.pytest("tests")
    assert red.counts == {"passed": 1, "error": 1}, red.out
    assert "second.json is not there" in red.out


def test_a_golden_that_was_made_anew_is_another_run(project):
    """What stands in the file now is not what was erased."""
    golden = project.folder / "tests/goldens/second.json"
    first = (project.folder / "tests/goldens/first.json").read_text()
    golden.write_text(first.replace('"name": "first"', '"name": "second"', 1))

    done = project.cli("erase", "last", "--yes", "--json")

    assert done.json["files"] == []
    assert golden.exists()


def test_a_run_that_was_cut_short_is_no_golden(tmp_path):
    """It has no end to compare with; what should have happened can be said."""
    project = Project(tmp_path, {"reader_agent.py": AGENT})
    recorded(project, "page", "nothing")
    add = ("golden", "add", "last", "--test", "tests")

    refused = project.cli(*add)
    said = project.cli(*add, "--expect", "calls(look_up) = 1")

    assert refused.code == 79
    assert "cut short" in refused.err
    assert said.code == 0, said.err
