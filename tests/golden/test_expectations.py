"""What may be expected of a bad run, and what holds."""

from __future__ import annotations

import pytest

from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.model.call import Call, Outcome, RecordedException
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.golden_expectations import parse_expectation, unmet
from otel_agent_replay.replay.golden_view import GoldenRun


def tool(name: str) -> Call:
    return Call(kind="tool", name=name, inputs={"q": "a"})


def state(value) -> Call:
    return Call(kind="checkpoint", name="checkpoint", inputs={"state": value})


def run_of(*calls: Call, **fields) -> GoldenRun:
    steps = tuple(
        Step(index=index, span_id=str(index), call=call, outcome=Outcome(value=None))
        for index, call in enumerate(calls)
    )
    return GoldenRun(Run(run_id="r", trace_id="t", steps=steps, **fields))


RUN = run_of(
    tool("search_docs"),
    state({"retrieved": 5, "docs": [{"title": "Shoes"}], "done": False}),
    tool("search_docs"),
    tool("send.mail"),
    state({"retrieved": 6, "1": None}),
    outcome=Outcome(value="Not found: nothing\nsaid"),
)


@pytest.mark.parametrize(
    "text",
    [
        "calls(search_docs) <= 2",
        "calls(search_docs)=2",
        "calls(send.mail) == 1",
        "calls() = 3",
        "calls(never_called) < 1",
        "answer ~ ^Not found",
        "answer!~ 90 days",
        "answer != Found",
        "steps > 4",
        "tokens = 0",
        "status = success",
        "state.retrieved = 6",
        "state@3.retrieved=5",
        "state@1.docs[0].title = Shoes",
        "state@1.done = false",
        "state.1 = null",
        'state@1.docs = [ { "title":"Shoes" } ]',
        "state@1.retrieved = 5.0",
    ],
)
def test_what_holds(text):
    """Of counts, answers and states."""
    assert unmet([text], RUN) == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("calls(search_docs) < 2", "2"),
        ("answer = Not found", "Not found: nothing\nsaid"),
        ("answer ~ ^nothing$", "Not found: nothing\nsaid"),
        ("cost_usd <= 5", "no step with a known price"),
        ("state@0.retrieved = 5", "the agent told no state up to step 0"),
        ("state@99.retrieved = 5", "only 5 steps"),
        ("state.retrieved.deeper = 5", "no 'deeper' in 6"),
        ("state@1.docs[3] != null", "no 3 in"),
        ("state@1.done = 0", "false"),
        ("state@1.done < 5", "false"),
        ("state@1.retrieved = 5 apples", "5"),
        ("state@1.docs ~ Boots", '[{"title":"Shoes"}]'),
    ],
)
def test_what_does_not_hold(text, found):
    """It says what was found instead; what is not there meets nothing."""
    (one,) = unmet([text], RUN)

    assert one.text == text
    assert one.found.startswith(found)
    assert str(one) == f"expected {text}; found {one.found}"


def test_a_run_without_states_or_answer_meets_nothing_about_them():
    """Not even that they differ from something."""
    error = RecordedException(type_name="builtins:ValueError", message="dry")
    run = run_of(tool("a"), outcome=Outcome(error=error), status="failed")

    texts = ["answer != x", "answer !~ x", "state.a != 5", "state != 5"]

    assert [each.text for each in unmet(texts, run)] == texts
    assert unmet(["status = failed"], run) == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "answer",
        "answer like x",
        "calls(search_docs) <= few",
        "calls(a)~x",
        "steps ~ 3",
        "answer < Not found",
        "answer ~ (",
        "__import__('os') = 1",
        "state@x.y = 1",
        "state@1234567.y = 1",
        "calls(a)(b) = 1",
        "answer = " + "x" * 2000,
    ],
)
def test_what_is_no_expectation(text):
    """The message says what one looks like, or what is wrong."""
    with pytest.raises(ConfigurationError, match="expect"):
        parse_expectation(text)
