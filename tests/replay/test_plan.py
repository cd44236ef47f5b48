"""What a replay, a resume and a fork share; how a fork changes a state."""

from __future__ import annotations

import pytest

from otel_agent_replay.errors import ConfigurationError, StepNotFoundError
from otel_agent_replay.model.call import Call, Outcome, RecordedException
from otel_agent_replay.model.payload import HttpRequest, HttpResponse
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.plan import Changes, changed_state, plan_of

FAILED = {"error": RecordedException(type_name="builtins:ValueError", message="no")}


def a_step(kind="tool", parent=None, *, at=None, superseded=False, **outcome):
    return {
        "call": Call(kind=kind, name=kind, inputs={}),
        "outcome": Outcome(**outcome),
        "parent": parent,
        "at": at,
        "superseded": superseded,
    }


def a_run(*steps, status="failed") -> Run:
    """Make a run; steps follow each other unless they say when they were."""
    built = []
    for number, fields in enumerate(steps):
        start, end = fields.pop("at") or (10 * number, 10 * number + 5)
        built.append(
            Step(
                index=number,
                span_id=f"{number:016x}",
                start_ns=start,
                end_ns=end,
                **fields,
            )
        )
    return Run(run_id="r", trace_id="t", status=status, steps=tuple(built))


def test_a_replay_shares_every_step_but_those_made_again():
    """What a resume made again never answers."""
    run = a_run(a_step(), a_step(superseded=True, **FAILED), a_step())

    assert plan_of(run, "replay").shared == {0, 2}


def test_a_fork_shares_what_came_before_and_the_step_itself():
    """It needs one, and that must be there."""
    run = a_run(a_step(), a_step(superseded=True), a_step(), a_step())

    assert plan_of(run, "fork", at=2).shared == {0, 2}
    with pytest.raises(ConfigurationError, match="a fork needs the step"):
        plan_of(run, "fork")
    for at in (-1, 4):
        with pytest.raises(StepNotFoundError):
            plan_of(run, "fork", at=at)
    with pytest.raises(ConfigurationError, match="made again by a resume"):
        plan_of(run, "fork", at=1)


REFUSED = {"response": HttpResponse(status=500)}


@pytest.mark.parametrize(
    ("steps", "shared"),
    [
        ([], []),
        ([a_step(), a_step()], [0, 1]),
        ([a_step(), a_step(**FAILED)], [0]),
        ([a_step(), a_step("model", **REFUSED)], [0]),
        ([a_step(), a_step("model", ended="abandoned")], [0]),
        # failures that the agent went on from
        ([a_step(**FAILED), a_step(), a_step(**FAILED)], [0, 1]),
        ([a_step(**FAILED), a_step(**FAILED)], []),
        # side by side
        ([a_step(at=(0, 9), **FAILED), a_step(at=(1, 5))], [1]),
        ([a_step(at=(0, 3), **FAILED), a_step(at=(5, 6))], [0, 1]),
        # what holds calls
        (
            [
                a_step("step", at=(0, 20), **FAILED),
                a_step(parent=0),
                a_step(parent=0, **FAILED),
            ],
            [0, 1],
        ),
        ([a_step("step", at=(0, 20), **FAILED), a_step(parent=0, **FAILED)], []),
        ([a_step("step", at=(0, 5), **FAILED), a_step("step")], [0, 1]),
        (
            [
                a_step("step", at=(0, 40), **FAILED),
                a_step("step", at=(1, 40), parent=0, **FAILED),
                a_step(at=(2, 3), parent=1),
                a_step(at=(4, 30), parent=1, **FAILED),
            ],
            [0, 1, 2],
        ),
        # what a call made again did
        (
            [
                a_step(),
                a_step(at=(15, 90), **FAILED),
                a_step("step", parent=1),
                a_step(parent=2),
            ],
            [0],
        ),
        # made again before
        ([a_step(), a_step(superseded=True, **FAILED), a_step(**FAILED)], [0]),
    ],
)
def test_a_resume_makes_the_failed_calls_at_the_end_again(steps, shared):
    """And answers all that had finished."""
    found = plan_of(a_run(*map(dict, steps)), "resume").shared

    assert sorted(found) == shared


def test_a_run_that_succeeded_is_shared_whole():
    """The agent had an answer to the failure at its end."""
    run = a_run(a_step(), a_step(**FAILED), status="success")

    assert plan_of(run, "resume").shared == {0, 1}


def test_who_may_write():
    """A resume of a run that ended in order; others by name, host or `*`."""
    ended, cut = a_run(a_step()), a_run(a_step(), status="interrupted")

    send = Call(kind="tool", name="send", effect="write")
    post = Call(
        kind="http",
        name="POST host/x",
        request=HttpRequest(method="POST", url="https://host:8443/x"),
        effect="write",
    )

    assert plan_of(ended, "resume").may_write(send)
    assert not plan_of(cut, "resume").may_write(send)
    allowed = plan_of(cut, "resume", allow_writes=frozenset({"send", "host"}))
    assert allowed.may_write(send)
    assert allowed.may_write(post)
    assert not allowed.may_write(Call(kind="tool", name="pay", effect="write"))
    assert plan_of(ended, "fork", at=0, allow_writes=frozenset("*")).may_write(post)
    assert not plan_of(ended, "replay").may_write(send)


def test_who_may_go_live():
    """What is named, by kind, host or name."""
    plan = plan_of(a_run(a_step()), "replay", live=frozenset({"model", "send"}))

    assert plan.may_go_live(Call(kind="model", name="POST host/v1"))
    assert plan.may_go_live(Call(kind="tool", name="send"))
    assert not plan.may_go_live(Call(kind="tool", name="look_up"))


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("tool", {"answer": "x"}, "step 0 is a tool, no model call"),
        ("model", {"result": 1}, "step 0 is a model; a result can be given for a tool"),
        ("step", {"result": 1}, "step 0 is a step"),
        ("checkpoint", {"result": 1}, "`state` for a checkpoint"),
        ("http", {"result": None}, "step 0 is a http"),
    ],
)
def test_changes_that_do_not_fit_the_step_are_refused(kind, changes, said):
    """With what the step is, and what to use."""
    with pytest.raises(ConfigurationError, match=said):
        plan_of(a_run(a_step(kind)), "fork", at=0, changes=Changes(**changes))


@pytest.mark.parametrize("kind", ["tool", "retrieval", "memory", "approval"])
def test_none_is_a_result(kind):
    """Of whatever returns one."""
    plan = plan_of(a_run(a_step(kind)), "fork", at=0, changes=Changes(result=None))

    assert plan.changes.result is None


OBJECT = {"$type": "object", "class": "m:C", "value": {"depth": 1}}


@pytest.mark.parametrize(
    ("state", "changes", "expected"),
    [
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": {"b": 1, "c": 3}}, {"a.b": None}, {"a": {"b": None, "c": 3}}),
        ({"a": [1, {"b": 2}]}, {"a.1.b": 3, "a.0": 0}, {"a": [0, {"b": 3}]}),
        (OBJECT, {"depth": 2}, {**OBJECT, "value": {"depth": 2}}),
        ({"o": OBJECT}, {"o.depth": 2}, {"o": {**OBJECT, "value": {"depth": 2}}}),
        ([1, 2], {"1": 5}, [1, 5]),
    ],
    ids=str,
)
def test_a_state_is_changed_at_its_paths(state, changes, expected):
    """Through fields and lists; the given one stays as it is."""
    before = repr(state)

    assert changed_state(state, changes) == expected
    assert repr(state) == before


@pytest.mark.parametrize(
    ("state", "path"),
    [
        ({"a": 1}, "b.c"),
        ({"a": 1}, "a.b"),
        ([1], "1"),
        ([1], "x"),
        (None, "a"),
        ({"a": [1]}, "a.-1"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(state, path):
    """It is named."""
    with pytest.raises(ConfigurationError, match=f"state.{path}"):
        changed_state(state, {path: 1})
