"""Commands that read: `runs`, `show`, `checkpoint`, `compare`, and `erase`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import otel_agent_replay
from otel_agent_replay import agent, checkpoint, open_store, tool
from otel_agent_replay.testing import Answer, ScriptedProvider, ToolCall
from tests.cli.terminal import on_terminal, plain_lines

EVIL = "\x1b]0;owned\x07\x1b[31m[bold]red[/bold]\x9b2J\u202edlrow\n"


@tool
def search(query: str) -> str:
    """Return what was searched for, made worse."""
    if query == "fail":
        raise ValueError("no such page")
    return query + EVIL


@agent(name="reader", version="3")
def read(query: str) -> str:
    """Ask a model, search, answer."""
    from openai import OpenAI

    checkpoint({"limits": {"depth": 2}})
    with OpenAI() as client:
        said = client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[
                {"role": "system", "content": "You search."},
                {"role": "user", "content": query},
            ],
            temperature=0.5,
        )
    search(query)
    return f"{said.choices[0].message.tool_calls[0].function.name} {EVIL}"


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    """Return a directory whose default store has three runs, recorded once."""
    folder = tmp_path_factory.mktemp("library")
    url = f"sqlite:///{folder}/.agent-replay/runs.db"
    call = ToolCall("search", {"query": "x"})
    before = dict(os.environ)
    with ScriptedProvider(script=lambda _: Answer(tool_calls=[call])) as provider:
        os.environ |= {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "k" * 20}
        for query, tags in (("one", ("a",)), ("two", ("a", "b")), ("fail", ())):
            otel_agent_replay.configure(store=url, tags=tags, user="ada")
            try:
                read(query)
            except ValueError:
                assert query == "fail"
            otel_agent_replay.shutdown()
    os.environ.clear()
    os.environ.update(before)
    return folder


@pytest.fixture
def ask(invoke, library, monkeypatch) -> Callable:
    """Run a command where that store is the default."""
    monkeypatch.chdir(library)
    return invoke


def ids(library: Path) -> list[str]:
    """Return the run ids, newest first."""
    with open_store(f"sqlite:///{library}/.agent-replay/runs.db") as store:
        return [run.run_id for run in store.runs()]


def test_runs_are_listed_newest_first(ask, library):
    """A line each under headings: no boxes, nothing wrapped, no colours in a pipe."""
    done = ask("runs")

    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    assert lines[0].split()[:4] == ["RUN", "AGENT", "STATUS", "CLASS"]
    assert [line.split()[0] for line in lines[1:]] == [i[:8] for i in ids(library)]
    assert "failed" in lines[1]
    assert "\x1b" not in done.stdout
    assert not re.search(r"[│┃━─]", done.stdout)
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("--agent", "reader"), 3),
        (("--agent", "nobody"), 0),
        (("--status", "failed"), 1),
        (("--class", "success"), 2),
        (("--user", "ada"), 3),
        (("--tag", "b"), 1),
        (("--text", "no such page"), 1),
        (("--since", "1h"), 3),
        (("--since", "2999-01-01"), 0),
        (("--until", "1h"), 0),
        (("--until", "2999-01-01T00:00:00Z"), 3),
        (("--min-cost", "0.000001"), 3),
        (("--max-cost", "0.000001"), 0),
        (("--limit", "2"), 2),
        (("--tag", "a", "--status", "success", "--limit", "1"), 1),
    ],
)
def test_runs_are_filtered(ask, words, count):
    """Every filter that is given must hold."""
    found = json.loads(ask("runs", "--json", *words).stdout)

    assert len(found) == count


def test_no_run_fits(ask):
    """Said on standard error; it is no error."""
    done = ask("runs", "--agent", "nobody")

    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "No run fits.\n")


def test_a_time_that_is_none(ask):
    """The message says how times are written."""
    done = ask("runs", "--since", "soon")

    assert done.exit_code == 2
    assert "write 2h, 3d, 2026-11-20" in done.stderr


def test_an_empty_store_is_no_error(invoke, tmp_path):
    """`runs` says how to record one; `show` says that there is none."""
    url = f"sqlite:///{tmp_path}/none.db"

    listed = invoke("runs", "--store", url)
    as_json = invoke("runs", "--store", url, "--json")
    shown = invoke("show", "last", "--store", url)

    assert (listed.exit_code, listed.stdout) == (0, "")
    assert listed.stderr.startswith(f"No runs yet in {url}. Record one with ")
    assert (as_json.exit_code, as_json.stdout) == (0, "[]\n")
    assert shown.exit_code == 80
    assert "hint: There are no runs yet" in shown.stderr
    assert not (tmp_path / "none.db").exists()


def test_a_store_that_was_made_but_holds_nothing(invoke, tmp_path):
    """The same."""
    url = f"sqlite:///{tmp_path}/made.db"
    open_store(url).close()

    assert invoke("runs", "--store", url).exit_code == 0
    assert invoke("show", "last", "--store", url).exit_code == 80
    assert invoke("show", "abc", "--store", url).exit_code == 80


def test_a_run_is_shown_step_by_step(ask):
    """Its facts, its steps in a line each, what was asked and answered."""
    done = ask("show", "last")

    assert done.exit_code == 0
    assert "agent        reader 3\n" in done.stdout
    assert "error        builtins:ValueError: no such page\n" in done.stdout
    rows = done.stdout[done.stdout.index(" KIND") :].splitlines()[1:]
    assert [row.split()[:3] for row in rows] == [
        ["0", "checkpoint", "state"],
        ["1", "model", "gpt-4o-mini"],
        ["2", "tool", "search"],
    ]
    assert "(2) user: fail" in rows[1]
    assert "→ search(query='x')" in rows[1]
    assert "query='fail'" in rows[2]
    assert "ValueError: no such page" in rows[2]
    assert rows[2].endswith("error")


@pytest.mark.parametrize(
    "words",
    [("show", "{}"), ("show", "{}", "--payloads"), ("show", "{}", "--step", "2")],
)
def test_stored_text_cannot_act_on_a_terminal(ask, library, words):
    """Escape sequences and reordering signs are visible, markup is text."""
    done = ask(*(word.format(ids(library)[1]) for word in words))

    assert done.exit_code == 0
    assert "\\x1b]0;owned\\x07\\x1b[31m[bold]red[/bold]\\x9b2J\\u202e" in done.stdout
    assert not set("\x1b\x07\x9b\u202e") & set(done.stdout)


def test_one_step_is_shown_in_full(ask):
    """Messages under their roles, parameters; --payloads adds the wire."""
    done = ask("show", "last", "--step", "1")
    wire = ask("show", "last", "--step", "1", "--payloads")

    for part in (
        "step 1  model  gpt-4o-mini\n",
        "  system\n    You search.\n",
        "  user\n    fail\n",
        '    → search {"query":"x"}',
        '  parameters {"temperature":0.5}\n',
        "  finished   tool_calls\n",
    ):
        assert part in done.stdout
    assert "sent: POST" not in done.stdout
    assert "sent: POST http://127.0.0.1" in wire.stdout
    assert "received: 200 OK" in wire.stdout


def test_a_run_as_json(ask, library):
    """Payloads on demand; a step alone has them."""
    plain = json.loads(ask("show", "last", "--json").stdout)
    whole = json.loads(ask("show", "last", "--json", "--payloads").stdout)
    step = json.loads(ask("show", "last", "--json", "--step", "2").stdout)

    assert plain["run_id"] == ids(library)[0]
    assert "arguments" not in plain["steps"][2]
    assert whole["steps"][2]["arguments"] == {"query": "fail"}
    assert step == whole["steps"][2]


def test_runs_are_named_by_their_beginning(ask, library):
    """A whole id, the beginning of one, `last`, `latest`."""
    newest = ids(library)[0]

    found = [
        json.loads(ask("show", name, "--json").stdout)["run_id"]
        for name in (newest, newest[:8], "last", "latest")
    ]

    assert found == [newest] * 4


def test_names_that_fit_none_or_several(ask):
    """Exit codes of their own, one line each, no traceback."""
    unknown, ambiguous = ask("show", "zzz"), ask("show", "")
    step = ask("show", "last", "--step", "9")

    assert [done.exit_code for done in (unknown, ambiguous, step)] == [80, 81, 82]
    assert unknown.stderr.startswith("error: No run 'zzz' in this store.")
    assert "fits 3 runs" in ambiguous.stderr
    assert "it has 3 steps" in step.stderr


def test_a_checkpoint(ask):
    """State, model, conversation and tool calls after a step."""
    done = ask("checkpoint", "last", "--step", "2")
    found = json.loads(ask("checkpoint", "last", "--step", "2", "--json").stdout)

    assert '  {"limits":{"depth":2}}\n' in done.stdout
    assert "  gen_ai.request.model: gpt-4o-mini\n" in done.stdout
    assert "2  search  query='fail'" in done.stdout
    assert found["state"] == {"limits": {"depth": 2}}
    assert [each["role"] for each in found["messages"]][:2] == ["system", "user"]


def test_two_runs_compared(ask, library):
    """The first difference field by field; the exit code on demand."""
    newest, second, first = ids(library)

    done = ask("compare", first, second)
    code = ask("compare", first, second, "--exit-code").exit_code
    same = ask("compare", first, first, "--exit-code")
    found = json.loads(ask("compare", first, newest, "--json").stdout)

    assert (done.exit_code, code, same.exit_code) == (0, 90, 0)
    assert "First difference, at step A 1, B 1\n" in done.stdout
    assert "  arguments.messages[1].content: one → two\n" in done.stdout
    assert "Input differs\n  question" not in done.stdout
    assert "Every step is the same\n" in same.stdout
    assert (found["a"], found["b"], found["first_divergence"]) == (first, newest, 1)


def test_a_run_is_erased(invoke, library, tmp_path):
    """Only with a yes; then its text is gone from the store's files."""
    url = f"sqlite:///{tmp_path}/copy.db"
    with (
        open_store(f"sqlite:///{library}/.agent-replay/runs.db") as store,
        open_store(url) as copy,
    ):
        for run_id in ids(library)[:2]:
            copy.add(store.recording(run_id))

    unasked = invoke("erase", "last", "--store", url)
    erased = invoke("erase", "last", "--yes", "--store", url, "--json")

    assert (unasked.exit_code, erased.exit_code) == (2, 0)
    assert "--yes" in unasked.stderr
    assert json.loads(erased.stdout)["run_ids"] == ids(library)[:1]
    assert len(json.loads(invoke("runs", "--store", url, "--json").stdout)) == 1


@pytest.mark.parametrize(("plain", "coloured"), [("", True), ("1", False)])
def test_a_terminal_gets_colours(library, plain, coloured):
    """But for NO_COLOR; and rows as wide as the terminal."""
    text = on_terminal(library, "show", "last", COLUMNS="70", NO_COLOR=plain)

    assert ("\x1b[36m" in text) is coloured
    lines = plain_lines(text)
    table = lines[next(i for i, line in enumerate(lines) if " KIND" in line) :]
    assert max(map(len, table)) <= 70


@pytest.mark.parametrize(
    ("settings", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_errors_have_colours_where_tables_have(library, settings, coloured):
    """Those of our own and of the command line."""
    text = on_terminal(library, "show", "zzz", **settings)

    assert "No run 'zzz'" in text
    assert ("\x1b[" in text) is coloured


@pytest.mark.parametrize(
    ("columns", "left_out"),
    [("130", set()), ("78", {"TOKENS", "TIME", "CLASS"})],
)
def test_a_narrow_terminal_shows_fewer_columns_of_runs(library, columns, left_out):
    """Whole ones: a number that is cut is none."""
    lines = plain_lines(on_terminal(library, "runs", COLUMNS=columns))

    names = {"RUN", "STATUS", "CLASS", "START", "TIME", "STEPS", "TOKENS", "COST"}
    assert names & set(lines[0].split()) == names - left_out
    assert max(map(len, lines)) <= int(columns)
