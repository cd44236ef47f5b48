"""Responses: how answers end, and streams of them."""

from __future__ import annotations

import json

import pytest

from otel_agent_replay.model.messages import Message, ModelResponse
from tests.instrument.providers.openai_responses import CODEC, TEXT, answer


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
