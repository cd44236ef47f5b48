"""Anything may come over the wire; reading it never raises."""

from __future__ import annotations

import json
import re
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agent_replay.errors import UnrenderableError
from otel_agent_replay.instrument.providers.registry import CODECS
from otel_agent_replay.instrument.providers.unknown import UnknownApi
from otel_agent_replay.model.messages import Message, ModelResponse

ALL = (*CODECS, UnknownApi())
URL = "https://host/v1/models/m:generateContent"
CHATTING = tuple(codec for codec in CODECS if "embeddings" not in codec.api)

# Words that the codecs look for, so that arbitrary JSON gets past the first key.
_WORDS = """arguments args audio cache_control call_id candidates choices citations
    citation content content_block content_block_delta content_block_start
    content_index contents data delta developer document encrypted_content error
    event file fileData file_id finishReason finish_reason function
    functionCall functionDeclarations function_call function_call_output functions
    generationConfig id image image_url index inlineData input input_audio
    input_json_delta input_schema input_text instructions item logprobs message
    message_delta message_start messages model name output output_index
    output_text parameters part partial_json parts previous_response_id prompt
    reasoning refusal response response.completed response.output_item.added
    response.output_text.delta role server_tool_use source status stop_reason
    stream summary system systemInstruction text thinking thinking_delta thought
    thread tool tool_call_id tool_calls tool_result tool_use tools type url usage
    usageMetadata user web_search_call web_search_tool_result"""
WORDS = st.sampled_from(re.split(r"\s+", _WORDS))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | WORDS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS | st.text(), inner, max_size=6)
    ),
    max_leaves=30,
)


@pytest.mark.parametrize("codec", ALL, ids=lambda codec: codec.api)
@settings(max_examples=50, deadline=None)
@given(value=JSON)
def test_arbitrary_json_is_read_without_an_error(codec, value):
    """Any JSON is a request and a response, and can be written where it is read."""
    body = json.dumps(value).encode()
    codec.request(body, URL)
    response = codec.response(body, "application/json")
    codec.render_request(body, model="m", system="s", parameters={"temperature": 1})
    for stream in (False, True):
        try:
            codec.render_response(response, stream=stream)
        except UnrenderableError:
            assert codec not in CHATTING


@pytest.mark.parametrize("codec", ALL, ids=lambda codec: codec.api)
@settings(max_examples=40, deadline=None)
@given(values=st.lists(JSON, max_size=6), cut=st.integers(0, 40))
def test_arbitrary_streams_are_read_without_an_error(codec, values, cut):
    """Any events, cut anywhere, make a response."""
    body = b"".join(f"data: {json.dumps(value)}\n\n".encode() for value in values)
    response = codec.response(body[: max(len(body) - cut, 0)], "text/event-stream")

    assert isinstance(response, ModelResponse)


@pytest.mark.parametrize("codec", ALL, ids=lambda codec: codec.api)
@given(body=st.binary(max_size=60))
def test_arbitrary_bytes_are_read_without_an_error(codec, body):
    """Bytes that are no text are no reason to raise."""
    codec.request(body, URL)
    codec.response(body, None)


@pytest.mark.parametrize("codec", ALL, ids=lambda codec: codec.api)
def test_json_nested_beyond_every_limit_is_read(codec):
    """Nesting deeper than the parsers go is unreadable, not fatal."""
    body = b'{"a":' * 200_000

    codec.request(body, URL)
    codec.response(body, None)
    codec.response(b"[" * 200_000, None)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.api)
def test_an_html_error_page_is_the_error(codec):
    """A proxy's page is kept as the error, as it is; the answer is not whole."""
    page = "<html><h1>502 Bad Gateway</h1></html>"
    response = codec.response(page.encode(), "text/html")

    assert (response.error, response.complete) == (page, False)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.api)
@pytest.mark.parametrize(
    ("body", "error"),
    [
        (
            {"error": {"code": "429", "message": "slow down"}},
            {"code": "429", "message": "slow down"},
        ),
        ({"detail": "Not Found"}, {"detail": "Not Found"}),
        ({"error": "model not found"}, "model not found"),
    ],
)
def test_an_error_body_is_the_error(codec, body, error):
    """An error object is taken out; a body with nothing of an answer is the error."""
    response = codec.response(json.dumps(body).encode(), "application/json")

    assert (response.error, response.messages) == (error, ())


@pytest.mark.parametrize("codec", CHATTING, ids=lambda codec: codec.api)
@pytest.mark.parametrize(
    "error", ["refused", {"type": "overloaded", "message": "later"}]
)
def test_an_error_is_written_as_the_apis_error(codec, error):
    """An error answer reads back equal, whether a stream was asked for or not."""
    for stream in (False, True):
        body = codec.render_response(ModelResponse(error=error), stream=stream)

        assert codec.response(b"".join(body.chunks), body.content_type).error == error


@pytest.mark.parametrize("codec", CHATTING, ids=lambda codec: codec.api)
def test_a_stream_that_breaks_off_says_so_and_keeps_what_came(codec):
    """Cut after any event, a stream is incomplete and its text is a prefix."""
    parts = ({"type": "text", "content": "Hello there"},)
    whole = ModelResponse(
        id="i", model="m", messages=(Message(role="assistant", parts=parts),)
    )
    chunks = codec.render_response(whole, stream=True).chunks
    assert codec.response(b"".join(chunks), None).complete

    for end in range(1, len(chunks) - 2):
        response = codec.response(b"".join(chunks[:end]), "text/event-stream")
        said = [part["content"] for each in response.messages for part in each.parts]

        assert not response.complete
        assert all("Hello there".startswith(each) for each in said)


@pytest.mark.parametrize("codec", CHATTING, ids=lambda codec: codec.api)
def test_a_broken_off_answer_is_written_broken_off(codec):
    """A stream that did not end is written as one that does not end."""
    parts = ({"type": "text", "content": "Hel"},)
    message = Message(role="assistant", parts=parts)
    cut = ModelResponse(id="i", model="m", messages=(message,), complete=False)
    body = codec.render_response(cut, stream=True)
    again = codec.response(b"".join(body.chunks), body.content_type)

    same = {field.name for field in fields(cut)} - {
        "status",
        "extra",
        "messages",
        "usage",
    }
    assert all(getattr(again, name) == getattr(cut, name) for name in same)
    assert [each.parts for each in again.messages] == [
        tuple({**part, **_item(again)} for part in parts),
    ]


def _item(response):
    """What Responses says about a message item."""
    part = response.messages[0].parts[0]
    return {
        key: part[key] for key in part if key in {"item", "logprobs", "annotations"}
    }


@pytest.mark.parametrize(
    ("api", "events"),
    [
        (
            "openai.chat",
            [{"choices": [{"delta": {"content": "a"}}]}, {"error": {"message": "x"}}],
        ),
        (
            "anthropic.messages",
            [
                {"type": "message_start", "message": {}},
                {"type": "error", "error": {"message": "x"}},
            ],
        ),
        ("openai.responses", [{"type": "error", "error": {"message": "x"}}]),
        ("gemini.generate_content", [{"error": {"message": "x"}}]),
    ],
)
def test_an_error_inside_a_stream_is_the_error(api, events):
    """A stream may fail half way with an event that says why."""
    codec = next(each for each in CODECS if each.api == api)
    body = b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events)

    assert codec.response(body, "text/event-stream").error == {"message": "x"}
