"""The article's incident: an agent that searches in vain, and then makes an answer up."""

from __future__ import annotations

import json
import sys

import pytest

from otel_agent_replay.cli.demo.model import incident
from otel_agent_replay.model.payload import JsonObject
from otel_agent_replay.testing import ScriptedProvider
from tests.golden.project import ROOT, Project

EXPECTED = (
    "--expect",
    "calls(search_docs) <= 3",
    "--expect",
    "answer ~ ^Not found",
)
EMPTY_HANDED = '''\
from otel_agent_replay import agent

QUESTION = "How many days do I have to return a pair of shoes?"


@agent(name="support", version="2.0")
def answer(question: str) -> str:
    """Ask nobody."""
    return "Not found: the documentation says nothing about this."
'''


@pytest.fixture(scope="module")
def incident_run(tmp_path_factory) -> Project:
    """Return a project with the incident recorded, and kept as a golden and a test."""
    code = (ROOT / "examples" / "incident_agent.py").read_text()
    project = Project(tmp_path_factory.mktemp("incident"), {"incident_agent.py": code})
    with ScriptedProvider(script=incident) as provider:
        model = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "any"}
        command = ("record", "-q", "--", sys.executable, "incident_agent.py")
        assert project.cli(*command, **model).code == 0
    made = project.cli(
        "golden", "add", "last", "--test", "tests/agents", "--json", *EXPECTED
    )
    assert made.code == 0, made.err
    assert made.json["golden"] == "tests/agents/goldens/support.json"
    assert made.json["test_written"] is True
    return project


@pytest.fixture
def project(incident_run, tmp_path) -> Project:
    """Return a copy of it, without the store: as it is cloned elsewhere."""
    files = {name: text.decode() for name, text in incident_run.files().items()}
    return Project(tmp_path, files)


def golden_of(project: Project) -> JsonObject:
    return json.loads(
        (project.folder / "tests/agents/goldens/support.json").read_text()
    )


def write_golden(project: Project, golden: JsonObject) -> None:
    text = json.dumps(golden, indent=1)
    project.write({"tests/agents/goldens/support.json": text})


def test_the_old_agent_is_red(project):
    """And the test says which expectations do not hold, in a few lines, no stack."""
    done = project.pytest("tests")

    assert done.counts == {"failed": 1}, done.out
    assert "expected calls(search_docs) <= 3; found 6" in done.out
    assert "expected answer ~ ^Not found; found You can return" in done.out
    assert "Traceback" not in done.out
    assert "replayer.py" not in done.out


def test_the_fixed_agent_is_green(project):
    """It asks for less than was recorded, and answers otherwise."""
    done = project.pytest("tests", INCIDENT_FIXED="1")

    assert done.counts == {"passed": 1}, done.out


def test_an_emptied_golden_is_red(project):
    """The file emptied, or all its steps taken out."""
    whole = golden_of(project)
    write_golden(project, {**whole, "spans": []})
    without_spans = project.pytest("tests", INCIDENT_FIXED="1")
    project.write({"tests/agents/goldens/support.json": ""})
    empty = project.pytest("tests", INCIDENT_FIXED="1")

    assert without_spans.code == empty.code == 1
    assert "its digest does not fit" in without_spans.out
    assert "it is empty" in empty.out


@pytest.mark.parametrize("number", [1, 3, -1])
def test_a_golden_without_one_recording_is_red(project, number):
    """Also one that the fixed agent never asks for."""
    golden = golden_of(project)
    del golden["spans"][number]
    write_golden(project, golden)

    done = project.pytest("tests", INCIDENT_FIXED="1")

    assert done.code == 1
    assert "its digest does not fit" in done.out


def test_an_agent_that_calls_nothing_is_red(project):
    """Though it calls the tool at most three times, and gives the right answer."""
    project.write({"incident_agent.py": EMPTY_HANDED})

    done = project.pytest("tests")

    assert done.counts == {"failed": 1}, done.out
    assert "asked for none of the 19 recorded steps" in done.out


def test_a_test_that_does_not_run_the_agent_is_red(project):
    """It says that nothing was compared."""
    path = project.folder / "tests/agents/test_support.py"
    path.write_text(path.read_text().replace("    answer(", "    dict("))

    done = project.pytest("tests")

    assert done.counts == {"failed": 1}, done.out
    assert "never ran the agent: nothing was compared" in done.out


def test_a_golden_that_is_gone_is_red(project):
    """It says where it should be."""
    (project.folder / "tests/agents/goldens/support.json").unlink()

    done = project.pytest("tests", INCIDENT_FIXED="1")

    assert done.code == 1
    assert "support.json is not there" in done.out


def test_another_question_is_red(project):
    """The recorded answers are answers to the recorded question."""
    path = project.folder / "tests/agents/test_support.py"
    path.write_text(path.read_text().replace("pair of shoes?", "hat?"))

    done = project.pytest("tests", INCIDENT_FIXED="1")

    assert done.counts == {"failed": 1}, done.out
    assert "input.question" in done.out or "a hat?" in done.out
