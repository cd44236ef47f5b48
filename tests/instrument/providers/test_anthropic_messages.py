"""Messages: requests and blocks of every form."""

from __future__ import annotations

import json

import pytest

from otel_agent_replay import semconv
from otel_agent_replay.model.messages import Message
from tests.instrument.providers.anthropic_messages import CODEC, answer

URL = "https://api.anthropic.com/v1/messages"


def request(**wire):
    return CODEC.request(json.dumps(wire).encode(), URL)


BLOCKS = [
    (
        {
            "type": "text",
            "text": "Hi",
            "citations": [{"type": "char_location", "cited_text": "x"}],
        },
        {
            "type": "text",
            "content": "Hi",
            "citations": [{"type": "char_location", "cited_text": "x"}],
        },
    ),
    (
        {"type": "thinking", "thinking": "hm", "signature": "SIG"},
        {"type": "reasoning", "content": "hm", "signature": "SIG"},
    ),
    (
        {"type": "redacted_thinking", "data": "ENC"},
        {"type": "reasoning", "content": "", "encrypted_content": "ENC"},
    ),
    (
        {
            "type": "tool_use",
            "id": "t1",
            "name": "f",
            "input": {"a": 1},
            "caller": {"type": "direct"},
        },
        {
            "type": "tool_call",
            "id": "t1",
            "name": "f",
            "arguments": {"a": 1},
            "caller": {"type": "direct"},
        },
    ),
    (
        {
            "type": "server_tool_use",
            "id": "s1",
            "name": "web_search",
            "input": {"query": "q"},
        },
        {
            "type": "server_tool_call",
            "id": "s1",
            "name": "web_search",
            "server_tool_call": {
                "type": "server_tool_use",
                "name": "web_search",
                "input": {"query": "q"},
            },
        },
    ),
    (
        {
            "type": "mcp_tool_use",
            "id": "m1",
            "name": "look",
            "server_name": "s",
            "input": {},
        },
        {
            "type": "server_tool_call",
            "id": "m1",
            "name": "look",
            "server_tool_call": {
                "type": "mcp_tool_use",
                "name": "look",
                "server_name": "s",
                "input": {},
            },
        },
    ),
    (
        {
            "type": "web_search_tool_result",
            "tool_use_id": "s1",
            "content": [
                {
                    "type": "web_search_result",
                    "url": "https://h",
                    "encrypted_content": "ENC",
                }
            ],
        },
        {
            "type": "server_tool_call_response",
            "id": "s1",
            "server_tool_call_response": {
                "type": "web_search_tool_result",
                "content": [
                    {
                        "type": "web_search_result",
                        "url": "https://h",
                        "encrypted_content": "ENC",
                    }
                ],
            },
        },
    ),
    (
        {"type": "container_upload", "file_id": "f1"},
        {"type": "container_upload", "file_id": "f1"},
    ),
]


@pytest.mark.parametrize(
    ("block", "part"), BLOCKS, ids=[block["type"] for block, _ in BLOCKS]
)
def test_answer_blocks_are_parts_and_are_written_back(block, part):
    """Each block has its form, in answers and when sent back; writing restores it."""
    read = answer(block)
    sent = request(messages=[{"role": "assistant", "content": [block]}])

    assert read.messages[0].parts == (part,)
    assert sent.messages[0].parts == (part,)
    written = json.loads(CODEC.render_response(read, stream=False).chunks[0])
    assert written["content"] == [block]
    streamed = CODEC.render_response(read, stream=True)
    assert CODEC.response(b"".join(streamed.chunks), None) == read


INPUTS = [
    (
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
        },
        {
            "type": "blob",
            "modality": "image",
            "mime_type": "image/png",
            "content": "AAAA",
        },
    ),
    (
        {
            "type": "image",
            "source": {"type": "url", "url": "https://h/a.png"},
            "cache_control": {"type": "ephemeral"},
        },
        {
            "type": "uri",
            "modality": "image",
            "uri": "https://h/a.png",
            "cache_control": {"type": "ephemeral"},
        },
    ),
    (
        {"type": "document", "source": {"type": "file", "file_id": "f1"}, "title": "T"},
        {"type": "file", "modality": "document", "file_id": "f1", "title": "T"},
    ),
    (
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "AA"},
        },
        {
            "type": "blob",
            "modality": "document",
            "mime_type": "application/pdf",
            "content": "AA",
        },
    ),
    (
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "words"},
        },
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "words"},
        },
    ),
    (
        {
            "type": "tool_result",
            "tool_use_id": "t1",
            "content": [{"type": "text", "text": "x"}],
            "is_error": True,
        },
        {
            "type": "tool_call_response",
            "id": "t1",
            "response": [{"type": "text", "text": "x"}],
            "is_error": True,
        },
    ),
]


@pytest.mark.parametrize(("block", "part"), INPUTS)
def test_input_blocks_are_parts(block, part):
    """Images, documents and tool results keep everything they say."""
    read = request(messages=[{"role": "user", "content": [block]}])

    assert read.messages == (Message(role="user", parts=(part,)),)


def test_requests():
    """System, tools, parameters, model and stream are read."""
    read = request(
        model="claude",
        system=[
            {"type": "text", "text": "rules", "cache_control": {"type": "ephemeral"}}
        ],
        messages=[{"role": "user", "content": "hi"}],
        max_tokens=10,
        top_k=3,
        stop_sequences=["END"],
        thinking={"type": "enabled", "budget_tokens": 5},
        output_config={"effort": "high", "format": {"type": "json_schema"}},
        stream=True,
        tools=[
            {
                "name": "f",
                "description": "d",
                "input_schema": {"type": "object"},
                "cache_control": {"type": "ephemeral"},
            },
            {"type": "custom", "name": "g", "input_schema": {}},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
        ],
    )

    assert (read.model, read.stream, read.provider) == ("claude", True, "anthropic")
    assert read.system == (
        {"type": "text", "content": "rules", "cache_control": {"type": "ephemeral"}},
    )
    assert request(system="rules").system == ({"type": "text", "content": "rules"},)
    assert read.parameters == {
        semconv.REQUEST_MAX_TOKENS: 10,
        semconv.REQUEST_TOP_K: 3,
        semconv.REQUEST_STOP_SEQUENCES: ["END"],
        semconv.REQUEST_REASONING_LEVEL: "high",
        "gen_ai.request.thinking": {"type": "enabled", "budget_tokens": 5},
        "gen_ai.request.output_config": {"format": {"type": "json_schema"}},
    }
    assert read.tools == (
        {
            "type": "function",
            "name": "f",
            "description": "d",
            "parameters": {"type": "object"},
            "cache_control": {"type": "ephemeral"},
        },
        {"type": "function", "name": "g", "parameters": {}},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
    )


def test_a_thread_continues_from_a_message():
    """A delta request names the message before; its other settings are kept."""
    read = request(
        thread={"type": "continue", "previous_message_id": "msg_0", "keep": 1}
    )

    assert read.previous_id == "msg_0"
    assert read.parameters == {"gen_ai.request.thread": {"keep": 1}}
    assert request(thread={"type": "new"}).previous_id is None


def test_vertex_names_the_model_in_the_path():
    """On Vertex AI model and streaming are in the URL."""
    url = "https://h/v1/publishers/anthropic/models/claude-x@1:streamRawPredict"
    read = CODEC.request(b"{}", url)

    assert (read.model, read.stream) == ("claude-x@1", True)
