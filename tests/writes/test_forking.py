"""Where a fork begins, what it offers a model, and where its reads come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from openai import OpenAI

import otel_agent_replay
from otel_agent_replay import agent, approval, fork, open_store, replay, resume, tool
from otel_agent_replay.errors import ConfigurationError, WriteBlockedError
from otel_agent_replay.testing import Answer, ScriptedProvider

TOOLS = [
    {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": {}}},
    }
    for name in ("search", "send")
]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Record into a new store."""
    found = f"sqlite:///{tmp_path}/runs.db"
    otel_agent_replay.configure(store=found)
    return found


def newest(url: str):
    otel_agent_replay.flush()
    with open_store(url) as store:
        return store.load(store.runs()[0].run_id)


class Finder:
    """An agent that searches, and what really happened."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.search = tool(name="search")(self._search)
        self.send = tool(name="send", effect="write")(self._send)
        self.run = agent(name="finder")(self._run)

    def _search(self, word: str) -> str:
        self.happened.append(f"search {word}")
        return word.upper()

    def _send(self, word: str) -> str:
        self.happened.append(f"send {word}")
        return word

    def _run(self, words: list[str]) -> list[str]:
        return [self.search(each) for each in words]


@pytest.mark.parametrize(
    ("at", "index"),
    [
        (1, 1),
        ("1", 1),
        ("search", 0),
        ("tool", 0),
        ("tool:search#2", 1),
        ("search#3", 2),
        (lambda step: step.outcome.value == "B", 1),
    ],
)
def test_a_fork_begins_at_a_step_by_number_name_or_function(url, at, index):
    """The first step that fits is the last one shared."""
    finder = Finder()
    finder.run(["a", "b", "c"])
    run = newest(url)
    finder.happened.clear()

    with fork(run, at=at) as session:
        finder.run(["a", "b", "c"])

    assert session.run.parent.step == index
    assert len(finder.happened) == 2 - index


@pytest.mark.parametrize("at", ["nothing", "search#4", "model", lambda _: False])
def test_a_step_that_is_not_there_is_named(url, at):
    """Before anything runs, with what there is."""
    finder = Finder()
    finder.run(["a", "b", "c"])
    run = newest(url)
    finder.happened.clear()

    with pytest.raises(ConfigurationError, match="step"), fork(run, at=at):
        pytest.fail("must not run")

    assert finder.happened == []


def test_reads_after_the_fork_are_the_parents(url):
    """Where it made the same, each once; others go live, and writes stay blocked."""
    finder = Finder()
    finder.run(["a", "b", "b", "c"])
    run = newest(url)
    finder.happened.clear()

    with fork(run, at=0, result="NEW", reads="parent") as session:
        assert finder.run(["a", "c", "b", "b", "b"]) == ["NEW", "C", "B", "B", "B"]
    assert finder.happened == ["search b"]
    assert session.report.served == (0, 1, 2, 3)
    assert session.report.live == ("search",)
    served = [each.outcome.served_from is not None for each in session.run.steps]
    assert served == [True, True, True, True, False]

    finder.happened.clear()
    writing = agent(name="finder")(lambda words: finder.send(finder.search(words[0])))
    with pytest.raises(WriteBlockedError), fork(run, at=0, reads="parent"):
        writing(["a"])
    assert finder.happened == []


def test_reads_are_live_or_the_parents(url):
    """Anything else is refused."""
    finder = Finder()
    finder.run(["a"])

    wrong = fork(newest(url), at=0, reads="both")
    with pytest.raises(ConfigurationError, match="reads"), wrong:
        pytest.fail("must not run")


@pytest.fixture
def provider():
    """A model that says which tools it was offered, and how it was to choose."""

    def script(request) -> Answer:
        offered = [each["function"]["name"] for each in request.json.get("tools", [])]
        return Answer(text=json.dumps([offered, request.json.get("tool_choice")]))

    with ScriptedProvider(script=script) as opened:
        yield opened


@pytest.mark.parametrize(
    ("tools", "offered"),
    [
        (["search"], [["search"], "auto"]),
        ([], [[], None]),
        (["send", {"name": "look", "parameters": {}}], [["send", "look"], "auto"]),
        ([TOOLS[1]], [["send"], "auto"]),
    ],
)
def test_a_fork_offers_a_model_other_tools(url, provider, tools, offered):
    """Those named, and further ones; calls before the fork stay as they were."""
    client = OpenAI(base_url=provider.base_url, api_key="any", max_retries=0)

    @agent
    def asks() -> list[object]:
        said = [
            client.chat.completions.create(
                model="gpt-4o",
                messages=[{"role": "user", "content": str(number)}],
                tools=TOOLS,
                tool_choice="auto",
            )
            for number in range(2)
        ]
        return [json.loads(each.choices[0].message.content) for each in said]

    asks()
    with fork(newest(url), at="model", tools=tools) as session:
        assert asks() == [[["search", "send"], "auto"], offered]
    client.close()

    names = [each["name"] for each in session.run.steps[1].request.tools]
    assert names == offered[0]


def test_a_tool_that_no_model_was_offered_is_refused(url, provider):
    """A name that is misspelt would take all tools away."""
    finder = Finder()
    finder.run(["a"])

    wrong = fork(newest(url), at=0, tools=["serch"])
    with pytest.raises(ConfigurationError, match="'serch'"), wrong:
        pytest.fail("must not run")


class DeniedError(Exception):
    """What the agent does without an approval."""


def test_approvals_are_asked_again_only_after_a_fork_point(url):
    """A replay, a resume and the shared part of a fork have the recorded decision."""
    asked: list[str] = []
    failing = [True]

    def ask(what: str) -> bool:
        asked.append(what)
        return len(asked) < 3

    @agent
    def careful() -> list[bool]:
        found = [
            approval(each, ask=lambda each=each: ask(each)) for each in ("one", "two")
        ]
        if failing:
            raise DeniedError(failing.pop())
        return found

    with pytest.raises(DeniedError):
        careful()
    assert asked == ["one", "two"]
    with resume(newest(url)) as session:
        assert careful() == [True, True]
    with replay(session.run):
        assert careful() == [True, True]
    assert asked == ["one", "two"]

    with fork(session.run, at="approval") as forked:
        assert careful() == [True, False]
    assert asked == ["one", "two", "two"]
    with replay(forked.run):
        assert careful() == [True, False]
    assert asked == ["one", "two", "two"]
    with fork(forked.run, at="two", result=True):
        assert careful() == [True, True]
    assert asked == ["one", "two", "two"]
