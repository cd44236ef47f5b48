"""`flag`, `unflag`, `prune`, `erase` with its receipt, `store`."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

import pytest

from otel_agent_replay import open_store, semconv
from otel_agent_replay.model.run import Recording
from otel_agent_replay.testing.store_samples import hex_id, sample_run

DAY_NS = 86_400_000_000_000
USER = "ada.lovelace@example.com"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return a store with runs of several ages: new, week, month."""
    place = f"sqlite:///{tmp_path}/runs.db"
    now = time.time_ns()
    with open_store(place) as store:
        for name, days in (("new", 0), ("week", 8), ("month", 40)):
            start_ns = now - days * DAY_NS - 60_000_000_000
            spans = tuple(sample_run(name, start_ns=start_ns, text=f"text of {name}"))
            store.add(Recording(run_id=hex_id(name), spans=spans))
    return place


def listed(url: str) -> dict[str, str]:
    """Return the classes of the stored runs."""
    with open_store(url) as store:
        return {run.run_id: run.run_class for run in store.runs()}


def test_a_run_is_flagged_and_unflagged(invoke, url):
    """Its class changes, and changes back."""
    flagged = invoke("flag", hex_id("week")[:9], "--store", url, "--json")
    while_flagged = listed(url)
    unflagged = invoke("unflag", hex_id("week")[:9], "--store", url)

    assert json.loads(flagged.stdout) == {
        "run_id": hex_id("week"),
        "mark": "flagged",
        "on": True,
    }
    assert while_flagged[hex_id("week")] == "flagged"
    assert unflagged.exit_code == 0
    assert listed(url)[hex_id("week")] == "success"
    assert invoke("flag", "nothing", "--store", url).exit_code == 80


def test_old_runs_are_pruned(invoke, url):
    """By the days of their class; flagged ones have more, golden ones all."""
    invoke("flag", hex_id("week"), "--store", url)
    invoke("flag", hex_id("month"), "--golden", "--store", url)
    nothing = invoke("prune", "--store", url, "--json")
    invoke("unflag", hex_id("month"), "--golden", "--store", url)
    tried = invoke("prune", "--dry-run", "--store", url)
    there = listed(url)
    done = invoke("prune", "--flagged-days", "5", "--store", url, "--json")

    assert json.loads(nothing.stdout)["runs"] == {}
    assert tried.exit_code == 0
    assert "Would delete 1 run (1 success), 4 spans" in tried.stderr
    assert len(there) == 3
    found = json.loads(done.stdout)
    assert (found["runs"], found["spans"]) == ({"success": 1, "flagged": 1}, 8)
    assert found["days"] == {"success": 7, "failed": 30, "flagged": 5, "test": 1}
    assert [*listed(url)] == [hex_id("new")]


def test_days_come_from_the_settings(invoke, url, monkeypatch):
    """Unless an option says otherwise."""
    monkeypatch.setenv("AGENT_REPLAY_KEEP_SUCCESS_DAYS", "30")

    done = invoke("prune", "--store", url, "--json")

    assert json.loads(done.stdout)["days"]["success"] == 30
    assert len(listed(url)) == 2
    assert invoke("prune", "--test-days", "0", "--store", url).exit_code == 2


def test_several_runs_are_erased_with_a_receipt(invoke, url, tmp_path):
    """What, how much, when, where, and that nothing is left."""
    run_ids = [hex_id("new"), hex_id("week")]
    words = ("erase", *run_ids, "--store", url, "--yes", "--purge", "--json")
    done = invoke(*words)
    receipt = json.loads(done.stdout)

    assert done.exit_code == 0, done.stderr
    assert receipt["run_ids"] == run_ids
    assert (receipt["spans"], receipt["files"]) == (8, [])
    assert receipt["content_bytes"] > 1000
    assert receipt["store"] == f"sqlite:///{tmp_path}/runs.db"
    assert (receipt["purged"], receipt["verified"]) == (True, True)
    assert receipt["at"].endswith("+00:00")
    assert [*listed(url)] == [hex_id("month")]
    held = b"".join(path.read_bytes() for path in tmp_path.glob("runs.db*"))
    assert not any(run_id.encode() in held for run_id in run_ids)


def test_nothing_is_erased_if_one_run_is_unknown(invoke, url):
    """A wrong id among right ones is said before anything is deleted."""
    done = invoke("erase", hex_id("new"), "nothing", "--yes", "--store", url)

    assert done.exit_code == 80
    assert len(listed(url)) == 3


def test_runs_or_a_user(invoke, url):
    """One of both has to be named."""
    assert invoke("erase", "--store", url).exit_code == 2
    assert invoke("erase", "last", "--user", "a", "--store", url).exit_code == 2


@pytest.mark.parametrize("redacted", [True, False])
def test_all_runs_of_a_user_are_erased(invoke, url, redacted, monkeypatch):
    """Whether the store has the name itself or its pseudonym."""
    monkeypatch.setenv("AGENT_REPLAY_REDACTION_KEY", "key" * 9)
    with open_store(url) as store:
        stored = store._redacted(USER) if redacted else USER
        for name in ("hers", "hers too"):
            spans = sample_run(name, root={semconv.USER_ID: stored})
            store.add(Recording(run_id=hex_id(name), spans=tuple(spans)))

    done = invoke("erase", "--user", USER, "--purge", "--yes", "--json", "--store", url)
    receipt = json.loads(done.stdout)

    assert (stored == USER) is not redacted
    assert (done.exit_code, receipt["verified"]) == (0, True)
    assert set(receipt["run_ids"]) == {hex_id("hers"), hex_id("hers too")}
    assert len(listed(url)) == 3
    again = invoke("erase", "--user", USER, "--yes", "--json", "--store", url)
    assert json.loads(again.stdout)["run_ids"] == []


def test_what_still_names_the_run_is_said(invoke, url, tmp_path):
    """A fork keeps the id of the run it came from: so the receipt is not verified."""
    with open_store(url) as store:
        spans = sample_run("fork", root={semconv.RUN_PARENT_ID: hex_id("week")})
        store.add(Recording(run_id=hex_id("fork"), spans=tuple(spans)))

    words = ("erase", hex_id("week"), "--yes", "--purge", "--store", url)
    done = invoke(*words)

    assert done.exit_code == 93
    assert f"left in: {tmp_path}/runs.db" in done.stderr


def test_exported_files_go_with_their_run(invoke, url, tmp_path):
    """Those that still hold it; one that was overwritten since stays."""
    for name in ("kept", "gone", "other"):
        path = f"{tmp_path}/{name}.json"
        invoke("export", hex_id("week"), "-o", path, "--store", url)
    (tmp_path / "kept.json").write_text("notes")
    invoke("export", hex_id("new"), "-o", f"{tmp_path}/other.json", "--store", url)
    done = invoke("erase", hex_id("week"), "--yes", "--json", "--store", url)

    assert json.loads(done.stdout)["files"] == [f"{tmp_path}/gone.json"]
    assert sorted(path.name for path in tmp_path.glob("*.json")) == [
        "kept.json",
        "other.json",
    ]
    then = invoke("erase", hex_id("new"), "--yes", "--store", url)
    assert f"Deleted {tmp_path}/other.json" in then.stderr


def test_the_costs_of_a_store(invoke, url):
    """As a page, and as JSON."""
    page = invoke("store", "stats", "--store", url)
    found = json.loads(invoke("store", "stats", "--store", url, "--json").stdout)

    assert (found["runs"], found["spans"]) == (3, 12)
    assert found["recorded_bytes"] > found["content_bytes"] > 0
    assert {"name", "rows", "raw_bytes", "stored_bytes"} == {*found["tables"][0]}
    assert "without repeats" in page.stdout
    assert "segments" in page.stdout


def test_losses_are_added_up(invoke, url):
    """`doctor` and `store stats` tell all that was lost, by reason; `show` of a run."""
    with open_store(url) as store:
        root = {f"{semconv.RUN_DROPPED}queue_full": "3"}
        spans = tuple(sample_run("lossy", root=root))
        store.add(Recording(run_id=hex_id("lossy"), spans=spans))

    said = [
        invoke("doctor", "--store", url).stdout,
        invoke("store", "stats", "--store", url).stdout,
        invoke("show", hex_id("lossy"), "--store", url).stdout,
    ]

    assert ["3 x queue_full" in each for each in said] == [True] * 3


def test_a_store_is_checked(invoke, url, tmp_path):
    """A sound one is said to be; a damaged one has an exit code."""
    sound = invoke("store", "check", "--store", url)
    with sqlite3.connect(tmp_path / "runs.db") as db:
        (page,) = db.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'runs_start'"
        ).fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    db.close()
    with (tmp_path / "runs.db").open("r+b") as file:
        file.seek((page - 1) * size + 8)
        file.write(b"\xff" * 64)
    damaged = invoke("store", "check", "--store", url)

    assert (sound.exit_code, "sound" in sound.stdout) == (0, True)
    assert damaged.exit_code == 83


def test_a_store_is_made(invoke, tmp_path):
    """A file has no cluster and no text index."""
    url = f"sqlite:///{tmp_path}/new.db"
    refused = invoke("store", "init", "--store", url, "--cluster", "main")
    there = (tmp_path / "new.db").exists()
    made = invoke("store", "init", "--store", url, "--json")

    assert (refused.exit_code, there) == (2, False)
    assert "clickhouse" in refused.stderr
    assert json.loads(made.stdout)["kind"] == "sqlite"
    assert (tmp_path / "new.db").exists()


def test_a_golden_goes_and_its_test_is_named(recorded, monkeypatch):
    """The test has the run's input and answer, but it is its owner's to delete."""
    monkeypatch.delenv("CI", raising=False)
    added = recorded.run("golden", "add", "last", "--test", "tests", "--name", "notes")
    done = recorded.run("erase", "last", "--yes", "--purge", "--json")
    receipt = json.loads(done.stdout)

    assert added.returncode == 0, added.stderr
    golden = recorded.folder / "tests" / "goldens" / "notes.json"
    test = recorded.folder / "tests" / "test_notes.py"
    assert receipt["files"] == [str(golden)]
    assert receipt["files_kept"] == [str(test)]
    assert (golden.exists(), test.exists()) == (False, True)
    assert (receipt["verified"], done.returncode) == (False, 93)
