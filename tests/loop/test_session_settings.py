"""A session goes by what `configure()` was told in code."""

from __future__ import annotations

import pytest
from openai import OpenAI

import otel_agent_replay
from otel_agent_replay import agent, open_store, replay, tool
from otel_agent_replay.testing import Answer, ScriptedProvider

MAIL = "ann@example.com"
TICKET = f"TICKET-4711 of {MAIL}"


@tool
def look_up(ticket: str) -> str:
    """Look something up."""
    return f"{ticket} is open"


@agent
def helper(ticket: str, base_url: str) -> str:
    """Ask a model about a ticket."""
    with OpenAI(base_url=base_url, api_key="any", max_retries=0) as client:
        found = look_up(ticket)
        answer = client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": found}]
        )
        return answer.choices[0].message.content


@pytest.fixture
def recorded(tmp_path):
    """Record a run under these settings; return it and the provider's old address."""
    url = f"sqlite:///{tmp_path}/runs.db"

    def record(**settings):
        otel_agent_replay.configure(store=url, **settings)
        with ScriptedProvider(answers=[Answer(text="Wait.")]) as provider:
            helper(TICKET, provider.base_url)
        otel_agent_replay.flush()
        with open_store(url) as store:
            (summary,) = store.runs()
            return store.load(summary.run_id), provider.base_url

    return record


def test_rules_given_in_code_hold_in_a_replay(recorded):
    """What a pattern of `configure()` redacts is redacted before it is looked up."""
    run, base_url = recorded(redact_patterns=(r"TICKET-\d+",))

    assert "4711" not in str(run.steps)
    with replay(run) as session:
        helper(TICKET, base_url)
    assert session.report.ok
    assert len(session.report.served) == 2
    assert session.run.policy == run.policy


def test_a_redacted_run_replays_where_redaction_is_off(recorded):
    """How a process records now says nothing about how a run was recorded."""
    run, base_url = recorded()
    otel_agent_replay.configure(redact="off", store="sqlite:///other.db")

    assert MAIL not in str(run.steps)
    with replay(run) as session:
        helper(TICKET, base_url)
    assert session.report.ok
    assert session.run.policy == run.policy
