"""A rule that fails: the payload is gone, the run says so, nothing leaks."""

from __future__ import annotations

import logging

import pytest
from opentelemetry import trace

import otel_agent_replay
from otel_agent_replay import agent, tool
from otel_agent_replay.redact import Policy, Rule

SECRET = "the code word is herring"


def failing_on(word: str) -> Policy:
    """Return a policy with a rule that fails where a word stands, quoting it."""

    def rewrite(text: str) -> str:
        if word in text:
            raise RuntimeError(f"cannot do {text}")
        return text

    rule = Rule.function("failing", rewrite, version="1")
    return Policy.default().extended([rule])


@tool
def look(word: str) -> str:
    """Say it again."""
    return word


@agent(name="quiet")
def play(word: str) -> list[str]:
    """Look twice."""
    return [look("first"), look(word)]


@pytest.fixture
def everything_said(caplog):
    """Keep what our loggers say, down to the least of it."""
    caplog.set_level(logging.DEBUG)
    return caplog


def test_a_payload_is_dropped_and_counted(
    use_provider, store_url, tmp_path, run_of, everything_said
):
    """The agent goes on; steps and run say what is missing; the secret is nowhere."""
    use_provider()
    otel_agent_replay.configure(store=store_url, policy=failing_on("herring"))

    assert play(SECRET) == ["first", SECRET]

    run = run_of()
    assert [each.dropped for each in run.steps] == [None, "redaction"]
    assert run.dropped == {"redaction": 1}  # the run's own input and output
    assert {gap.step for gap in run.gaps} == {1, None}
    assert run.status == "success"
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("runs.db*"))
    assert b"herring" not in stored
    assert "herring" not in everything_said.text


def test_a_rule_that_always_fails_leaves_the_shape_of_a_run(
    use_provider, store_url, run_of
):
    """Ids, times and status are there; of all else nothing, names neither."""
    use_provider()
    otel_agent_replay.configure(store=store_url, policy=failing_on(""))

    play(SECRET)

    run = run_of()
    assert len(run.steps) == 2
    assert run.status == "success"
    assert {span.name for span in run.spans} == {"agent", "tool"}
    assert len(run.gaps) == 3


def test_a_foreign_span_that_cannot_be_redacted(use_provider, store_url, run_of):
    """Of it only the place in the tree is kept."""
    use_provider()
    otel_agent_replay.configure(store=store_url, policy=failing_on("herring"))

    @agent
    def run():
        tracer = trace.get_tracer("other")
        with tracer.start_as_current_span("open", attributes={"note": SECRET}):
            return look("inside")

    run()

    found = run_of()
    [foreign] = [span for span in found.spans if span.name == "span"]
    assert "herring" not in str(foreign)
    [inside] = found.steps
    assert inside.outcome.value == "inside"
    assert found.gaps == ()
