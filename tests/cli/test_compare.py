"""`agent-replay compare`: two runs, the forks of one, and the page to send."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def forked(recorded):
    """Return a desk with a run and two forks of it."""
    for most in ("1", "0"):
        change = ("--set", f"state.most={most}", "--allow-write", "note")
        done = recorded.agent(
            "fork", "last" if most == "1" else recorded.runs()[0].run_id,
            "--at", "0", *change, "--", "one", "two",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return recorded


def test_the_forks_of_a_run_are_compared_in_columns(forked):
    """What all share is one line; then a line a step, a number a run."""
    ids = [run.run_id for run in forked.runs()]

    done = forked.run("compare", *ids)
    found = json.loads(forked.run("compare", *ids, "--json").stdout)

    assert done.returncode == 0, done.stderr
    assert "\nB  " in done.stdout
    assert ", fork of A after step 0\n" in done.stdout
    assert "B arguments.text: page 1, page 2 → page 1" in done.stdout
    assert "State differs in B\n  most: 9 → 1\n" in done.stdout
    assert "Answer differs in C\n" in done.stdout
    assert [run["run_id"] for run in found["runs"]] == ids
    assert [each["same"] for each in found["comparisons"]] == [False, False]
    assert all(len(row["steps"]) == 3 for row in found["rows"])


def test_a_page_is_written_and_erased_with_its_runs(forked):
    """One file without scripts; whichever of its runs is erased takes it along."""
    one, two, *_ = [run.run_id for run in forked.runs()]

    done = forked.run("compare", one, two, "--html", "difference.html")
    page = forked.folder / "difference.html"
    written = page.read_text()
    erased = forked.run("erase", two, "--yes")

    assert (done.returncode, done.stdout) == (0, "")
    assert "to difference.html." in done.stderr
    assert "<script" not in written
    assert "default-src &#x27;none&#x27;" in written or "default-src 'none'" in written
    assert "page 1, page 2" in written
    assert erased.returncode == 0, erased.stderr
    assert not page.exists()


def test_a_page_of_other_runs_is_left_alone(forked):
    """A file that somebody else wrote there meanwhile is not deleted."""
    one, two, *_ = [run.run_id for run in forked.runs()]
    forked.run("compare", one, two, "--html", "difference.html")
    page = forked.folder / "difference.html"
    page.write_text("<p>mine now</p>")

    forked.run("erase", two, "--yes")

    assert page.read_text() == "<p>mine now</p>"


def test_a_page_that_cannot_be_written(forked):
    """The message says which file, and why."""
    done = forked.run("compare", "last", "last", "--html", "no/such/folder.html")

    assert done.returncode == 2
    assert "folder.html" in done.stderr


def test_as_many_runs_as_there_are_letters(invoke):
    """More are refused before anything is read."""
    done = invoke("compare", *(["last"] * 27))

    assert done.exit_code == 2
    assert "at most 26 runs" in done.stderr
