"""Threads and recorded runs: what is resumed, replayed, forked and erased."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytest.importorskip("langchain.agents")
pytest.importorskip("langchain_openai")

from langchain.agents import create_agent
from langchain.agents.middleware import before_model
from langchain_openai import ChatOpenAI

import otel_agent_replay
from otel_agent_replay import agent, fork, open_store, replay, resume, tool
from otel_agent_replay.errors import ThreadWentOnError
from otel_agent_replay.langgraph import AgentReplaySaver
from otel_agent_replay.testing import Answer, ScriptedProvider, ToolCall

ROOT = Path(__file__).parents[2]
CONFIG = {"configurable": {"thread_id": "t"}}
ANSWERS = (
    Answer(tool_calls=[ToolCall("charge", {"card": "a"})]),
    Answer(tool_calls=[ToolCall("charge", {"card": "b"})]),
)
DONE = Answer(text="Both are charged.")
SAID = ("Both are charged.", 6)


@dataclass
class Shop:
    """An agent that charges two cards, and what really happened."""

    url: str
    provider: ScriptedProvider
    charged: list[str] = field(default_factory=list)
    crash_at: int = 0
    """How many cards are charged when it comes down."""

    def __post_init__(self) -> None:
        @tool(effect="write")
        def charge(card: str) -> str:
            """Charge a card."""
            self.charged.append(card)
            return f"charged {card}"

        self._charge = charge
        self.ask = agent(name="shop")(self._ask)

    def _ask(self, text: str = "Charge both.") -> tuple[str, int]:
        """Go on with what is begun, else ask; as a program does that may be killed."""

        @before_model
        def come_down(state, runtime):
            done = [each for each in state["messages"] if each.type == "tool"]
            if self.crash_at and len(done) == self.crash_at:
                raise RuntimeError("the power is gone")

        model = ChatOpenAI(
            model="gpt-4o",
            base_url=self.provider.base_url,
            api_key="any",
            max_retries=0,
        )
        given = {"messages": [{"role": "user", "content": text, "id": text}]}
        with AgentReplaySaver(self.url) as saver:
            made = create_agent(
                model, tools=[self._charge], middleware=[come_down], checkpointer=saver
            )
            begun = made.get_state(CONFIG).next
            messages = made.invoke(None if begun else given, CONFIG)["messages"]
        return messages[-1].text, len(messages)

    def crash(self, cards: int = 1) -> None:
        """Ask, and come down when so many cards are charged."""
        self.crash_at = cards
        with pytest.raises(RuntimeError, match="power"):
            self.ask()
        self.crash_at = 0

    def load(self, at: int = 0):
        """Return a stored run, the newest first."""
        otel_agent_replay.flush()
        with open_store(self.url) as store:
            return store.load(store.runs()[at].run_id)

    @property
    def thread(self) -> tuple:
        """Return all that is stored of the thread."""
        with open_store(self.url) as store:
            there = store.states().whole("t")
        return tuple(map(tuple, (there.checkpoints, there.values, there.writes)))


@pytest.fixture
def shop(url):
    """Return what makes a shop whose provider gives these answers."""
    otel_agent_replay.configure(store=url)
    opened = []

    def make(*answers: Answer) -> Shop:
        opened.append(ScriptedProvider(answers=answers))
        return Shop(url, opened[-1].__enter__())

    yield make
    for provider in opened:
        provider.__exit__(None, None, None)


def test_a_run_that_came_down_goes_on_from_its_thread(shop):
    """A new run finds what is done in the thread; no card is charged again."""
    here = shop(*ANSWERS, DONE)
    here.crash()
    assert here.charged == ["a"]

    assert here.ask() == SAID

    assert here.charged == ["a", "b"]
    assert len(here.provider.requests) == 3
    kinds = [step.call.kind for step in here.load().steps]
    assert kinds == ["model", "tool", "model"]


@pytest.mark.parametrize("cards", [1, 2])
def test_a_run_that_came_down_is_resumed(shop, cards):
    """The same code from its start, on the thread as it was: no card again."""
    here = shop(*ANSWERS, DONE)
    here.crash(cards)
    run = here.load()

    with resume(run, allow_writes={"charge"}) as session:
        assert here.ask() == SAID

    assert here.charged == ["a", "b"]
    assert len(here.provider.requests) == 3
    assert len(session.report.served) == 2 * cards
    assert here.load().run_id == run.run_id


def test_a_run_that_comes_down_again_is_resumed_again(shop):
    """What the first attempt wrote to the thread is taken back too."""
    here = shop(*ANSWERS, DONE)
    here.crash(1)
    here.crash_at = 2
    with (
        pytest.raises(RuntimeError, match="power"),
        resume(here.load(), allow_writes={"charge"}),
    ):
        here.ask()
    here.crash_at = 0

    with resume(here.load(), allow_writes={"charge"}):
        assert here.ask() == SAID

    assert here.charged == ["a", "b"]
    assert len(here.provider.requests) == 3


def test_a_replay_leaves_the_thread_alone(shop):
    """It finds the thread as it was before the run, and works on a copy."""
    here = shop(*ANSWERS, DONE)
    here.ask()
    run, before = here.load(), here.thread

    with replay(run) as session:
        assert here.ask() == SAID

    assert session.report.ok
    assert here.thread == before
    assert here.charged == ["a", "b"]
    assert len(here.provider.requests) == 3


def test_each_turn_of_a_conversation_is_replayed(shop):
    """Also the first one, when the thread has long gone on."""
    here = shop(*ANSWERS, DONE, Answer(text="Welcome."))
    here.ask()
    here.ask("Thanks!")

    with replay(here.load(1)):
        assert here.ask() == SAID
    with replay(here.load(0)):
        assert here.ask("Thanks!") == ("Welcome.", 8)

    assert here.charged == ["a", "b"]


def test_a_run_is_not_resumed_over_a_later_one(shop):
    """That would undo what came later; the thread stays as it is."""
    here = shop(*ANSWERS, DONE, Answer(text="Welcome."))
    here.ask()
    here.ask("Thanks!")
    before = here.thread

    with pytest.raises(ThreadWentOnError), resume(here.load(1)):
        here.ask()

    assert here.thread == before


def test_a_fork_leaves_the_thread_alone(shop):
    """Its own run is stored, its thread is a copy."""
    here = shop(*ANSWERS, DONE, Answer(text="It failed."))
    here.ask()
    run, before = here.load(), here.thread

    with fork(run, at=3, result="declined"):
        assert here.ask() == ("It failed.", 6)

    assert here.thread == before
    assert here.charged == ["a", "b"]
    assert here.load().parent.run_id == run.run_id


def test_erasing_a_run_erases_its_checkpoints(shop):
    """Those of other runs stay, and stay whole."""
    here = shop(*ANSWERS, DONE, Answer(text="Welcome."), Answer(text="Bye."))
    here.ask()
    here.ask("Thanks!")
    first, second = here.load(1), here.load(0)

    with open_store(here.url) as store:
        store.erase(first.run_id)

    checkpoints, _, writes = here.thread
    assert {each.recorded_by for each in checkpoints} == {second.run_id}
    assert {each.recorded_by for each in writes} == {second.run_id}
    assert here.ask("Goodbye!") == ("Bye.", 10)


PROGRAM = '''\
"""An agent that may be killed when it has charged a card."""

import os
import signal

from langchain.agents import create_agent
from langchain.agents.middleware import before_model
from langchain_openai import ChatOpenAI

from otel_agent_replay import flush, tool
from otel_agent_replay.langgraph import AgentReplaySaver


@tool(effect="write")
def charge(card: str) -> str:
    """Charge a card."""
    with open("ledger.txt", "a") as ledger:
        ledger.write(card + "\\n")
    return f"charged {card}"


@before_model
def be_killed(state, runtime):
    if os.path.exists("kill") and state["messages"][-1].type == "tool":
        flush()
        os.kill(os.getpid(), signal.SIGKILL)


model = ChatOpenAI(
    model="gpt-4o", base_url=os.environ["PROVIDER"], api_key="any", max_retries=0
)
with AgentReplaySaver("sqlite:///.agent-replay/runs.db") as saver:
    agent = create_agent(
        model, tools=[charge], middleware=[be_killed], checkpointer=saver
    )
    config = {"configurable": {"thread_id": "t"}}
    given = {"messages": [{"role": "user", "content": "Charge both.", "id": "1"}]}
    begun = agent.get_state(config).next
    result = agent.invoke(None if begun else given, config)
    print(result["messages"][-1].text, len(result["messages"]))
'''


def test_a_killed_program_is_resumed(tmp_path):
    """SIGKILL after a tool ran, then `agent-replay resume`: no card again."""
    (tmp_path / "shop.py").write_text(PROGRAM)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "otel_agent_replay.cli",
                *words,
                "--",
                sys.executable,
                "shop.py",
            ],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "PROVIDER": provider.base_url,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    with ScriptedProvider(answers=[*ANSWERS, DONE]) as provider:
        (tmp_path / "kill").touch()
        assert run("record").returncode != 0
        (tmp_path / "kill").unlink()
        done = run("resume", "last", "--allow-write", "charge")

        assert done.stdout == "Both are charged. 6\n", done.stderr
        assert len(provider.requests) == 3
    assert (tmp_path / "ledger.txt").read_text().split() == ["a", "b"]
