"""The Responses API: items in and out, delta requests, streams put together."""

from __future__ import annotations

import json

import pytest

from otel_agent_replay import semconv
from otel_agent_replay.instrument.providers.openai_responses import OpenAIResponses
from otel_agent_replay.model.messages import Message, ModelResponse

URL = "https://api.openai.com/v1/responses"
CODEC = OpenAIResponses()


def request(**wire):
    return CODEC.request(json.dumps(wire).encode(), URL)


def answer(*output, **wire):
    body = {"id": "resp_1", "status": "completed", "output": output, **wire}
    return CODEC.response(json.dumps(body).encode(), "application/json")


TEXT = {
    "type": "message",
    "id": "msg_1",
    "status": "completed",
    "role": "assistant",
    "content": [
        {
            "type": "output_text",
            "text": "Hi",
            "annotations": [{"type": "url_citation", "url": "https://h"}],
            "logprobs": [],
        },
        {"type": "refusal", "refusal": "no"},
    ],
}
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


@pytest.mark.parametrize(
    ("wire", "reasons", "word", "status"),
    [
        ({}, ("completed",), "stop", "completed"),
        (
            {
                "status": "incomplete",
                "incomplete_details": {"reason": "max_output_tokens"},
            },
            ("max_output_tokens",),
            "length",
            "incomplete",
        ),
        ({"status": "in_progress"}, (), None, "in_progress"),
    ],
)
def test_how_an_answer_ended(wire, reasons, word, status):
    """The reason why it is incomplete, else its status; none while it runs."""
    read = answer(TEXT, **wire)

    assert (read.finish_reasons, read.status) == (reasons, status)
    assert read.messages[0].finish_reason == word
    for stream in (False, True):
        body = CODEC.render_response(read, stream=stream)
        assert CODEC.response(b"".join(body.chunks), None) == read


def test_a_failed_answer_keeps_its_error():
    """A response that failed has the error of its body."""
    read = answer(status="failed", error={"code": "server_error", "message": "x"})

    assert (read.status, read.error) == (
        "failed",
        {"code": "server_error", "message": "x"},
    )
    body = CODEC.render_response(read, stream=True)
    assert CODEC.response(b"".join(body.chunks), None) == read


def test_foreign_answers_end_in_this_apis_words():
    """An answer cut for length becomes incomplete for that reason."""
    text = {"type": "text", "content": "x"}
    response = ModelResponse(
        messages=(Message(role="assistant", parts=(text,)),),
        finish_reasons=("max_tokens",),
    )
    wire = json.loads(CODEC.render_response(response, stream=False).chunks[0])

    assert wire["status"] == "incomplete"
    assert wire["incomplete_details"] == {"reason": "max_output_tokens"}


def events(*values):
    return "".join(
        f"event: {v['type']}\ndata: {json.dumps(v)}\n\n" for v in values
    ).encode()


def test_a_broken_off_stream_is_put_together_from_its_pieces():
    """Without the last event, items are made from what was added and the deltas."""
    read = CODEC.response(
        events(
            {
                "type": "response.created",
                "response": {
                    "id": "r",
                    "model": "m",
                    "status": "in_progress",
                    "output": [],
                },
            },
            {
                "type": "response.output_item.added",
                "output_index": 0,
                "item": {"type": "reasoning", "id": "rs", "summary": []},
            },
            {
                "type": "response.reasoning_summary_text.delta",
                "output_index": 0,
                "summary_index": 0,
                "delta": "hm",
            },
            {
                "type": "response.output_item.added",
                "output_index": 1,
                "item": {
                    "type": "message",
                    "id": "ms",
                    "role": "assistant",
                    "content": [],
                },
            },
            {
                "type": "response.output_text.delta",
                "output_index": 1,
                "content_index": 0,
                "delta": "He",
            },
            {
                "type": "response.output_text.delta",
                "output_index": 1,
                "content_index": 0,
                "delta": "y",
            },
            {
                "type": "response.output_item.added",
                "output_index": 2,
                "item": {
                    "type": "function_call",
                    "call_id": "c",
                    "name": "f",
                    "arguments": "",
                },
            },
            {
                "type": "response.function_call_arguments.delta",
                "output_index": 2,
                "delta": '{"a"',
            },
        ),
        "text/event-stream",
    )
    said = [
        (part["type"], part.get("content") or part.get("arguments"))
        for part in read.messages[0].parts
    ]

    assert (read.id, read.model, read.complete) == ("r", "m", False)
    assert said == [("reasoning", "hm"), ("text", "Hey"), ("tool_call", '{"a"')]


def test_a_last_event_without_output_takes_the_items_that_came():
    """Some servers leave the output of the last event empty."""
    read = CODEC.response(
        events(
            {"type": "response.output_item.done", "output_index": 0, "item": TEXT},
            {
                "type": "response.completed",
                "response": {"id": "r", "status": "completed", "output": []},
            },
        ),
        None,
    )

    assert read.messages == answer(TEXT).messages
    assert read.complete
