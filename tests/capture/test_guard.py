"""A failure of ours never reaches the agent, and is seen."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor

from otel_agent_replay import agent, tool

PROGRAM = """
import os
import otel_agent_replay
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from otel_agent_replay import agent, tool


class Failing(SpanProcessor):
    def on_start(self, span, parent_context=None):
        if span.name == "execute_tool look":
            raise RuntimeError("the password is hunter2hunter2")


provider = TracerProvider()
provider.add_span_processor(Failing())
trace.set_tracer_provider(provider)
otel_agent_replay.configure(store=os.environ["STORE"])


@tool
def look(word):
    return word


@agent
def play():
    return [look("one"), look("two")]


print(play())
"""


class Failing(SpanProcessor):
    """Fails where a tool's span starts."""

    def on_start(self, span, parent_context=None) -> None:
        del parent_context
        if span.name == "execute_tool look":
            raise RuntimeError("broken")


@tool
def look(word: str) -> str:
    """Say it again."""
    return word


def test_in_tests_it_is_raised(recording):
    """Under pytest a failure of capture is an error, so that it is found."""
    trace.get_tracer_provider().add_span_processor(Failing())

    @agent
    def play():
        return look("one")

    with pytest.raises(RuntimeError, match="broken"):
        play()


def test_elsewhere_the_agent_goes_on(program, runs):
    """The agent gets its answers; the run says what it lost; the log quotes nothing."""
    done = program(PROGRAM)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "['one', 'two']\n"
    [run] = runs()
    assert run.dropped == {"capture": 2}
    assert "2 lost while recording: capture" in [gap.text for gap in run.gaps]
    assert done.stderr.count("Recording the start of a call failed") == 1
    assert "hunter2" not in done.stderr


TIME_LIMIT = PROGRAM.replace(
    'raise RuntimeError("the password is hunter2hunter2")',
    "signal.raise_signal(signal.SIGUSR1)",
).replace(
    "print(play())",
    """
def out_of_time(*_):
    raise TimeoutError("the task's time is over")


signal.signal(signal.SIGUSR1, out_of_time)
try:
    play()
except TimeoutError as error:
    print(error)
""",
)


def test_a_time_limit_that_ends_while_our_code_runs_is_the_agents(program, runs):
    """What a signal handler raises is no failure of ours, wherever it comes."""
    done = program(f"import signal\n{TIME_LIMIT}")

    assert done.returncode == 0, done.stderr
    assert done.stdout == "the task's time is over\n"
    [run] = runs()
    assert run.status == "failed"
