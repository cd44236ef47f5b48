"""Answers made by hand, as a fork or another instrumentation makes them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agent_replay.instrument.providers.registry import CODECS
from otel_agent_replay.model.messages import Message, ModelResponse, Usage

CHATTING = [
    codec
    for codec in CODECS
    if "embeddings" not in codec.api and "completions" not in codec.api
]
codecs = pytest.mark.parametrize("codec", CHATTING, ids=lambda codec: codec.api)

texts = st.text(min_size=1)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=5,
)
arguments = st.dictionaries(st.text(), values, max_size=3)
calls = st.builds(
    lambda number, name, given: {
        "type": "tool_call",
        "id": f"call_{number}",
        "name": name,
        "arguments": given,
    },
    st.integers(0, 999),
    st.text("abc_", min_size=1),
    arguments,
)


@st.composite
def answers(draw):
    """An answer that thinks, speaks and calls, in this order."""
    thought = draw(st.none() | texts)
    said = draw(st.none() | texts)
    parts = []
    if thought:
        parts.append({"type": "reasoning", "content": thought})
    if said:
        parts.append({"type": "text", "content": said})
    parts += draw(st.lists(calls, max_size=3))
    if not parts:
        parts = [{"type": "text", "content": draw(texts)}]
    reading, plain, thinking, out = (draw(st.integers(0, 10**6)) for _ in range(4))
    called = any(part["type"] == "tool_call" for part in parts)
    return ModelResponse(
        id=draw(st.text("abc123", min_size=1)),
        model=draw(st.text("abc123-", min_size=1)),
        messages=(
            Message(
                role="assistant",
                parts=tuple(parts),
                finish_reason="tool_call" if called else "stop",
            ),
        ),
        usage=Usage(
            input_tokens=reading + plain,
            output_tokens=thinking + out,
            cache_read_input_tokens=reading,
            reasoning_output_tokens=thinking,
        ),
    )


def plain(response):
    """What an answer says, without what only this API's wire adds."""
    said = [
        {key: part.get(key) for key in ("type", "content", "id", "name", "arguments")}
        for message in response.messages
        for part in message.parts
    ]
    reasons = [message.finish_reason for message in response.messages]
    return response.id, response.model, said, reasons, response.usage, response.complete


@codecs
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@settings(max_examples=25, deadline=None)
@given(answer=answers())
def test_what_was_said_is_said_again(codec, stream, answer):
    """Any answer reads back with its parts, ids, arguments, reason and usage."""
    body = codec.render_response(answer, stream=stream)
    read = codec.response(b"".join(body.chunks), body.content_type)

    assert plain(read) == plain(answer)
    again = codec.render_response(read, stream=stream)
    assert codec.response(b"".join(again.chunks), again.content_type) == read


@codecs
@settings(max_examples=25, deadline=None)
@given(answer=answers(), source=st.sampled_from(CHATTING))
def test_an_answer_of_another_api_is_said_in_this_one(codec, source, answer):
    """An answer recorded from one API can be served as another's, for a new model."""
    first = source.render_response(answer, stream=False)
    recorded = source.response(first.chunks[0], first.content_type)
    body = codec.render_response(recorded, stream=True)
    read = codec.response(b"".join(body.chunks), body.content_type)

    assert plain(read) == plain(answer)


@codecs
@settings(max_examples=25, deadline=None)
@given(answer=answers(), cut=st.integers(1, 200))
def test_a_body_may_arrive_in_any_pieces(codec, answer, cut):
    """Where the network cuts a stream does not matter to what is read."""
    body = b"".join(codec.render_response(answer, stream=True).chunks)
    pieces = [body[at : at + cut] for at in range(0, len(body), cut)]

    assert plain(codec.response(b"".join(pieces), None)) == plain(answer)


@codecs
def test_an_error_half_way_keeps_what_came_before_it(codec):
    """A stream that fails after some text is written and read with both."""
    parts = ({"type": "text", "content": "Hel"},)
    message = Message(role="assistant", parts=parts)
    failed = ModelResponse(
        id="i",
        model="m",
        messages=(message,),
        error={"type": "overloaded_error", "message": "later"},
        complete=False,
    )
    body = codec.render_response(failed, stream=True)
    read = codec.response(b"".join(body.chunks), body.content_type)

    assert read.error == failed.error
    assert [part["content"] for part in read.messages[0].parts] == ["Hel"]
    # Gemini's error is its last word: nothing more is to come.
    assert read.complete is ("gemini" in codec.api)


@codecs
def test_lone_surrogates_are_written(codec):
    """JSON may hold half a character; it is written as JSON writes it."""
    parts = ({"type": "text", "content": "\ud800"},)
    answer = ModelResponse(
        id="i", model="m", messages=(Message(role="assistant", parts=parts),)
    )
    for stream in (False, True):
        body = codec.render_response(answer, stream=stream)
        read = codec.response(b"".join(body.chunks), body.content_type)
        assert read.messages[0].parts[0]["content"] == "\ud800"


@codecs
def test_an_unknown_usage_stays_unknown_where_the_wire_allows_it(codec):
    """Only Anthropic has no way not to know; there it is 0."""
    parts = ({"type": "text", "content": "x"},)
    answer = ModelResponse(
        id="i", model="m", messages=(Message(role="assistant", parts=parts),)
    )
    anthropic = Usage(input_tokens=0, output_tokens=0)
    expected = anthropic if "anthropic" in codec.api else Usage()
    for stream in (False, True):
        body = codec.render_response(answer, stream=stream)
        read = codec.response(b"".join(body.chunks), body.content_type)
        assert read.usage == expected


def test_a_changed_text_is_what_is_served():
    """A fork replaces a part of a recorded answer; all else of it stays."""
    for codec in CHATTING:
        parts = (
            {"type": "text", "content": "old"},
            {"type": "tool_call", "id": "c", "name": "f", "arguments": {}},
        )
        recorded = ModelResponse(
            id="i", model="m", messages=(Message(role="assistant", parts=parts),)
        )
        first = codec.render_response(recorded, stream=False)
        read = codec.response(first.chunks[0], first.content_type)
        text, call = read.messages[0].parts
        message = replace(read.messages[0], parts=({**text, "content": "new"}, call))
        changed = replace(read, messages=(message,))
        body = codec.render_response(changed, stream=True)

        assert codec.response(b"".join(body.chunks), body.content_type) == changed
