"""Attempts of real SDKs: recorded as such, and made again without their pauses."""

from __future__ import annotations

import time

import anthropic
import openai
import pytest

from otel_agent_replay.testing import Answer, ScriptedProvider
from tests.effects.agents import recorded, replayed

USER = [{"role": "user", "content": "Where is my refund?"}]
PAUSE = 0.03
WAIT = {"retry-after-ms": str(PAUSE * 1000)}
STORY = Answer(text="It is on its way.")


def _openai(provider, **settings):
    with openai.OpenAI(base_url=provider.base_url, api_key="k", **settings) as client:
        answer = client.chat.completions.create(model="gpt-4o", messages=USER)
        return answer.choices[0].message.content


def _anthropic(provider, **settings):
    with anthropic.Anthropic(base_url=provider.url, api_key="k", **settings) as client:
        answer = client.messages.create(
            model="claude-opus-4-6", max_tokens=10, messages=USER
        )
        return answer.content[0].text


@pytest.fixture
def pauses(monkeypatch):
    """The pauses that anybody makes, each made."""
    made: list[float] = []
    sleep = time.sleep

    def noted(seconds):
        made.append(seconds)
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", noted)
    return made


@pytest.mark.parametrize("status", [429, 500])
@pytest.mark.parametrize("ask", [_openai, _anthropic])
def test_a_refusal_is_an_attempt_and_is_not_waited_for_again(ask, status, pauses):
    """Recorded with the pause that the provider asks for, replayed without one."""
    refusal = Answer(status=status, text="Slow down", headers=WAIT)
    with ScriptedProvider(answers=[refusal, refusal, STORY]) as provider:
        said, run = recorded(lambda: ask(provider, max_retries=2))
        assert pauses.count(PAUSE) == 2
        pauses.clear()
        assert replayed(run, lambda: ask(provider, max_retries=2)) == said
        assert len(provider.requests) == 3
    assert PAUSE not in pauses
    assert [step.attempt for step in run.steps] == [0, 1, 2]
    statuses = [step.outcome.response.status for step in run.steps]
    assert statuses == [status, status, 200]


def test_streams_that_are_read_out_of_order():
    """Two streams read piece by piece in turns come back to those who asked."""
    answers = {"one": "alpha beta gamma delta", "two": "eins zwei drei vier"}

    def script(request):
        return Answer(text=answers[request.json["messages"][0]["content"]])

    def code(turns):
        with openai.OpenAI(base_url=provider.base_url, api_key="k") as client:
            streams = [
                client.chat.completions.create(
                    model="gpt-4o",
                    messages=[{"role": "user", "content": word}],
                    stream=True,
                )
                for word in answers
            ]
            said = ["", ""]
            for turn in [*turns, *[0] * 50, *[1] * 50]:
                for chunk in streams[turn]:
                    if chunk.choices:
                        said[turn] += chunk.choices[0].delta.content or ""
                    break
            return said

    with ScriptedProvider(script=script, piece_size=3) as provider:
        first, run = recorded(lambda: code([1, 0, 1, 1, 0]))
        assert first == list(answers.values())
        assert replayed(run, lambda: code([0, 0, 0, 1])) == first
