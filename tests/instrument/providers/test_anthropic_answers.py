"""Messages: usage, how answers end, and streams of them."""

from __future__ import annotations

import json

from otel_agent_replay.model.messages import Message, ModelResponse, Usage
from tests.instrument.providers.anthropic_messages import CODEC, answer, block


def test_input_tokens_include_the_cache():
    """The wire's input leaves the cache out, the convention's has it in."""
    wire = {
        "input_tokens": 10,
        "output_tokens": 5,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 30,
        "cache_creation": {
            "ephemeral_1h_input_tokens": 30,
            "ephemeral_5m_input_tokens": 0,
        },
        "service_tier": "standard",
    }
    read = answer({"type": "text", "text": "x"}, usage=wire)

    assert read.usage == Usage(
        input_tokens=140,
        output_tokens=5,
        cache_read_input_tokens=100,
        cache_write_input_tokens=30,
    )
    assert read.extra["usage"] == {
        "cache_creation": {"ephemeral_1h_input_tokens": 30},
        "service_tier": "standard",
    }
    written = json.loads(CODEC.render_response(read, stream=False).chunks[0])["usage"]
    assert written["input_tokens"] == 10


def test_how_an_answer_ended():
    """The stop reason is kept, and the sequence that stopped it."""
    read = answer(
        stop_reason="stop_sequence", stop_sequence="END", container={"id": "c"}
    )

    assert read.finish_reasons == ("stop_sequence",)
    assert read.messages[0].finish_reason == "stop"
    assert read.messages[0].extra == {"stop_sequence": "END", "container": {"id": "c"}}
    for stream in (False, True):
        body = CODEC.render_response(read, stream=stream)
        assert CODEC.response(b"".join(body.chunks), None) == read


def events(*values):
    return "".join(
        f"event: {v['type']}\ndata: {json.dumps(v)}\n\n" for v in values
    ).encode()


START = {
    "type": "message_start",
    "message": {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "c",
        "content": [],
        "usage": {"input_tokens": 9, "output_tokens": 1},
    },
}


def test_streams_are_put_together():
    """Text, thinking with its signature, citations and arguments are joined."""
    read = CODEC.response(
        events(
            START,
            {"type": "ping"},
            *block(
                0,
                {"type": "thinking", "thinking": "", "signature": ""},
                {"type": "thinking_delta", "thinking": "h"},
                {"type": "thinking_delta", "thinking": "m"},
                {"type": "signature_delta", "signature": "SIG"},
            ),
            *block(
                1,
                {"type": "text", "text": ""},
                {"type": "text_delta", "text": "Hi"},
                {"type": "citations_delta", "citation": {"url": "u"}},
            ),
            *block(
                2,
                {"type": "tool_use", "id": "t", "name": "f", "input": {}},
                {"type": "input_json_delta", "partial_json": '{"a"'},
                {"type": "input_json_delta", "partial_json": ": 1}"},
            ),
            *block(3, {"type": "tool_use", "id": "u", "name": "g", "input": {}}),
            {
                "type": "message_delta",
                "delta": {"stop_reason": "tool_use"},
                "usage": {"output_tokens": 7},
            },
            {"type": "message_stop"},
        ),
        "text/event-stream",
    )

    assert read == ModelResponse(
        id="m",
        model="c",
        messages=(
            Message(
                role="assistant",
                parts=(
                    {"type": "reasoning", "content": "hm", "signature": "SIG"},
                    {"type": "text", "content": "Hi", "citations": [{"url": "u"}]},
                    {
                        "type": "tool_call",
                        "id": "t",
                        "name": "f",
                        "arguments": {"a": 1},
                    },
                    {"type": "tool_call", "id": "u", "name": "g", "arguments": {}},
                ),
                finish_reason="tool_call",
            ),
        ),
        finish_reasons=("tool_use",),
        usage=Usage(input_tokens=9, output_tokens=7),
    )


def test_a_broken_off_stream_keeps_arguments_as_text():
    """Half a JSON text stays text; how much was said in all is not known."""
    start = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    body = events(
        START,
        *block(0, start, {"type": "input_json_delta", "partial_json": '{"a"'})[:2],
    )
    read = CODEC.response(body, None)

    assert read.messages[0].parts[0]["arguments"] == '{"a"'
    assert read.usage == Usage(input_tokens=9)
    assert not read.complete


def test_arguments_of_another_api_become_an_object():
    """Arguments recorded as text are written as the object that they are."""
    part = {"type": "tool_call", "id": "t", "name": "f", "arguments": '{"a": 1}'}
    response = ModelResponse(messages=(Message(role="assistant", parts=(part,)),))
    written = json.loads(CODEC.render_response(response, stream=False).chunks[0])

    assert written["content"][0]["input"] == {"a": 1}
    assert written["stop_reason"] == "tool_use"
