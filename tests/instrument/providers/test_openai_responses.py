"""Responses: input and items of every form."""

from __future__ import annotations

import json

import pytest

from otel_agent_replay import semconv
from otel_agent_replay.model.messages import Message
from tests.instrument.providers.openai_responses import CODEC, TEXT, answer

URL = "https://api.openai.com/v1/responses"


def request(**wire):
    return CODEC.request(json.dumps(wire).encode(), URL)


ITEMS = [
    (
        TEXT,
        [
            {
                "type": "text",
                "content": "Hi",
                "annotations": [{"type": "url_citation", "url": "https://h"}],
                "item": {"id": "msg_1", "status": "completed"},
            },
            {
                "type": "refusal",
                "content": "no",
                "item": {"id": "msg_1", "status": "completed"},
            },
        ],
    ),
    (
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "c",
            "name": "f",
            "arguments": '{"a":1}',
            "status": "completed",
        },
        [
            {
                "type": "tool_call",
                "id": "c",
                "name": "f",
                "arguments": {"a": 1},
                "item": {"id": "fc_1", "status": "completed"},
            }
        ],
    ),
    (
        {
            "type": "custom_tool_call",
            "id": "ct_1",
            "call_id": "c",
            "name": "sql",
            "input": "SELECT 1",
            "status": "completed",
        },
        [
            {
                "type": "tool_call",
                "id": "c",
                "name": "sql",
                "arguments": "SELECT 1",
                "item": {
                    "type": "custom_tool_call",
                    "id": "ct_1",
                    "status": "completed",
                },
            }
        ],
    ),
    (
        {
            "type": "computer_call",
            "id": "cu_1",
            "call_id": "c",
            "action": {"type": "click", "x": 1},
            "status": "completed",
        },
        [
            {
                "type": "tool_call",
                "id": "c",
                "name": "computer",
                "arguments": {"action": {"type": "click", "x": 1}},
                "item": {"type": "computer_call", "id": "cu_1", "status": "completed"},
            }
        ],
    ),
    (
        {
            "type": "web_search_call",
            "id": "ws_1",
            "status": "completed",
            "action": {"type": "search", "query": "q"},
        },
        [
            {
                "type": "server_tool_call",
                "id": "ws_1",
                "name": "web_search",
                "server_tool_call": {
                    "type": "web_search_call",
                    "status": "completed",
                    "action": {"type": "search", "query": "q"},
                },
            }
        ],
    ),
    (
        {
            "type": "mcp_call",
            "id": "m_1",
            "name": "look",
            "server_label": "s",
            "arguments": "{}",
            "output": "x",
        },
        [
            {
                "type": "server_tool_call",
                "id": "m_1",
                "name": "look",
                "server_tool_call": {
                    "type": "mcp_call",
                    "name": "look",
                    "server_label": "s",
                    "arguments": "{}",
                    "output": "x",
                },
            }
        ],
    ),
    (
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [
                {"type": "summary_text", "text": "a"},
                {"type": "summary_text", "text": "b"},
            ],
            "encrypted_content": "SECRET",
        },
        [
            {
                "type": "reasoning",
                "content": "a\n\nb",
                "item": {
                    "id": "rs_1",
                    "summary": [
                        {"type": "summary_text", "text": "a"},
                        {"type": "summary_text", "text": "b"},
                    ],
                    "encrypted_content": "SECRET",
                },
            }
        ],
    ),
    (
        {"type": "compaction", "id": "cm_1", "encrypted_content": "SECRET"},
        [{"type": "compaction", "id": "cm_1", "encrypted_content": "SECRET"}],
    ),
    (
        {"type": "mcp_list_tools", "id": "ml_1", "tools": [{"name": "look"}]},
        [{"type": "mcp_list_tools", "id": "ml_1", "tools": [{"name": "look"}]}],
    ),
]


@pytest.mark.parametrize(
    ("item", "parts"), ITEMS, ids=[item["type"] for item, _ in ITEMS]
)
def test_items_are_parts_and_are_written_back(item, parts):
    """Each item has its form in output and input; writing it gives the item again."""
    read = answer(item)

    assert read.messages[0].parts == tuple(parts)
    assert request(input=[item]).messages == (
        Message(role="assistant", parts=tuple(parts)),
    )
    written = json.loads(CODEC.render_response(read, stream=False).chunks[0])["output"][
        0
    ]
    assert {key: written[key] for key in item} == item
    streamed = CODEC.render_response(read, stream=True)
    assert CODEC.response(b"".join(streamed.chunks), None) == read


def test_an_answer_is_one_message_with_its_items_in_order():
    """All output is one choice; two message items stay two."""
    second = {
        **TEXT,
        "id": "msg_2",
        "content": [{"type": "output_text", "text": "Bye"}],
    }
    read = answer(ITEMS[6][0], TEXT, second, ITEMS[1][0])
    written = json.loads(CODEC.render_response(read, stream=False).chunks[0])["output"]

    assert [part["type"] for part in read.messages[0].parts] == [
        "reasoning",
        "text",
        "refusal",
        "text",
        "tool_call",
    ]
    assert [item["type"] for item in written] == [
        "reasoning",
        "message",
        "message",
        "function_call",
    ]
    assert read.messages[0].finish_reason == "tool_call"


def test_input_of_every_form():
    """A string, easy messages, and items with files are messages in order."""
    assert request(input="hi").messages == (
        Message(role="user", parts=({"type": "text", "content": "hi"},)),
    )
    read = request(
        instructions="Be brief.",
        previous_response_id="resp_0",
        input=[
            {"role": "developer", "content": "rules"},
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "see"},
                    {
                        "type": "input_image",
                        "image_url": "https://h/a.png",
                        "detail": "auto",
                    },
                    {"type": "input_image", "file_id": "f1"},
                    {
                        "type": "input_file",
                        "file_data": "data:application/pdf;base64,AA",
                        "filename": "a.pdf",
                    },
                    {"type": "input_file", "file_id": "f2"},
                    {
                        "type": "input_audio",
                        "input_audio": {"data": "AA", "format": "mp3"},
                    },
                ],
            },
            {
                "type": "function_call_output",
                "call_id": "c",
                "output": "sunny",
                "id": "o1",
            },
            {"type": "custom_tool_call_output", "call_id": "d", "output": "1"},
            {"type": "item_reference", "id": "msg_9"},
        ],
    )

    assert read.system == ({"type": "text", "content": "Be brief."},)
    assert read.previous_id == "resp_0"
    assert [each.role for each in read.messages] == [
        "developer",
        "user",
        "tool",
        "tool",
        "assistant",
    ]
    assert [part["type"] for part in read.messages[1].parts] == [
        "text",
        "uri",
        "file",
        "blob",
        "file",
        "blob",
    ]
    assert read.messages[2].parts == (
        {
            "type": "tool_call_response",
            "id": "c",
            "response": "sunny",
            "item": {"id": "o1"},
        },
    )
    assert read.messages[3].parts == (
        {
            "type": "tool_call_response",
            "id": "d",
            "response": "1",
            "item": {"type": "custom_tool_call_output"},
        },
    )
    assert read.messages[4].parts == ({"type": "item_reference", "id": "msg_9"},)


def test_an_answer_sent_back_is_the_same_message():
    """What was one output message is one input message, so it is stored once."""
    output = [ITEMS[6][0], TEXT, ITEMS[1][0]]
    read = request(input=[{"role": "user", "content": "q"}, *output])

    assert read.messages[1].parts == answer(*output).messages[0].parts


def test_parameters_and_tools():
    """Effort has the convention's name, the rest of `reasoning` its own."""
    read = request(
        model="gpt-5",
        input="x",
        max_output_tokens=5,
        reasoning={"effort": "low", "summary": "auto"},
        text={"format": {"type": "json_object"}},
        tools=[
            {"type": "function", "name": "f", "parameters": {}, "strict": True},
            {"type": "web_search", "filters": {}},
        ],
    )

    assert read.parameters == {
        semconv.REQUEST_MAX_TOKENS: 5,
        semconv.REQUEST_REASONING_LEVEL: "low",
        "gen_ai.request.reasoning": {"summary": "auto"},
        "gen_ai.request.text": {"format": {"type": "json_object"}},
    }
    assert read.tools == (
        {"type": "function", "name": "f", "parameters": {}, "strict": True},
        {"type": "web_search", "filters": {}},
    )
