"""Goldens as files: what is written, read back, and refused."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace

import pytest

import otel_agent_replay
from otel_agent_replay import agent, checkpoint, open_store, tool
from otel_agent_replay._setup.golden_files import (
    golden_names,
    orphans,
    pending,
    read_golden,
    write_golden,
)
from otel_agent_replay._setup.golden_making import (
    check_folder,
    made_golden,
    secrets_in,
)
from otel_agent_replay._setup.golden_session import GoldenSession, run_of
from otel_agent_replay.config import load_settings
from otel_agent_replay.errors import (
    ConfigurationError,
    GoldenError,
    RecordingError,
    RunIncompleteError,
)
from otel_agent_replay.model.run import Recording
from otel_agent_replay.replay.golden import Golden, dump_golden, load_golden

LONG = "A long passage, said once and again. " * 300
PAGES = {"long": LONG, "lines": "one\ntwo\nthree", "json": {"b": [1, 2.5], "a": None}}


@tool
def look_up(word: str) -> object:
    """Return a page."""
    return PAGES[word]


@agent(name="reader")
def reader(words: list[str]) -> str:
    """Look words up, and say how many there were."""
    for number, word in enumerate(words):
        look_up(word)
        checkpoint({"retrieved": number + 1})
    return f"{len(words)} found"


@pytest.fixture
def recorded(tmp_path):
    """Record a run of the reader; return its recording."""
    url = f"sqlite:///{tmp_path}/runs.db"

    def record(*words: str, **settings) -> Recording:
        otel_agent_replay.configure(store=url, **settings)
        reader(list(words))
        otel_agent_replay.shutdown()
        with open_store(url) as store:
            return store.recording(store.runs()[0].run_id)

    return record


@pytest.fixture
def golden(recorded) -> Golden:
    """Return a golden that has everything a text can be."""
    return made_golden(recorded("long", "lines", "json", "long"), "reader")


def test_what_is_written_reads_back(golden, tmp_path):
    """And writing it again changes nothing."""
    changed = write_golden(tmp_path / "goldens", golden)

    assert read_golden(tmp_path / "goldens", "reader") == golden
    assert golden_names(tmp_path / "goldens") == ["reader"]
    assert [path.suffix for path in changed] == [".txt", ".json"]
    assert pending(tmp_path / "goldens", golden) == {}
    assert write_golden(tmp_path / "goldens", golden) == []


def test_it_is_made_for_a_diff(golden):
    """A field a line, JSON as JSON, lines as lines; a large text beside it, once."""
    made = dump_golden(golden)

    assert list(made.bodies.values()) == [json.dumps(LONG)]
    assert "A long passage" not in made.text
    assert max(map(len, made.text.splitlines())) < 200
    assert '"retrieved": 1' in made.text
    assert '"b": [1,2.5]' in made.text


def test_two_recordings_of_the_same_doings_give_the_same_text(recorded):
    """Ids, times and the machine are not in it."""
    first = made_golden(recorded("lines", "json"), "reader")
    second = made_golden(recorded("lines", "json"), "reader")

    assert dump_golden(first).text == dump_golden(second).text
    assert "stacktrace" not in dump_golden(first).text


def test_a_recording_that_did_something_else_differs_where_it_did(recorded):
    """The diff is about what the agent did."""
    first = dump_golden(made_golden(recorded("lines", "json"), "reader")).text
    second = dump_golden(made_golden(recorded("json", "json"), "reader")).text

    new = Counter(second.splitlines()) - Counter(first.splitlines())
    assert new['        "word": "json"'] == 1
    assert sum(new.values()) < 12


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda _: "", "it is empty"),
        (lambda text: text[:-20], "not whole JSON"),
        (lambda _: "[]", '"format"'),
        (lambda text: text.replace('"version": 1', '"version": 2'), "upgrade"),
        (lambda text: text.replace('"version": 1', '"version": true'), "no version"),
        (lambda text: text.replace("retrieved", "received"), "digest"),
        (lambda text: text.replace('"lines"', '"line"'), "digest"),
        (lambda text: text.replace('"expect": []', '"expect": ["x"]'), "expect"),
        (lambda text: text.replace('"expect": []', '"expect": [1]'), "no text"),
        (lambda text: text.replace('"bodies": ["', '"bodies": ["../'), "no key"),
        (lambda text: text.replace('"name": "reader"', '"name": "other"'), "other"),
        (lambda text: "[" * 5000 + text, "not whole JSON"),
    ],
)
def test_a_damaged_golden_is_refused(golden, tmp_path, edit, problem):
    """Whatever was done to it, with a word on what."""
    write_golden(tmp_path, golden)
    path = tmp_path / "reader.json"
    path.write_text(edit(path.read_text()))

    with pytest.raises((RecordingError, ConfigurationError), match=problem):
        read_golden(tmp_path, "reader")


def test_a_body_that_was_changed_or_is_gone(golden, tmp_path):
    """Is as bad as a golden that was."""
    write_golden(tmp_path, golden)
    (body,) = (tmp_path / "bodies").iterdir()
    body.write_text("something else")

    with pytest.raises(RecordingError, match="is not the one"):
        read_golden(tmp_path, "reader")
    body.unlink()
    with pytest.raises(RecordingError, match="is not there"):
        read_golden(tmp_path, "reader")


def test_nothing_is_read_outside_of_the_folder(golden, tmp_path):
    """By no name, and through no link."""
    write_golden(tmp_path / "elsewhere", golden)
    folder = tmp_path / "goldens"
    folder.mkdir()
    (folder / "reader.json").symlink_to(tmp_path / "elsewhere" / "reader.json")

    with pytest.raises(GoldenError, match="letters, digits"):
        read_golden(folder, "../elsewhere/reader")
    with pytest.raises(RecordingError, match="leads out"):
        read_golden(folder, "reader")


def test_a_golden_that_is_not_there(golden, tmp_path):
    """The message names those that are, and how to make it."""
    write_golden(tmp_path, golden)

    with pytest.raises(GoldenError, match=r"Goldens there: reader\..* golden add"):
        read_golden(tmp_path, "writer")


def test_steps_taken_out_are_a_gap_also_with_a_fitting_digest(golden):
    """Steps are numbered, and the run says how many there were."""
    spans = golden.recording.spans
    cut = replace(golden.recording, spans=spans[:3] + spans[4:])
    made = dump_golden(replace(golden, recording=cut))
    again = load_golden(made.text, "cut", made.bodies.__getitem__)

    with pytest.raises(RunIncompleteError, match="has to be whole"):
        GoldenSession(again, {})


def test_a_golden_without_a_call_compares_nothing(golden):
    """With a fitting digest too; and none is made of a run that made no call."""
    spans = golden.recording.spans
    for left in ((), spans[:1]):
        made = dump_golden(
            replace(golden, recording=replace(golden.recording, spans=left))
        )
        again = load_golden(made.text, "empty", made.bodies.__getitem__)
        with pytest.raises(GoldenError, match="no recorded call"):
            run_of(again)


def test_a_secret_is_not_written(recorded, monkeypatch):
    """Of a run that was recorded without redaction; the message does not quote it."""
    monkeypatch.setitem(PAGES, "secret", "her key is sk-proj-1234567890abcdefghij")
    recording = recorded("secret", redact="off")

    with pytest.raises(GoldenError, match="step 0 look_up: what it answered") as raised:
        made_golden(recording, "reader")
    assert "1234567890" not in str(raised.value)


def test_pseudonyms_are_no_secrets(recorded, monkeypatch):
    """What was redacted when it was recorded is not found again."""
    monkeypatch.setitem(PAGES, "mail", "ask ann@example.com, +49 151 23456789")
    golden = made_golden(recorded("mail"), "reader")

    assert "example.com" not in dump_golden(golden).text
    assert secrets_in(run_of(golden), load_settings()) == []


def test_a_number_drawn_at_random_is_no_secret(tmp_path):
    """However much it looks like a card's; it stands in the golden as it was drawn."""
    card = 4111111111111111

    @agent(name="drawing")
    def drawing() -> bool:
        return random.randint(card, card) == card  # noqa: S311 - what is recorded

    url = f"sqlite:///{tmp_path}/runs.db"
    otel_agent_replay.configure(store=url, effects=("random",))
    drawing()
    otel_agent_replay.shutdown()
    with open_store(url) as store:
        recording = store.recording(store.runs()[0].run_id)

    golden = made_golden(recording, "drawing")

    assert run_of(golden).steps[0].outcome.value == card
    assert secrets_in(run_of(golden), load_settings()) == []


def test_an_expectation_that_the_bad_run_meets_proves_nothing(recorded):
    """The test would be green on the code that went wrong."""
    recording = recorded("lines", "json")

    with pytest.raises(GoldenError, match="already meets"):
        made_golden(recording, "reader", ["calls(look_up) <= 3"])
    golden = made_golden(recording, "reader", [" calls(look_up) <= 1 "])
    assert golden.expect == ("calls(look_up) <= 1",)


def test_a_folder_is_checked_whole(golden, tmp_path):
    """Every problem is named; a sound folder has none."""
    write_golden(tmp_path, golden)
    assert check_folder(tmp_path) == ([golden], [])

    path = tmp_path / "reader.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    (tmp_path / "bodies" / f"{'0' * 24}.txt").write_text("whose?")
    _, problems = check_folder(tmp_path)

    assert [name for name, _ in problems] == ["reader", f"{'0' * 24}.txt"]
    assert orphans(tmp_path, [golden]) == [tmp_path / "bodies" / f"{'0' * 24}.txt"]
    assert check_folder(tmp_path / "bodies") == (
        [],
        [(str(tmp_path / "bodies"), "there is no golden in it")],
    )
