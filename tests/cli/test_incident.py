"""`agent-replay incident`: from a run to a post-mortem."""

from __future__ import annotations

import json
import re
import shlex
import sys

import pytest

from otel_agent_replay import agent, configure, open_store, shutdown, tool
from otel_agent_replay.cli.incident import incident_of
from otel_agent_replay.cli.postmortem import postmortem

SEARCHER = """\
from otel_agent_replay import agent, checkpoint, tool


@tool
def search(query: str) -> list[str]:
    return []


@tool(effect="write")
def note(text: str) -> None:
    print("NOTED", text)


@agent(name="seeker", version="2")
def seek(question: str) -> str:
    state = checkpoint({"max_tries": 4})
    for n in range(state["max_tries"]):
        search(f"{question} {n}")
        state = checkpoint(state)
    note(question)
    return "Ninety days."


if __name__ == "__main__":
    print(seek("refunds"))
"""
PROGRAM = ("--", sys.executable, "seeker.py")


@pytest.fixture
def incident(desk):
    """Return a desk with the recorded run of an agent that finds nothing."""
    desk.write("seeker.py", SEARCHER)
    done = desk.run("record", "-q", *PROGRAM)
    assert done.returncode == 0, done.stderr
    return desk


def page(desk):
    """Return the post-mortem that was written."""
    (found,) = desk.folder.glob("incident-*.md")
    return found.read_text()


def test_from_a_run_to_a_post_mortem(incident):
    """What was found, whether it reproduces, where to fork, and a page of all that."""
    (run,) = incident.runs()

    done = incident.run("incident", "last", *PROGRAM)

    text = page(incident)
    assert done.returncode == 0, done.stderr
    assert "It reproduces: " in done.stdout
    assert "search gave nothing 4 times in a row.  [step 1, 3, 5, 7]" in done.stdout
    assert "--set state.max_tries=1" in done.stdout
    assert f"Wrote incident-{run.run_id[:8]}.md." in done.stdout
    assert "Ninety days." not in done.stdout
    assert "Ninety days." in done.stderr
    assert "NOTED" not in done.stderr
    for heading in ("Timeline", "What it took", "Replay", "Where to fork it"):
        assert f"\n## {heading}\n" in text
    assert "| 1 | " in text
    assert "`search(`" not in text
    assert "A fork stops before a write (`note`)" in text
    golden = f"agent-replay golden add {run.run_id[:12]} --test tests/agents/"
    assert golden in text


def test_its_commands_work(incident):
    """The replay and the forks that it names run as they stand, in a shell."""
    done = incident.run("incident", "last", "--json", *PROGRAM)
    found = json.loads(done.stdout)
    forks = {each["change"]: each["command"] for each in found["fork_points"]}
    replay = found["commands"][0]["command"]

    ended = {}
    for name, command in {**forks, "replay": replay}.items():
        words = shlex.split(command)
        at = words.index("--")
        allow = [] if name == "replay" else ["--allow-write", "note"]
        ended[name] = incident.run(*words[1:at], *allow, *words[at:]).returncode

    assert found["replay"]["reproduced"] is True
    assert found["findings"][0]["kind"] == "empty_results"
    assert set(ended) >= {"state", "result", "code", "replay"}
    assert set(ended.values()) == {0}
    assert not list(incident.folder.glob("*.md"))


def test_without_a_command_nothing_is_run(incident):
    """The page says so, and names the place for one."""
    (incident.folder / "seeker.py").unlink()

    done = incident.run("incident", "last")

    assert done.returncode == 0, done.stderr
    assert "It was not replayed: no command was given." in done.stdout
    assert "-- python your_agent.py" in page(incident)


def test_a_run_that_does_not_reproduce(incident):
    """The exit code is the replay's; the page has the divergences."""
    changed = SEARCHER.replace('f"{question} {n}"', 'f"{question} ({n})"')
    incident.write("seeker.py", changed)

    done = incident.run("incident", "last", *PROGRAM)

    assert done.returncode == 90
    assert "It does not reproduce with this program: " in done.stdout
    assert "refunds 0 → refunds (0)" in page(incident)


def test_a_file_that_is_there_stays(incident):
    """Before anything is run; with --force it is written over."""
    (incident.folder / "mine.md").write_text("mine")

    refused = incident.run("incident", "last", "--out", "mine.md", *PROGRAM)
    kept = (incident.folder / "mine.md").read_text()
    forced = incident.run("incident", "last", "--out", "mine.md", "--force")

    assert (refused.returncode, refused.stdout, kept) == (2, "", "mine")
    assert "mine.md is there; --force writes over it" in refused.stderr
    assert "Ninety" not in refused.stderr
    assert forced.returncode == 0, forced.stderr
    assert (incident.folder / "mine.md").read_text().startswith("# Post-mortem")


def test_the_page_goes_with_the_run(incident):
    """Erasing the run deletes what was written of it."""
    incident.run("incident", "last")

    erased = incident.run("erase", "last", "--yes")

    assert erased.returncode == 0, erased.stderr
    assert not list(incident.folder.glob("*.md"))


def test_a_store_that_is_named_is_in_the_commands(incident):
    """So they work wherever they are pasted."""
    url = f"sqlite:///{incident.folder}/.agent-replay/runs.db"

    found = json.loads(
        incident.run("incident", "last", "--store", url, "--json").stdout
    )

    assert all(f"--store {url}" in each["command"] for each in found["fork_points"])


PAYER = """\
import os
import signal

from otel_agent_replay import agent, tool


@tool(effect="write", idempotency_key="amount")
def pay(amount: int) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return "paid"


@agent(name="payer")
def settle() -> str:
    return pay(40)


settle()
"""


def test_a_write_that_never_ended(desk):
    """It is found also where its step was lost, with the way to go on."""
    desk.write("payer.py", PAYER)
    desk.run("record", "-q", "--", sys.executable, "payer.py")

    found = json.loads(desk.run("incident", "last", "--json").stdout)

    kinds = [each["kind"] for each in found["findings"]]
    commands = [each["command"] for each in found["commands"]]
    assert kinds == ["unfinished_write"]
    assert any(" --in-doubt ask " in each for each in commands)


def test_no_such_run(incident):
    """As for every command; nothing is written."""
    done = incident.run("incident", "beef", *PROGRAM)

    assert done.returncode == 80
    assert not list(incident.folder.glob("*.md"))


EVIL = (
    "</code> | `` ``` ~~~\n\n```\n# owned\n<script>alert(1)</script> "
    "![x](http://127.0.0.1:9/x.png) [y](javascript:x) @somebody \x1b[31m\u202e\n- [ ] z"
)


def test_text_of_a_run_stays_text(tmp_path):
    """Whatever stands in it: outside of code there is nothing of it in the page."""
    url = f"sqlite:///{tmp_path}/runs.db"
    configure(store=url)

    @tool(name=f"find {EVIL}")
    def find(query: str) -> dict:
        return {EVIL: []}

    @tool(effect="write", idempotency_key="order")
    def send(order: str) -> str:
        return order

    @agent(name=EVIL, version=EVIL)
    def play(question: str) -> str:
        for n in range(4):
            find(f"{question} {n}")
        send(question)
        return f"{question} it is"

    play(EVIL)
    shutdown()
    with open_store(url) as store:
        run = store.load(store.runs()[0].run_id)

    text = postmortem(incident_of(run, ["python", f"a {EVIL}"]))

    outside = without_code(text)
    assert "Post-mortem" in outside
    for sign in (
        "owned",
        "<script",
        "![",
        "](",
        "@somebody",
        "\x1b",
        "\u202e",
        "- [ ]",
    ):
        assert sign not in outside, sign
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {9}


def without_code(text: str) -> str:
    """Return Markdown without its code, as CommonMark reads it."""
    lines, fence = [], None
    for line in text.split("\n"):
        opened = re.match(r"(`{3,})[a-z]*$", line)
        if fence is None and opened:
            fence = opened[1]
        elif fence is not None:
            fence = None if line.strip() == fence else fence
        else:
            lines.append(line)
    assert fence is None
    spans = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)")
    return "\n".join(spans.sub("", line) for line in lines)
