"""Forty recorded agent runs, through the real openai SDK and back."""

from __future__ import annotations

import json
from collections import deque

import pytest
from openai import OpenAI

import otel_agent_replay
from otel_agent_replay import agent, open_store, replay, tool
from otel_agent_replay._setup.redaction import redactor_of_run
from otel_agent_replay.config import load_settings
from otel_agent_replay.testing import (
    CORPUS_ABSENT,
    Answer,
    ScriptedProvider,
    corpus_path,
    trajectories,
)

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(corpus_path() is None, reason=CORPUS_ABSENT),
]

WRITES = ("book_", "update_", "cancel_", "send_", "transfer_")


class ToolFailedError(Exception):
    """What a tool of the recorded agent raised."""


class Airline:
    """The recorded agent, with tools that give the recorded results."""

    def __init__(self, client: OpenAI) -> None:
        self.client = client
        self.results: dict[str, deque[str]] = {}
        self.tools = {}

    def tool(self, name: str):
        """Return the tool of this name; each is made once."""
        if name not in self.tools:

            def body(**arguments):
                text = self.results[name].popleft()
                if text.startswith("Error"):
                    raise ToolFailedError(text)
                return text

            effect = "write" if name.startswith(WRITES) else "read"
            self.tools[name] = tool(name=name, effect=effect)(body)
        return self.tools[name]

    def call(self, request) -> str:
        """Call the tool that the model asked for, and give what it shows the model."""
        try:
            run = self.tool(request.function.name)
            return run(**json.loads(request.function.arguments))
        except ToolFailedError as error:
            return str(error)

    def play(self, given: list[dict]) -> list[dict]:
        """Play a trajectory; what the user says comes from it, the rest is asked for."""
        history: list[dict] = []
        asked: deque = deque()
        for message in given:
            if message["role"] in {"system", "user"}:
                history.append({"role": message["role"], "content": message["content"]})
            elif message["role"] == "tool":
                request = asked.popleft()
                content = self.call(request)
                history.append(
                    {"role": "tool", "tool_call_id": request.id, "content": content},
                )
            else:
                history.append(self.ask(history, asked))
        return history

    def ask(self, history: list[dict], asked: deque) -> dict:
        """Ask the model."""
        answer = self.client.chat.completions.create(model="gpt-4o", messages=history)
        message = answer.choices[0].message
        asked.extend(message.tool_calls or [])
        return message.model_dump(exclude_none=True)


def shown(messages: list[dict]) -> list[tuple]:
    """Return what OpenAI messages say, in one form."""
    return [
        (
            message["role"],
            message.get("content") or None,
            message.get("tool_call_id"),
            tuple(
                (
                    call["id"],
                    call["function"]["name"],
                    loads(call["function"]["arguments"]),
                )
                for call in message.get("tool_calls") or ()
            ),
        )
        for message in messages
    ]


def loads(text: str) -> str:
    """Return JSON text in one form."""
    return json.dumps(json.loads(text), sort_keys=True)


def rebuilt(messages) -> list[tuple]:
    """Return what GenAI messages say, in the same form."""
    found = []
    for message in messages:
        texts = [p["content"] for p in message.parts if p["type"] == "text"]
        responses = [p for p in message.parts if p["type"] == "tool_call_response"]
        texts += [part["response"] for part in responses]
        found.append(
            (
                message.role,
                "".join(texts) or None,
                responses[0]["id"] if responses else None,
                tuple(
                    (
                        part["id"],
                        part["name"],
                        json.dumps(part["arguments"], sort_keys=True),
                    )
                    for part in message.parts
                    if part["type"] == "tool_call"
                ),
            ),
        )
    return found


def played(trajectory) -> list[dict]:
    """Return the messages up to the last answer: those a model was asked about."""
    messages = list(trajectory.messages)
    while messages and messages[-1]["role"] != "assistant":
        messages.pop()
    return messages


@pytest.fixture(params=["sqlite", "clickhouse"])
def store_url(request, tmp_path):
    """Each kind of store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/runs.db"
    return request.getfixturevalue("clickhouse_url")


def record(trajectory):
    """Play a trajectory with a model that gives the recorded answers."""
    messages = played(trajectory)
    script = [m for m in messages if m["role"] == "assistant"]
    answers = [Answer.from_message(message) for message in script]
    with ScriptedProvider(answers=answers) as provider:
        client = OpenAI(base_url=provider.base_url, api_key="any", max_retries=0)
        airline = Airline(client)
        for message in messages:
            if message["role"] == "tool":
                queue = airline.results.setdefault(message["name"], deque())
                queue.append(message["content"])
        play = agent(name="airline")(airline.play)
        play(messages)
    return messages, play, client


@pytest.mark.parametrize("redact", ["off", "default"])
def test_forty_trajectories_are_recorded_rebuilt_and_replayed(store_url, redact):
    """Every run comes back message by message, and replays with no divergence."""
    otel_agent_replay.configure(store=store_url, redact=redact)
    runs = [record(trajectory) for trajectory in trajectories()]
    assert otel_agent_replay.flush()

    with open_store(store_url) as store:
        ids = [each.run_id for each in reversed(store.runs(limit=100))]
        loaded = [store.load(run_id) for run_id in ids]
    otel_agent_replay.shutdown()

    assert len(loaded) == len(runs) == 40
    for run, (messages, play, client) in zip(loaded, runs, strict=True):
        assert run.gaps == ()
        redactor, _ = redactor_of_run(run, load_settings({"redact": redact}))
        expected = [redactor.value(message) for message in messages]
        # The last answer is in the run; what came before was in the request.
        checkpoint = run.checkpoint(len(run.steps) - 1)
        assert rebuilt(checkpoint.messages) == shown(expected)
        with replay(run) as session:
            play(expected)
        assert session.report.divergences == ()
        assert len(session.report.served) == len(run.steps)
        client.close()
