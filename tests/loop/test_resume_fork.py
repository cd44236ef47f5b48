"""Going on with a run, and branching off one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from openai import OpenAI

import otel_agent_replay
from otel_agent_replay import (
    DivergenceError,
    agent,
    approval,
    checkpoint,
    compare,
    fork,
    open_store,
    replay,
    resume,
    step,
    tool,
)
from otel_agent_replay.errors import (
    ConfigurationError,
    RunIncompleteError,
    StepNotFoundError,
    WriteBlockedError,
)
from otel_agent_replay.testing import Answer, ScriptedProvider, ScriptedRequest

WORDS = ("one", "two", "three")


class CrashError(Exception):
    """What brings the agent down."""


class Shop:
    """An agent that asks, looks up, writes; and what really happened."""

    def __init__(self, client: OpenAI) -> None:
        self.client = client
        self.happened: list[str] = []
        self.crash_at: str | None = None
        self.look_up = tool(name="look_up")(self._look_up)
        self.pay = tool(name="pay", effect="write")(self._pay)
        self.part = step(name="part")(self._part)
        self.run = agent(name="shop", version="1")(self._run)

    def _look_up(self, word: str) -> str:
        if word == self.crash_at:
            raise CrashError(word)
        self.happened.append(f"look_up {word}")
        return word.upper()

    def _pay(self, amount: int) -> str:
        self.happened.append(f"pay {amount}")
        return f"paid {amount}"

    def _part(self, word: str) -> str:
        asked = self.client.chat.completions.create(
            model="gpt-4o",
            messages=[
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": word},
            ],
        )
        return f"{asked.choices[0].message.content} {self.look_up(word)}"

    def _run(self, words: list[str]) -> list[str]:
        state = {"amount": 10, "limits": {"depth": 1}}
        found = []
        for word in words:
            state = checkpoint(state)
            found.append(self.part(word))
            found.append(self.pay(state["amount"]))
        return found


@pytest.fixture
def provider():
    """A model that answers with what it was asked, and the prompt it was given."""

    def script(request: ScriptedRequest) -> Answer:
        system, user = (m["content"] for m in request.json["messages"])
        model = request.json["model"]
        return Answer(text=f"{system} {user} {model}")

    with ScriptedProvider(script=script) as opened:
        yield opened


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """Record into a new store."""
    url = f"sqlite:///{tmp_path}/runs.db"
    otel_agent_replay.configure(store=url)
    return url


@pytest.fixture
def shop(provider, store_url):
    """The agent, being recorded."""
    client = OpenAI(base_url=provider.base_url, api_key="any", max_retries=0)
    yield Shop(client)
    client.close()


def newest(url: str):
    """Return the newest run."""
    otel_agent_replay.flush()
    with open_store(url) as store:
        return store.load(store.runs()[0].run_id)


def kinds(run) -> list[str]:
    return [each.call.kind for each in run.steps]


LOOP = ["checkpoint", "step", "model", "tool", "tool"]


def test_resume_answers_what_finished_and_goes_on_live(shop, provider, store_url):
    """After a crash the finished steps are not run again, and the run becomes whole."""
    shop.crash_at = "two"
    with pytest.raises(CrashError):
        shop.run(list(WORDS))
    run = newest(store_url)
    assert run.status == "failed"
    assert kinds(run) == [*LOOP, "checkpoint", "step", "model", "tool"]
    asked = len(provider.requests)

    shop.crash_at = None
    with resume(run) as session:
        result = shop.run(list(WORDS))

    assert shop.happened == [
        "look_up one",
        "pay 10",
        "look_up two",
        "pay 10",
        "look_up three",
        "pay 10",
    ]
    assert len(provider.requests) == asked + 1
    assert session.report.ok
    whole = session.run
    assert whole.run_id == run.run_id
    assert whole.status == "success"
    assert whole.output == result
    assert [k for k in kinds(whole) if k == "tool"] == ["tool"] * 7
    assert whole.gaps == ()
    with replay(whole) as session:
        assert shop.run(list(WORDS)) == result
    assert session.report.ok


def test_resume_of_other_code_is_refused(shop, store_url):
    """Code that does not ask for the finished steps is stopped before it goes live."""
    shop.crash_at = "two"
    with pytest.raises(CrashError):
        shop.run(list(WORDS))
    run = newest(store_url)
    happened = list(shop.happened)

    with pytest.raises(DivergenceError, match="part"), resume(run):
        shop.run(["other", "words"])

    assert shop.happened == happened


def test_fork_with_a_changed_result(shop, store_url):
    """The fork step gives another result; what follows goes live, writes blocked."""
    shop.run(list(WORDS))
    run = newest(store_url)
    before = list(shop.happened)

    with pytest.raises(WriteBlockedError, match="pay"), fork(run, at=3, result="NEW"):
        shop.run(list(WORDS))
    assert shop.happened == before

    with fork(run, at=3, result="NEW", allow_writes=["pay"]) as session:
        result = shop.run(list(WORDS))
    assert result[0].endswith(" NEW")
    assert shop.happened == [
        *before,
        "pay 10",
        "look_up two",
        "pay 10",
        "look_up three",
        "pay 10",
    ]
    child = session.run
    assert child.run_id != run.run_id
    assert (child.parent.run_id, child.parent.relation, child.parent.step) == (
        run.run_id,
        "fork",
        3,
    )
    assert kinds(child) == kinds(run)
    found = compare(run, child)
    assert found.first_divergence == 1  # the step that holds the changed tool call
    assert found.answer
    with replay(child) as session:
        assert shop.run(list(WORDS)) == result


def test_fork_with_a_changed_state_model_and_prompt(shop, provider, store_url):
    """State, model and system prompt change after the fork step, not before."""
    shop.run(list(WORDS))
    run = newest(store_url)

    with fork(
        run,
        at=4,
        state={"amount": 99, "limits.depth": 2},
        model="gpt-4o-mini",
        system="Be long.",
        allow_writes=["pay"],
    ) as session:
        result = shop.run(list(WORDS))

    assert result == [
        "Be brief. one gpt-4o ONE",
        "paid 10",
        "Be long. two gpt-4o-mini TWO",
        "paid 99",
        "Be long. three gpt-4o-mini THREE",
        "paid 99",
    ]
    assert session.run.checkpoint(9).state == {"amount": 99, "limits": {"depth": 2}}
    assert len(session.report.served) == 4


def test_a_fork_with_a_changed_state_replays_by_itself(shop, store_url):
    """The changed state is part of the fork: its replay needs no change."""
    shop.run(list(WORDS))

    with fork(newest(store_url), at=4, state={"amount": 99}, allow_writes=["pay"]) as s:
        result = shop.run(list(WORDS))
    with replay(s.run) as session:
        assert shop.run(list(WORDS)) == result

    assert "paid 99" in result
    assert session.report.ok


def test_fork_with_a_changed_answer(shop, store_url):
    """The fork step's model says something else."""
    shop.run(["one"])
    run = newest(store_url)

    with fork(run, at=2, answer="Something else.", allow_writes=["pay"]) as session:
        result = shop.run(["one"])

    assert result[0] == "Something else. ONE"
    assert (
        session.run.steps[2].response.messages[0].parts[0]["content"]
        == "Something else."
    )


def test_a_change_that_does_not_fit_is_refused(shop, store_url):
    """Each with a clear message, before anything runs."""
    shop.run(["one"])
    run = newest(store_url)

    for arguments, error in [
        ({"at": 99}, StepNotFoundError),
        ({"at": 3, "answer": "x"}, ConfigurationError),
        ({"at": 2, "result": "x"}, ConfigurationError),
    ]:
        with pytest.raises(error), fork(run, **arguments):
            pytest.fail("must not run")
    changed = fork(run, at=0, state={"nowhere.deep": 1})
    with pytest.raises(ConfigurationError, match="nowhere"), changed:
        shop.run(["one"])


def test_a_state_change_that_never_applies_is_reported(shop, store_url):
    """A fork after the last checkpoint cannot change the state, and says so."""
    shop.run(["one"])
    run = newest(store_url)

    changed = fork(run, at=4, state={"amount": 1})
    with pytest.raises(DivergenceError, match="state"), changed:
        shop.run(["one"])


def test_a_run_with_a_gap_is_refused(shop, store_url):
    """Unless gaps are allowed."""
    shop.run(["one"])
    run = newest(store_url)
    gapped = dataclasses.replace(
        otel_agent_replay.loader.load(
            [s for s in run.spans if s.span_id != run.steps[3].span_id],
            run.run_id,
        ),
        source=run.source,
    )

    with pytest.raises(RunIncompleteError), replay(gapped):
        pytest.fail("must not run")


def test_missing_extra_and_changed_calls_are_told_apart(shop, provider, store_url):
    """Strict replay names what differs and sends nothing."""
    shop.run(["one", "two"])
    run = newest(store_url)
    asked, happened = len(provider.requests), list(shop.happened)

    with pytest.raises(DivergenceError) as missing, replay(run):
        shop.run(["one"])
    with pytest.raises(DivergenceError) as extra, replay(run):
        shop.run(["one", "two", "three"])
    with pytest.raises(DivergenceError) as changed, replay(run):
        shop.run(["one", "deux"])

    assert any("missing: part" in line for line in missing.value.differences)
    assert any("unexpected" in line for line in extra.value.differences)
    assert any(
        "'two'" in line and "'deux'" in line for line in changed.value.differences
    )
    assert (len(provider.requests), shop.happened) == (asked, happened)


def test_approvals_are_replayed_not_asked_again(store_url):
    """A person is asked once."""
    asked = []

    @agent
    def careful() -> bool:
        return approval("refund", ask=lambda: asked.append(1) or True, amount=40)

    assert careful() is True
    with replay(newest(store_url)) as session:
        assert careful() is True
    assert session.report.ok
    assert asked == [1]


def test_an_agent_that_swallows_everything_cannot_hide_a_divergence(shop, store_url):
    """Even `except BaseException` ends in a DivergenceError outside."""
    shop.run(["one"])
    run = newest(store_url)

    @agent(name="shop", version="1")
    def swallowing(words: list[str]) -> list[str]:
        try:
            return [shop.look_up("unknown")]
        except BaseException:  # noqa: BLE001
            return []

    with pytest.raises(DivergenceError), replay(run):
        swallowing(["one"])
