"""Objects that many requests share are read once."""

from __future__ import annotations

import hashlib

import pytest

from otel_agent_replay.model.content import content_key
from otel_agent_replay.model.payload import dump_json
from otel_agent_replay.model.shared import (
    Conversation,
    SharedObject,
    each_once,
    once_around,
)


def test_a_shared_object_is_read_once_by_each_function():
    """The same function gives the same object again, another one its own."""
    value = SharedObject({"role": "user"})

    (read,), (again,) = each_once(dict, [value]), each_once(dict, [value])
    assert read is again
    assert each_once(list, [value]) == (["role"],)


def test_what_is_empty_is_read_once_too():
    """A reading that is false is one."""
    value = SharedObject({})

    (read,), (again,) = each_once(dict, [value]), each_once(dict, [value])
    assert read is again


def test_what_is_not_shared_is_read_each_time():
    """An ordinary object may change, so nothing is remembered of it."""
    value = {"role": "user"}

    (read,), (again,) = each_once(dict, [value]), each_once(dict, [value])
    assert read == again == value
    assert read is not again


def test_a_shared_object_is_an_object():
    """It is written and compared as any other."""
    value = SharedObject({"role": "user", "parts": [1, None]})

    assert value == {"role": "user", "parts": [1, None]}
    assert dump_json(value) == '{"role":"user","parts":[1,null]}'


def test_what_stands_around_a_conversation_is_read_once():
    """Two bodies with other messages give the same reading, and stay apart."""
    around = SharedObject({"model": "gpt-4o"})
    one = Conversation(around, "messages", [{"role": "user"}])
    other = Conversation(around, "messages", [])

    assert once_around(dict, one, "messages") is once_around(dict, other, "messages")
    assert once_around(dict, one, "messages") == {"model": "gpt-4o"}
    assert one == {"model": "gpt-4o", "messages": [{"role": "user"}]}
    assert other == {"model": "gpt-4o", "messages": []}


def test_a_body_whose_conversation_has_another_name_is_read_whole():
    """What a codec does not take for the conversation says something."""
    body = Conversation(SharedObject({"messages": []}), "input", ["a"])

    assert once_around(dict, body, "messages") == {"messages": [], "input": ["a"]}


@pytest.mark.parametrize("size", [0, 1, 2047, 2048, 5000, 65535, 65536, 200_000])
def test_a_content_is_named_by_half_its_sha_256(size):
    """However long it is, and in whatever portions it is hashed."""
    text = ("é" + "x" * 6) * (size // 8) + "y" * (size % 8)

    assert len(text.encode()) == size
    assert content_key(text) == hashlib.sha256(text.encode()).digest()[:16]
