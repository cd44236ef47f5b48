"""`doctor --nondeterminism`: what differed first between runs of one input, and why."""

from __future__ import annotations

import json
import random
import time
import uuid

import pytest
from click.testing import CliRunner
from openai import OpenAI

import otel_agent_replay
from otel_agent_replay import agent, open_store, tool
from otel_agent_replay.cli.app import cli
from otel_agent_replay.replay.nondeterminism import nondeterminism_of
from otel_agent_replay.testing import Answer, ScriptedProvider
from tests.effects.agents import recorded


def _twice(code, *effects):
    return tuple(recorded(code, *effects)[1] for _ in range(2))


def _found(code, *effects):
    return nondeterminism_of(*_twice(code, *effects))


@tool
def look(what):
    return f"looked at {what}"


def test_equal_runs_are_alike():
    """Nothing differs, nothing is said."""
    found = _found(lambda: look("a"))
    assert found.first is None
    assert found.effect is None


def test_the_clock_is_named_with_the_read_it_came_from():
    """A recorded read whose value stands in a later call is what made that differ."""
    found = _found(lambda: look(f"now {time.time_ns()}"), "clock")
    assert found.first.source == "clock"
    assert (found.effect.source, found.effect.name) == ("clock", "look")
    assert found.effect.origin == 0
    assert found.effect.recorded


def test_randomness_is_named_with_the_draw_it_came_from():
    """Of two reads that differ, the one whose value went on is named."""

    def code():
        time.time()
        return look(str(uuid.uuid4()))

    found = _found(code, "clock", "random")
    assert found.first.source == "clock"
    assert (found.effect.source, found.effect.origin) == ("randomness", 1)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("clock", lambda: look(f"{time.time()}")),
        ("randomness", lambda: look(str(uuid.uuid4()))),
    ],
)
def test_what_was_not_recorded_is_told_by_its_look(source, code):
    """It says so, and what would record it."""
    found = _found(code)
    assert (found.first.source, found.first.recorded) == (source, False)
    assert found.effect == found.first


def test_a_model_that_answers_otherwise():
    """The same request with another answer is the model's doing, and what follows."""
    with ScriptedProvider(
        answers=[Answer(text="heads"), Answer(text="tails")]
    ) as provider:
        client = OpenAI(base_url=provider.base_url, api_key="k")

        def code():
            asked = client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "toss"}]
            )
            return look(asked.choices[0].message.content)

        found = _found(code)
        client.close()
    assert found.first.source == "model"
    assert (found.effect.source, found.effect.origin) == ("model", 0)
    assert found.counts["model"] == 1


def test_a_tool_that_answers_otherwise():
    """The same arguments with another result are the tool's doing."""

    @tool
    def price(item):
        return random.random()

    found = _found(lambda: price("tea"))
    assert found.first.source == "tool"
    assert found.effect is None


def test_other_calls_with_nothing_on_record_are_the_codes():
    """A call that only one run has, after nothing that differed."""
    words = iter(["one", "two"])

    def code():
        look("always")
        if next(words) == "two":
            look("sometimes")

    found = _found(code)
    assert (found.first.source, found.first.b) == ("code", 1)
    assert found.first.a is None


def test_another_input_is_no_nondeterminism():
    """Runs of different inputs are told to be that, before anything else."""
    otel_agent_replay.configure()
    ask = agent(name="asker")(lambda word: look(word))
    ask("a")
    ask("b")
    with open_store() as store:
        runs = [store.load(each.run_id) for each in store.runs()]
    assert nondeterminism_of(*runs).first.source == "input"


def test_the_command_says_it():
    """As a page and as JSON, with what would record it."""
    a, b = _twice(lambda: look(str(uuid.uuid4())))
    asked = ["doctor", "--nondeterminism", a.run_id, b.run_id]
    page = CliRunner().invoke(cli, asked)
    assert page.exit_code == 0, page.output
    assert "differ by randomness" in page.output
    assert "--effects random" in page.output
    told = CliRunner().invoke(cli, [*asked, "--json"])
    (pair,) = json.loads(told.output)
    assert (pair["a"], pair["b"], pair["same"]) == (a.run_id, b.run_id, False)
    assert pair["first"]["source"] == "randomness"
    assert CliRunner().invoke(cli, [*asked[:2], a.run_id]).exit_code == 2
