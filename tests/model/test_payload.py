"""JSON texts and values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agent_replay.model.payload import canonical_json, dump_json, parse_json


@given(st.integers() | st.lists(st.integers(-(2**80), 2**80), max_size=3))
def test_integers_of_any_size_survive(value):
    """No integer becomes a float, whatever its number of digits."""
    assert parse_json(dump_json(value)) == value
    assert parse_json(dump_json(value).encode()) == value


@pytest.mark.parametrize("text", ["", "{", "1234567890123456789012{", b"\xff", b"[1,"])
def test_what_is_no_json_is_a_value_error(text):
    """Texts with long numbers fail as all others do."""
    with pytest.raises(ValueError, match=r".+"):
        parse_json(text)


def test_equal_values_have_one_canonical_text():
    """Key order and the way a number is written make no difference."""
    assert canonical_json({"b": 1.0, "a": [2]}) == canonical_json({"a": [2.0], "b": 1})
