"""The corpus is read whole, can be served, and may be absent."""

from __future__ import annotations

import json
from collections import Counter

import httpx
import pytest

from otel_agent_replay.testing import (
    CORPUS_ABSENT,
    INDEX_HEADER,
    Answer,
    ScriptedProvider,
    WireServer,
    corpus_path,
    cut_sse_events,
    trajectories,
    wire_interactions,
)

needs_corpus = pytest.mark.skipif(corpus_path() is None, reason=CORPUS_ABSENT)


def write_wire(root, name: str, *interactions: dict) -> None:
    path = root / "wire" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"source": "s", "interactions": interactions}))


def test_an_absent_corpus_is_empty(monkeypatch, tmp_path):
    """Where the named folder is missing there is no path, no traffic, no run."""
    monkeypatch.setenv("AGENT_REPLAY_CORPUS", str(tmp_path / "missing"))

    assert corpus_path() is None
    assert list(wire_interactions()) == []
    assert list(trajectories()) == []


def test_interactions_are_typed_and_ordered(monkeypatch, tmp_path):
    """Bodies are bytes, from text or base64, and each says where it stands."""
    monkeypatch.setenv("AGENT_REPLAY_CORPUS", str(tmp_path))
    request = {"method": "post", "url": "http://h/p", "content_type": "", "body": "é"}
    response = {"status": 200, "content_type": "x/y", "body": {"base64": "AP8="}}
    write_wire(tmp_path, "b/1.json", {"request": request, "response": response})
    write_wire(tmp_path, "a/2.json", *[{"request": request, "response": response}] * 2)

    first, second, third = wire_interactions()

    assert [each.id for each in (first, second, third)] == ["a/2#0", "a/2#1", "b/1#0"]
    assert (first.request.method, first.request.body) == ("POST", "é".encode())
    assert (first.request.headers, first.target) == ((), "/p")
    assert first.response.headers == (("content-type", "x/y"),)
    assert (first.response.status, first.response.body) == (200, b"\x00\xff")


@needs_corpus
@pytest.mark.corpus
def test_every_interaction_of_the_corpus_can_be_served():
    """Each recorded answer comes back to the byte, whole and in events."""
    recorded = list(wire_interactions())
    with (
        WireServer(recorded) as whole,
        WireServer(recorded, cut=cut_sse_events, gzip=True) as streamed,
        httpx.Client() as client,
    ):
        for index, each in enumerate(recorded):
            for server in (whole, streamed):
                answer = client.request(
                    each.request.method,
                    server.url_of(index),
                    content=each.request.body,
                    headers={INDEX_HEADER: str(index)},
                )
                served = (answer.status_code, answer.content)

                assert served == (each.response.status, each.response.body), each.id

    assert len(recorded) > 0
    assert len({each.id for each in recorded}) == len(recorded)


@needs_corpus
@pytest.mark.corpus
def test_every_trajectory_can_be_scripted():
    """Assistant messages of the recorded runs come back as they were recorded."""
    runs = list(trajectories())
    messages = [m for run in runs for m in run.messages if m["role"] == "assistant"]
    answers = [Answer.from_message(message) for message in messages]

    with ScriptedProvider(answers=answers) as provider, httpx.Client() as client:
        url = f"{provider.base_url}/chat/completions"
        for message in messages:
            choice = client.post(url, json={}).json()["choices"][0]

            assert {key: choice["message"][key] for key in message} == message

    assert Counter(type(run.reward) for run in runs) == {float: len(runs)}
    assert len({(run.task_id, run.trial) for run in runs}) == len(runs) > 0
