"""Goldens on disks: what git, editors, formatters, links and crashes do to them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import otel_agent_replay
from otel_agent_replay import agent, open_store, tool
from otel_agent_replay._setup.golden_files import (
    orphans,
    pending,
    read_golden,
    write_golden,
)
from otel_agent_replay._setup.golden_making import check_folder, made_golden
from otel_agent_replay.errors import RecordingError
from otel_agent_replay.replay.golden import Golden
from tests.golden.project import added, clerk_project

STREAM = "data: a line of a stream, said again and again\n\n" * 200
PAGES = {
    "lines": "a line\n" * 1000,
    "windows": "a line\r\n" * 1000,
    "stream": STREAM,
}


@tool
def look_up(word: str) -> object:
    """Return a page."""
    return PAGES[word]


@agent(name="reader")
def reader() -> str:
    """Look all words up."""
    for word in PAGES:
        look_up(word)
    return "read"


@pytest.fixture
def golden(tmp_path) -> Golden:
    """Return a golden with large bodies of every kind."""
    url = f"sqlite:///{tmp_path}/runs.db"
    otel_agent_replay.configure(store=url)
    reader()
    otel_agent_replay.shutdown()
    with open_store(url) as store:
        recording = store.recording(store.runs()[0].run_id)
    return made_golden(recording, "reader")


@pytest.fixture
def folder(golden, tmp_path) -> Path:
    """Return a folder with it."""
    write_golden(tmp_path / "goldens", golden)
    return tmp_path / "goldens"


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_checkout_on_windows_changes_nothing(golden, folder):
    """Every line has a carriage return there; that is no difference to anybody."""
    for path in files(folder):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    assert read_golden(folder, "reader") == golden
    assert check_folder(folder) == ([golden], [])
    assert pending(folder, golden) == {}


def test_no_file_has_what_git_would_take_from_it(folder):
    """No carriage return, which a commit on Windows loses."""
    assert len(files(folder)) > 2
    assert not any(b"\r" in path.read_bytes() for path in files(folder))


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n"])
def test_another_end_of_the_file_is_no_damage(golden, folder, end):
    """As formatters make it; the body is known by its content."""
    for path in files(folder):
        path.write_bytes(path.read_bytes().rstrip(b"\n") + end)

    assert read_golden(folder, "reader") == golden


def test_a_byte_order_mark_is_no_damage(golden, folder):
    """As editors on Windows write it."""
    path = folder / "reader.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())

    assert read_golden(folder, "reader") == golden


def test_a_formatted_golden_is_sound_but_not_as_it_is_written(golden, folder):
    """Another layout of the same JSON reads the same, and `check` says so."""
    path = folder / "reader.json"
    path.write_text(path.read_text().replace("\n ", "\n        "))

    assert read_golden(folder, "reader") == golden
    assert [problem for _, problem in check_folder(folder)[1]] == [
        "it is not written as this version writes it (`golden update`)"
    ]


def test_a_merge_conflict_is_called_by_its_name(folder):
    """It says what to do."""
    path = folder / "reader.json"
    ours = path.read_text()
    path.write_text(f"<<<<<<< ours\n{ours}=======\n{ours}>>>>>>> theirs\n")

    with pytest.raises(RecordingError, match="merge conflict"):
        read_golden(folder, "reader")


def test_a_body_that_a_formatter_has_changed(folder):
    """Is refused, with what may have done it."""
    for path in (folder / "bodies").iterdir():
        path.write_text(path.read_text().replace("a line", " a line"))

    with pytest.raises(RecordingError, match="formatter"):
        read_golden(folder, "reader")


def test_nothing_is_written_or_deleted_through_a_link(golden, tmp_path):
    """Whatever folder or file a link of somebody's leads to."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    folder = tmp_path / "goldens"
    folder.mkdir()
    (folder / "reader.json.draft").symlink_to(mine / "notes.txt")
    (folder / "bodies").symlink_to(mine)

    assert orphans(folder, []) == [folder / "reader.json.draft"]
    with pytest.raises(RecordingError, match="leads out"):
        write_golden(folder, golden)
    (folder / "bodies").unlink()
    write_golden(folder, golden)

    assert read_golden(folder, "reader") == golden
    assert [path.name for path in mine.iterdir()] == ["notes.txt"]
    assert (mine / "notes.txt").read_text() == "mine"


KILLED = """
import os, signal, sys
from pathlib import Path
from dataclasses import replace
from otel_agent_replay._setup.golden_files import read_golden, write_golden

def kill(event, args):
    if event == "os.rename" and str(args[1]).endswith("reader.json"):
        os.kill(os.getpid(), signal.SIGKILL)

golden = read_golden(Path("goldens"), "reader")
sys.addaudithook(kill)
write_golden(Path("goldens"), replace(golden, agent="another"))
"""


def test_a_kill_while_it_is_written_leaves_the_old_one_whole(golden, folder):
    """And what was left half done is found, and trimmed."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED], cwd=folder.parent, check=False
    )

    assert done.returncode == -signal.SIGKILL
    assert read_golden(folder, "reader") == golden
    assert [path.name for path in orphans(folder, [golden])] == ["reader.json.draft"]
    assert check_folder(folder)[1][0][0] == "reader.json.draft"


def test_names_that_differ_in_case_only_are_refused(tmp_path):
    """Elsewhere they are one file, and one golden would replace the other."""
    project = clerk_project(tmp_path)
    added(project)

    done = project.cli("golden", "add", "last", "--test", "tests", "--name", "Clerk")

    assert done.code == 79
    assert "it is the file of the golden 'clerk'" in done.err


def test_a_list_names_what_cannot_be_read(tmp_path):
    """A golden is never left out in silence; `check` fails on it."""
    project = clerk_project(tmp_path)
    added(project)
    project.write({"tests/goldens/bad.json": "{"})

    told = project.cli("golden", "list", "tests")
    listed = project.cli("golden", "list", "tests", "--json").json
    checked = project.cli("golden", "check", "tests", "--json")

    assert "clerk" in told.out
    assert "bad.json is no readable recording" in told.err
    assert [each["name"] for each in listed] == ["clerk", "bad"]
    assert "cut off" in listed[1]["problem"]
    assert (checked.code, checked.json["ok"]) == (79, False)
