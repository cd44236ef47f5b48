"""A provider, a model's client, and recording beside an exporter of one's own."""

from __future__ import annotations

import pytest
from openai import OpenAI
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import otel_agent_replay
from otel_agent_replay import open_store
from otel_agent_replay.testing import (
    Answer,
    ScriptedProvider,
    ScriptedRequest,
)


@pytest.fixture
def provider(monkeypatch):
    """The application's provider."""
    made = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", made)
    return made


@pytest.fixture
def store_url(tmp_path):
    """The URL of an empty store."""
    return f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def recording(provider, store_url):
    """Record beside the application's provider."""
    otel_agent_replay.configure(store=store_url, agent_name="script")
    return provider


@pytest.fixture
def runs(store_url):
    """Return what gives all runs recorded so far, oldest first."""

    def load():
        assert otel_agent_replay.flush()
        with open_store(store_url) as store:
            return [store.load(each.run_id) for each in reversed(store.runs())]

    return load


@pytest.fixture
def model():
    """A model that answers everything, and a client of it."""

    def answer(request: ScriptedRequest) -> Answer:
        asked = request.json["messages"][-1]["content"]
        if asked == "fail once" and request.ordinal == 0:
            return Answer(status=500, headers={"retry-after-ms": "1"})
        return Answer(text=f"You said: {asked}, I believe.")

    with (
        ScriptedProvider(script=answer) as server,
        OpenAI(base_url=server.base_url, api_key="any", max_retries=1) as client,
    ):
        yield client
