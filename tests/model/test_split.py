"""Texts are cut without loss, where JSON repeats."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agent_replay.model.split import SMALL, split

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
_BLANKS = st.lists(st.sampled_from(["", " ", "\n", "\t ", "\r\n"]), min_size=1)


@settings(deadline=None)
@given(st.text() | st.text(alphabet='[]{}",:\\ 1a\n', max_size=80))
def test_any_text_is_joined_back(text):
    """The pieces of any text, JSON or nearly so, join to the text."""
    assert "".join(split(text)) == text


@settings(deadline=None)
@given(_JSON, _BLANKS, st.integers(0, 30))
def test_json_with_odd_blanks_is_joined_back(value, blanks, cut):
    """White space, escapes and a cut end change nothing."""
    separators = (f"{blanks[0]},{blanks[-1]}", f"{blanks[-1]}:{blanks[0]}")
    text = json.dumps(value, separators=separators, ensure_ascii=cut % 2 == 0)
    text = blanks[0] + text + blanks[-1]
    for part in (text, text[: len(text) - cut], text * 2):
        assert "".join(split(part)) == part


def test_messages_of_a_body_are_pieces():
    """Every big message and tool definition of a request stands alone."""
    messages = [{"role": "user", "content": f"{n} " * SMALL} for n in range(3)]
    tools = [{"name": f"tool {n}", "description": "d" * SMALL} for n in range(2)]
    body = {"model": "m", "messages": messages, "n": 1, "tools": tools, "x": True}
    pieces = split(json.dumps(body, indent=1))

    for part in (*messages, *tools):
        name = json.dumps(part.get("name") or part["content"])
        assert sum(name in piece for piece in pieces) == 1
    assert len([piece for piece in pieces if len(piece) >= SMALL]) == 5


def test_a_growing_list_keeps_its_pieces():
    """What a list held before it grew is cut the same way afterwards."""
    items = [{"n": n, "text": "word " * (n * 7 % 60)} for n in range(200)]
    before, after = (
        split(json.dumps({"a": 1, "state": {"messages": items[:end]}, "z": 2}))
        for end in (150, 200)
    )

    assert before[:-1] == after[: len(before) - 1]


def test_a_big_member_stands_alone():
    """A long string or object in an object is a piece of its own."""
    body = {
        "a": 1,
        "instructions": "be kind " * 40,
        "input": "hi",
        "b": {"c": "d" * 200},
    }

    assert json.dumps(body["instructions"]) in split(json.dumps(body))
    assert len(split(json.dumps(body))) == 5


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 5_000,
        "[" + "9" * 5_000 + "]",
        "[" + ",".join(["1"] * 60_000) + "]",
        '[1,2,"unfinished',
        "x" * 1_000_000,
    ],
    ids=["deep", "deep objects", "long number", "many", "cut", "plain"],
)
def test_hostile_texts_are_kept(text):
    """Nesting, numbers and lists beyond any sense are stored like other text."""
    assert "".join(split(text)) == text


def test_a_list_of_numbers_is_not_cut_small():
    """An embedding does not become a thousand pieces."""
    text = json.dumps([n / 1537 for n in range(1536)])

    assert len(split(text)) < len(text) / 400
