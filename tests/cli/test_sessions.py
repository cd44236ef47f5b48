"""`agent-replay replay`, `resume` and `fork`: programs under a session."""

from __future__ import annotations

import json
import sys

import pytest

from otel_agent_replay import open_store


def test_a_replay_answers_everything_and_writes_nothing(recorded):
    """Same output, exit code 0, and the write is not done again."""
    done = recorded.agent("replay", "last", "--", "one", "two")

    assert (done.returncode, done.stdout) == (0, "noted page 1, page 2\n")
    assert "clerk: ok\n" in done.stderr
    assert "  served      4 of 4 answers\n" in done.stderr
    assert "  live        nothing\n" in done.stderr
    assert recorded.notes == ["page 1, page 2"]
    assert len(recorded.runs()) == 1


def test_the_report_as_json_has_standard_output_for_itself(recorded):
    """What the program prints goes to standard error."""
    done = recorded.agent("replay", "last", "--json", "--", "one", "two")

    told = json.loads(done.stdout)
    assert (told["report"]["ok"], told["report"]["served"]) == (True, [0, 1, 2, 3])
    assert (told["exit_code"], told["program_exit_code"]) == (0, 0)
    assert (told["unheard_processes"], told["stored_runs"]) == (0, [])
    assert done.stderr == "noted page 1, page 2\n"


def test_a_divergence_has_its_own_exit_code(recorded):
    """The report names the step and the field; nothing was run."""
    done = recorded.agent("replay", "last", "--", "one", "three")

    assert (done.returncode, done.stdout) == (90, "")
    assert "✗ changed: look_up, step 2 look_up" in done.stderr
    assert "word: two → three" in done.stderr
    assert "Traceback" not in done.stderr
    assert recorded.notes == ["page 1, page 2"]


def test_what_was_never_asked_for_is_a_divergence(recorded):
    """A program that does less than it did."""
    done = recorded.agent("replay", "last", "--", "one", "two", "--no-note")

    assert done.returncode == 90
    assert "missing: 1 recorded step never asked for: 3 note" in done.stderr


def test_a_miss_shows_what_comes_close_and_why(recorded):
    """The closest steps, used or not, and the cause; all of it as JSON too."""
    done = recorded.agent("replay", "last", "--", "one", "one")

    assert done.returncode == 90
    assert "asked for once more than recorded" in done.stderr
    assert "close: step 1 look_up, used already: the same" in done.stderr
    assert "cause: the code asks for something else" in done.stderr
    told = json.loads(
        recorded.agent("replay", "last", "--json", "--", "one", "one").stdout
    )
    found = told["report"]["divergences"][-1]
    assert (found["kind"], found["cause"], found["step"]) == ("changed", "code", 2)
    assert [each["used"] for each in found["candidates"]] == [True, False]


def test_another_order_is_told_and_may_be_free(recorded):
    """As each call does get its answer, that is all that differs."""
    done = recorded.agent("replay", "last", "--", "two", "one")
    assert "out_of_order: look_up" in done.stderr
    assert "asked for before step 1 look_up, not after it" in done.stderr

    options = ["--match", "by_arguments", "--json"]
    done = recorded.agent("replay", "last", *options, "--", "two", "one")
    told = json.loads(done.stdout)["report"]
    assert [each["name"] for each in told["divergences"]][:1] == ["clerk"]
    assert "out_of_order" not in done.stdout


def test_what_is_named_goes_live_but_no_write(recorded):
    """A write must be named as one."""
    live = ["--live", "tool"]
    done = recorded.agent("replay", "last", *live, "--", "one", "one")
    assert done.returncode == 91
    assert "live        1: look_up" in done.stderr
    assert "blocked     note" in done.stderr
    assert recorded.notes == ["page 1, page 2"]

    live += ["--allow-write", "note"]
    done = recorded.agent("replay", "last", *live, "--", "one", "one")
    assert done.returncode == 90
    assert recorded.notes == ["page 1, page 2", "page 1, page 1"]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--match", "semantical"], "none of strict, ordered, by_arguments"),
        (["--normalise", "dates"], "none of temp_paths, timestamps"),
    ],
)
@pytest.mark.parametrize("command", [["replay"], ["resume"], ["fork", "--at", "1"]])
def test_modes_and_normalisers_that_there_are_not(recorded, command, option, said):
    """They are a mistake in the command; nothing is run."""
    done = recorded.agent(*command, "last", *option, "--", "one", "two")

    assert done.returncode == 2
    assert said in done.stderr
    assert recorded.notes == ["page 1, page 2"]


def test_a_replay_is_kept_on_demand(recorded):
    """As a run of its own that says where it comes from, to be compared."""
    done = recorded.agent("replay", "last", "--keep", "--", "one", "two")

    first, kept = recorded.runs()
    assert done.returncode == 0
    assert f"stored {kept.run_id[:8]}" in done.stderr
    assert kept.parent is not None
    assert (kept.parent.run_id, kept.parent.relation) == (first.run_id, "replay")
    compared = recorded.run("compare", first.run_id, "last", "--exit-code")
    assert compared.returncode == 0, compared.stdout


def test_a_failure_that_repeats_is_a_good_replay(desk):
    """The program fails as it had failed: exit code 0, its own is told."""
    desk.agent("record", "--", "one", "--fail")

    done = desk.agent("replay", "last", "--", "one", "--fail")

    assert done.returncode == 0, done.stderr
    assert "RuntimeError: the pen is dry" in done.stderr
    assert "the program's exit code is 1" in done.stderr


def test_a_tool_named_when_recording_is_answered_without_its_name(desk):
    """Else it would run again, unseen."""
    program = desk.write(
        "plain.py",
        """
        def send(text):
            open("sent.txt", "a").write(text)
            return "sent"

        print(send("hello"))
        """,
    )
    tool = ("--tool", "__main__:send=write")
    desk.run("record", *tool, "--", sys.executable, program)

    done = desk.run("replay", "last", "--", sys.executable, program)

    assert (done.returncode, done.stdout) == (0, "sent\n")
    assert (desk.folder / "sent.txt").read_text() == "hello"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (["-S", "-c", "print('live')"], "nothing was answered from the run"),
        (["-c", "import os; os._exit(0)"], "ended without a report"),
        (["-c", "import os; os.kill(os.getpid(), 9)"], "its exit code is 137"),
    ],
)
def test_a_program_that_does_not_report_is_never_ok(recorded, program, said):
    """It took no part, or ended before it could say what it did."""
    done = recorded.run("replay", "last", "--", sys.executable, *program)

    assert done.returncode == 89
    assert f"error: {said}" in done.stderr or said in done.stderr
    assert ": ok" not in done.stderr


def test_a_session_that_cannot_be_opened_stops_the_program(recorded):
    """It does not go live; here a setting of the program's has no meaning."""
    done = recorded.run(
        "replay",
        "last",
        "--",
        "sh",
        "-c",
        f"AGENT_REPLAY_REDACT=perhaps exec {sys.executable} clerk.py one two",
    )

    assert done.returncode == 89
    assert "redact" in done.stderr
    assert recorded.notes == ["page 1, page 2"]


def test_a_run_with_a_gap_is_refused(recorded):
    """Nothing starts; --allow-gaps goes on with what is there."""
    (run,) = recorded.runs()
    url = f"sqlite:///{recorded.folder}/damaged.db"
    with open_store(url) as store:
        spans = tuple(
            span for span in run.spans if span.span_id != run.steps[1].span_id
        )
        whole = open_store(f"sqlite:///{recorded.folder}/.agent-replay/runs.db")
        with whole:
            recording = whole.recording(run.run_id)
        store.add(type(recording)(run_id=run.run_id, spans=spans))

    refused = recorded.agent("replay", "last", "--store", url, "--", "one", "two")
    words = ("last", "--store", url, "--allow-gaps")
    allowed = recorded.agent("replay", *words, "--", "one", "two")

    assert (refused.returncode, refused.stdout) == (87, "")
    assert "--allow-gaps" in refused.stderr
    assert allowed.returncode == 90


def test_a_run_that_is_not_there(recorded):
    """Said before the program starts."""
    done = recorded.agent("replay", "ffff", "--", "one")

    assert (done.returncode, done.stdout) == (80, "")


def test_a_program_of_a_session_that_cannot_be_started(recorded):
    """As for `record`."""
    done = recorded.run("replay", "last", "--", "no-such-command")

    assert done.returncode == 88


# --- fork -------------------------------------------------------------------------


def test_a_fork_stops_before_a_write(recorded):
    """With an exit code of its own; allowed by name, it is done."""
    words = ("fork", "last", "--at", "0", "--set", "state.most=1")

    stopped = recorded.agent(*words, "--", "one", "two")
    at_first = recorded.notes
    allowed = recorded.agent(*words, "--allow-write", "note", "--", "one", "two")

    assert stopped.returncode == 91
    assert "blocked     note  (--allow-write NAME lets it run)" in stopped.stderr
    assert at_first == ["page 1, page 2"]
    assert (allowed.returncode, allowed.stdout) == (0, "noted page 1\n")
    assert recorded.notes == ["page 1, page 2", "page 1"]


def test_a_fork_is_a_run_of_its_own(recorded):
    """It shares the steps up to N, goes on live, and its exit code is the program's."""
    done = recorded.agent(
        "fork", "last", "--at", "1", "--result", '"A"', "--", "one", "two", "--no-note"
    )

    first, forked = recorded.runs()
    assert (done.returncode, done.stdout) == (0, "A, page 2\n")
    assert "live        1: look_up" in done.stderr
    assert f"stored {forked.run_id[:8]}" in done.stderr
    assert forked.parent is not None
    assert (forked.parent.run_id, forked.parent.step) == (first.run_id, 1)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--at", "99"), 82, "has no step 99"),
        (("--at", "1", "--set", "most=1"), 2, "does not begin with state."),
        (("--at", "1", "--set", "state.most"), 2, "is not NAME=JSON"),
        (("--at", "1", "--result", "no json"), 2, "is no JSON"),
        (("--at", "1", "--answer", "text"), 2, "is a tool, no model call"),
        (("--at", "1", "--system", "@nowhere.txt"), 2, "nowhere.txt"),
        ((), 2, "--at"),
    ],
)
def test_a_fork_that_has_no_meaning(recorded, invoke, monkeypatch, words, code, said):
    """Said before the program starts."""
    monkeypatch.chdir(recorded.folder)

    done = invoke("fork", "last", *words, "--", "no-such-command")

    assert done.exit_code == code
    assert said in done.stderr


# --- resume -----------------------------------------------------------------------


def test_a_run_that_failed_goes_on(desk):
    """In the same run; finished steps are answered, the rest is done now."""
    desk.agent("record", "--", "one", "two", "--fail")
    (desk.folder / "repaired").touch()

    done = desk.agent("resume", "last", "--", "one", "two", "--fail")

    (run,) = desk.runs()
    assert (done.returncode, done.stdout) == (0, "noted page 1, page 2\n")
    assert "resume of" in done.stderr
    assert f"stored {run.run_id[:8]}" in done.stderr
    assert (run.status, [step.call.name for step in run.steps][-1]) == (
        "success",
        "note",
    )
    assert desk.notes == ["page 1, page 2"]


OWN_RULES = """\
import sys

import otel_agent_replay
from otel_agent_replay import agent

otel_agent_replay.configure(redact_patterns=[r"TICKET-\\d+"], tools=["__main__:look_up"])


def look_up(ticket):
    print("live", file=sys.stderr)
    return f"{ticket} is open"


@agent(name="desk")
def desk():
    return look_up("TICKET-4711") + look_up("TICKET-0815")


desk()
"""


def test_settings_of_the_program_itself_hold_in_its_sessions(desk, tmp_path):
    """Rules and tools that the code gives `configure()` are those of a replay too."""
    program = ("--", sys.executable, desk.write("desk.py", OWN_RULES))
    assert desk.run("record", *program).returncode == 0

    again = desk.run("replay", "last", *program)
    forked = desk.run("fork", "last", "--at", "0", *program)

    assert (again.returncode, forked.returncode) == (0, 0), forked.stderr
    assert "live" not in again.stderr.splitlines()
    assert "note:" not in again.stderr
    assert "live" in forked.stderr.splitlines()
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("runs.db*"))
    assert b"TICKET-" not in stored
