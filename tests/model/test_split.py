"""Texts cut where their parts repeat."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from otel_agent_replay.model.payload import dump_json
from otel_agent_replay.model.split import split


@given(st.text() | st.text(alphabet='[]{}",: a1\\'))
def test_the_pieces_joined_are_the_text(text):
    """Whatever the text is, nothing is lost or changed."""
    assert "".join(split(text)) == text


def test_a_growing_conversation_keeps_its_pieces():
    """A request that repeats the messages of the last one repeats its pieces."""
    messages = [{"role": "user", "content": f"{n} " + "x" * 300} for n in range(6)]
    short = split(dump_json({"model": "m", "messages": messages[:5]}))
    long = split(dump_json({"model": "m", "messages": messages}))

    assert len(set(short) & set(long)) >= 4
