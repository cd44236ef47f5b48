"""What a difference looks like: code, tool, model, redaction, clock, randomness."""

from __future__ import annotations

import pytest

from otel_agent_replay.model.divergence import (
    Divergence,
    FieldDifference,
    differences,
)
from otel_agent_replay.replay.causes import cause_of, follows

SECRET = "redacted-secret-0123456789abcdef"
EMAIL = "user-0123456789abcdef@redacted.invalid"
OTHER_EMAIL = "user-fedcba9876543210@redacted.invalid"


def changed(then, now) -> Divergence:
    return Divergence(kind="changed", name="f", fields=differences(then, now))


def in_content(text):
    result = {"type": "tool_result", "content": [{"text": text}]}
    return {"messages": [{"role": "user", "content": [result]}]}


def in_parts(number):
    part = {"functionResponse": {"response": {"result": number}}}
    return {"contents": [{"parts": [part]}]}


@pytest.mark.parametrize(
    ("then", "now", "cause"),
    [
        ("a", "b", "code"),
        ({"n": 1}, {"n": 2}, "code"),
        ({"n": 1}, {}, "code"),
        (None, "2026-01-02", "code"),
        (True, False, "code"),
        (EMAIL, OTHER_EMAIL, "redaction"),
        (f"to {EMAIL}, now", "to someone@example.com, now", "redaction"),
        (f"key {SECRET} of {EMAIL}", f"key {SECRET} of a@b.c", "redaction"),
        (f"to {EMAIL}, now", f"to {EMAIL}, later", "code"),
        (f"to {EMAIL}", f"from {OTHER_EMAIL}", "code"),
        ("It is 2026-01-02T03:04:05Z", "It is 2026-02-03T04:05:06Z", "clock"),
        ("Today is Friday, 2 January 2026", "Today is Monday, 5 January 2026", "clock"),
        ("at 10:30", "at 9:05", "clock"),
        (1_767_323_045.5, 1_767_323_999.25, "clock"),
        (
            "6f1c3d0e-8a52-4f0b-9c9d-0a1b2c3d4e5f",
            "0b8f7a55-1111-4222-8333-944455556666",
            "randomness",
        ),
        (0.8444218515250481, 0.7579544029403025, "randomness"),
        ("seed 0.8444218515250481", "seed 0.7579544029403025", "randomness"),
        (1 << 40, 1 << 41, "randomness"),
        ("token a1b2c3d4e5f6a7b8", "token 0f1e2d3c4b5a6978", "randomness"),
        ("/x/y at 10:30", "/x/z at 9:05", "code"),
    ],
)
def test_a_cause_is_told_by_what_differs(then, now, cause):
    """Only where all that differs looks so."""
    assert cause_of(changed(then, now)) == cause
    both = changed({"a": then, "b": "one"}, {"a": now, "b": "two"})
    assert cause_of(both) == "code"


@pytest.mark.parametrize(
    ("then", "now"),
    [
        (
            {"messages": [{"role": "tool", "content": "5 days"}]},
            {"messages": [{"role": "tool", "content": "6 days"}]},
        ),
        (
            {"input": [{"type": "function_call_output", "output": "5"}]},
            {"input": [{"type": "function_call_output", "output": "6"}]},
        ),
        (in_content("5"), in_content("6")),
        (in_parts(5), in_parts(6)),
        ({"messages": []}, {"messages": [{"role": "tool", "content": "5"}]}),
    ],
)
def test_a_result_that_a_model_is_told_is_the_tools(then, now):
    """Its code gave something else."""
    assert cause_of(changed(then, now), now) == "tool"


def test_other_messages_are_the_codes():
    """Unless a model or a tool had gone live and answered otherwise."""
    then = {"messages": [{"role": "user", "content": "a"}]}
    now = {"messages": [{"role": "user", "content": "b"}]}

    assert cause_of(changed(then, now), now) == "code"
    assert cause_of(changed(then, now), now, ["model", "tool"]) == "model"
    assert cause_of(changed(then, now), now, ["tool", "model"]) == "tool"
    assert cause_of(Divergence(kind="missing", name="f"), None, ["http"]) == "tool"


def test_what_had_come_up_before_follows():
    """The same change of a value, wherever it stands."""
    first = changed({"state": 1}, {"state": 2})

    assert follows(changed({"n": [1]}, {"n": [2]}), [first])
    assert not follows(changed({"n": [1]}, {"n": [3]}), [first])
    assert not follows(changed({"n": 1, "m": 1}, {"n": 2, "m": 5}), [first])
    assert not follows(Divergence(kind="unexpected", name="f"), [first])
    assert not follows(first, [])


def test_long_texts_with_many_pseudonyms_are_compared_quickly():
    """In time that grows with the text alone."""
    then = " ".join([EMAIL] * 5_000)
    now = " ".join([OTHER_EMAIL] * 4_999) + "!"

    field = FieldDifference(path="x", expected=then, actual=now)
    assert cause_of(Divergence(kind="changed", name="f", fields=(field,))) == "code"
