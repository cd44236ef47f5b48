"""`agent-replay tree`: the runs around a run."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from otel_agent_replay import open_store, semconv
from otel_agent_replay.model.run import Recording


def parented(recording: Recording, run_id: str, parent: str, after: int) -> Recording:
    """Return a copy of a recording as a fork of another run."""

    def changed(span):
        attributes = {**span.attributes, semconv.RUN_ID: run_id}
        if semconv.RUN_STATUS in attributes:
            attributes |= {
                semconv.RUN_PARENT_ID: parent,
                semconv.RUN_PARENT_RELATION: "fork",
                semconv.RUN_PARENT_STEP: "1",
            }
        return replace(
            span,
            attributes=attributes,
            trace_id=run_id,
            start_ns=span.start_ns + after,
            end_ns=span.end_ns + after,
        )

    return Recording(run_id=run_id, spans=tuple(map(changed, recording.spans)))


def hex_of(letter: str) -> str:
    """Return a run id."""
    return letter * 32


@pytest.fixture
def family(recorded):
    """A run with two forks, the first of which has a fork of its own."""
    (run,) = recorded.runs()
    url = f"sqlite:///{recorded.folder}/.agent-replay/runs.db"
    with open_store(url) as store:
        recording = store.recording(run.run_id)
        tree = (("a", run.run_id), ("b", run.run_id), ("c", hex_of("a")))
        for after, (letter, parent) in enumerate(tree, start=1):
            store.add(parented(recording, hex_of(letter), parent, after))
    return recorded, run.run_id


def test_forks_stand_under_the_run_they_come_from(family):
    """From whichever run of them it is asked, and that one is marked."""
    desk, first = family

    found = desk.run("tree", hex_of("c"))
    top = desk.run("tree", first)

    lines = found.stdout.splitlines()
    assert found.returncode == 0, found.stderr
    assert lines[0].split()[:4] == ["RUN", "FROM", "AGENT", "STATUS"]
    assert [line.split("  ")[0].strip() for line in lines[1:]] == [
        first[:8],
        "├─ aaaaaaaa",
        "│",
        "└─ bbbbbbbb",
    ]
    assert lines[3].startswith("│  └─ cccccccc ◀")
    assert "fork after step 1" in lines[2]
    assert "clerk 1" in lines[1]
    assert "noted page 1, page 2" in lines[1]
    assert f"{first[:8]} ◀" in top.stdout
    assert len(top.stdout.splitlines()) == 5


def test_a_tree_for_scripts(family):
    """Parents come before their children."""
    desk, first = family

    found = json.loads(desk.run("tree", "last", "--json").stdout)

    assert [(each["run_id"], each["depth"]) for each in found] == [
        (first, 0),
        (hex_of("a"), 1),
        (hex_of("c"), 2),
        (hex_of("b"), 1),
    ]
    assert [each["step"] for each in found] == [None, 1, 1, 1]
    assert found[1]["relation"] == "fork"
    assert found[1]["resumes"] == 0
    assert found[0]["answer"] == "noted page 1, page 2"


def test_a_parent_that_is_gone_is_said(family):
    """The tree begins with the oldest run that is left."""
    desk, first = family
    desk.run("erase", first, "--yes")

    found = desk.run("tree", hex_of("a"))

    assert found.stdout.splitlines()[1].startswith("aaaaaaaa ◀")
    assert f"comes from {first[:8]}, which is not stored here." in found.stdout
    assert "bbbbbbbb" not in found.stdout


def test_runs_that_come_from_each_other_end_somewhere(recorded):
    """A file may say so; each is shown once."""
    (run,) = recorded.runs()
    url = f"sqlite:///{recorded.folder}/.agent-replay/runs.db"
    with open_store(url) as store:
        recording = store.recording(run.run_id)
        store.add(parented(recording, hex_of("d"), hex_of("e"), 1))
        store.add(parented(recording, hex_of("e"), hex_of("d"), 2))

    found = json.loads(recorded.run("tree", hex_of("d"), "--json").stdout)

    assert {each["run_id"] for each in found} == {hex_of("d"), hex_of("e")}


def test_a_run_that_was_resumed_says_so(recorded):
    """It is one run, in one line."""
    recorded.agent("record", "-q", "--", "one", "--fail")
    (recorded.folder / "repaired").touch()
    done = recorded.agent("resume", "last", "--", "one", "--fail")
    assert done.returncode == 0, done.stderr

    found = recorded.run("tree", "last")

    assert "success, resumed 1x" in found.stdout


def test_no_such_run(invoke, recorded):
    """As for every command."""
    assert recorded.run("tree", "beef").returncode == 80
