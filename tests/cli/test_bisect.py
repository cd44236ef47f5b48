"""`agent-replay bisect`: a program run again and again on blends of two runs."""

from __future__ import annotations

import json
import shlex
import sys

import pytest

AGENT = """
import os
import sys

from otel_agent_replay import agent, tool

GIVES = dict(pair.split("=") for pair in os.environ.get("GIVES", "").split())


@tool
def get(key: str) -> str:
    with open("asked.txt", "a") as file:
        file.write(key)
    return GIVES[key]


@tool(effect="write")
def send(text: str) -> str:
    with open("sent.txt", "a") as file:
        file.write(text)
    return text


@agent(name="desk")
def both(words: list[str]) -> str:
    print("noise")
    print("more noise", file=sys.stderr)
    got = [get(word) for word in words]
    if got[0] == "x" and got[-1] == "x":
        raise ValueError("both are wrong")
    return send(get("last" + "".join(got))) if "--then" in sys.argv else "fine"


print(both([word for word in sys.argv[1:] if not word.startswith("--")]))
"""


@pytest.fixture
def runs(desk):
    """Return a function that records two runs, and one that bisects them."""
    desk.write("both.py", AGENT)

    def program(*words: str) -> tuple[str, ...]:
        return ("--", sys.executable, "both.py", *words)

    def recorded(*runs: tuple[str, str]) -> list[str]:
        for words, gives in runs:
            desk.run("record", "-q", *program(*words.split()), GIVES=gives)
        for name in ("asked.txt", "sent.txt"):
            (desk.folder / name).unlink(missing_ok=True)
        return [run.run_id for run in desk.runs()]

    def bisect(ids: list[str], *words: str, given: str = "a b c"):
        done = desk.run("bisect", *ids, *words, *program(*given.split()))
        # Whatever it found, nothing ran and nothing was stored.
        assert not (desk.folder / "asked.txt").exists()
        assert not (desk.folder / "sent.txt").exists()
        assert len(desk.runs()) == len(ids)
        return done

    return recorded, bisect


def test_a_pair_of_results_decides(runs):
    """It is shown field by field; what the program prints is not."""
    recorded, bisect = runs
    ids = recorded(("a b c", "a=1 b=1 c=1"), ("a b c", "a=x b=x c=x"))

    done = bisect(ids)

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert (
        f"bisect of {ids[0][:8]} and {ids[1][:8]}: 2 of 3 differences decide\n"
        in done.stdout
    )
    assert "  ~ step 0 tool get\n      outcome.value: 1 → x\n" in done.stdout
    assert "  ~ step 2 tool get\n" in done.stdout
    assert "without it the program does not end badly" in done.stdout
    assert "smallest    yes" in done.stdout
    assert "noise" not in done.stdout
    assert "agent-replay fork" not in done.stdout


def test_one_result_decides_and_a_fork_shows_it(desk, runs):
    """The command that is given ends as the bad run did, with nothing else changed."""
    recorded, bisect = runs
    ids = recorded(("a b", "a=x b=1"), ("a b", "a=x b=x"))

    done = bisect(ids, "--json", "--until", "failed", given="a b")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(each["step"], each["without"]) for each in told["changes"]] == [
        (1, "good")
    ]
    assert (told["minimal"], told["among"], told["unresolved"]) == (True, 1, 0)
    words = shlex.split(told["fork"])
    assert words[:5] == ["agent-replay", "fork", ids[0][:12], "--at", "1"]
    assert words[-3:] == ["both.py", "a", "b"]
    assert "ValueError: both are wrong" in desk.run(*words[1:]).stderr


def test_the_input_decides(runs):
    """Whatever words the command is given."""
    recorded, bisect = runs
    ids = recorded(("a b", "a=x b=1 c=x"), ("a c", "a=x b=1 c=x"))

    done = bisect(ids, given="b b")

    assert done.returncode == 0, done.stderr
    assert "1 of 2 differences decides" in done.stdout
    assert "  ~ the input of desk\n      words[1]: b → c\n" in done.stdout


def test_undecided_trials_are_counted(runs):
    """With what they asked for; a write that neither run made is not made."""
    recorded, bisect = runs
    ids = recorded(
        ("a b --then", "a=1 b=1 last11=fine"), ("a b --then", "a=2 b=2 last22=wrong")
    )

    done = bisect(ids, "--until", "answer~wrong", given="a b --then")

    assert done.returncode == 0, done.stderr
    assert "of them undecided" in done.stdout
    assert "it asked for what neither run did: " in done.stdout


def test_trials_can_be_too_few(runs):
    """Then it is said that a smaller change may do."""
    recorded, bisect = runs
    ids = recorded(("a b c", "a=1 b=1 c=1"), ("a b c", "a=x b=x c=x"))

    done = bisect(ids, "--trials", "2")

    assert done.returncode == 0, done.stderr
    assert "3 of 3 differences" in done.stdout
    assert "not known: no trials were left (--trials)" in done.stdout
    assert "it was not tried to leave it out" in done.stdout


@pytest.mark.parametrize(
    ("words", "given", "code", "said"),
    [
        (("--until", "answer~("), "a b c", 2, "no regular expression"),
        (("--until", "answer~fine"), "a b c", 2, "does not hold for run"),
        (("--trials", "1"), "a b c", 2, "1 is not in the range"),
        (("--normalise", "dates"), "a b c", 2, "none of temp_paths, timestamps"),
        ((), "a b c --then", 90, "given all that"),
    ],
)
def test_what_cannot_be_found_out(runs, words, given, code, said):
    """Each with its own exit code, and what to do."""
    recorded, bisect = runs
    ids = recorded(("a b c", "a=1 b=1 c=1"), ("a b c", "a=x b=x c=x"))

    done = bisect(ids, *words, given=given)

    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_runs_that_end_alike_and_programs_that_take_no_part(desk, runs):
    """Nothing is said of them that the trials do not show."""
    recorded, bisect = runs
    ids = recorded(("a b", "a=1 b=1"), ("a b", "a=2 b=2"))
    alike = bisect(ids, given="a b")
    other = desk.run("bisect", *ids, "--until", "answer~fine", "--", "true")
    recorded(("a b", "a=x b=x"))
    away = desk.run("bisect", ids[0], "last", "--", "true")

    assert alike.returncode == 2
    assert "both runs ended with the answer 'fine'" in alike.stderr
    assert other.returncode == 2
    assert away.returncode == 89
    assert "did not take up recording" in away.stderr
