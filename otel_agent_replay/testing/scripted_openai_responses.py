"""A scripted answer as OpenAI Responses says it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Final

from otel_agent_replay.model.messages import Usage
from otel_agent_replay.model.payload import JsonObject, JsonValue
from otel_agent_replay.testing.scripted_openai_chat import openai_error
from otel_agent_replay.testing.scripted_wire import (
    CREATED,
    Turn,
    WireApi,
    pieces,
    server_sent_event,
)

__all__ = ["RESPONSES"]

_INCOMPLETE: Final = {
    "length": "max_output_tokens",
    "content_filter": "content_filter",
}

_SETTINGS: Final[JsonObject] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""What a response repeats of its request, with what holds if it says nothing."""


def _whole(turn: Turn) -> JsonObject:
    reason = _INCOMPLETE.get(turn.answer.why_finished)
    return {
        **_response(turn, "incomplete" if reason else "completed"),
        "incomplete_details": {"reason": reason} if reason else None,
        "output": [*_output(turn)],
        "usage": _usage(turn.usage),
    }


def _stream(turn: Turn) -> Iterator[bytes]:
    for number, event in zip(count(), _events(turn), strict=False):
        kind = str(event["type"])
        yield server_sent_event({**event, "sequence_number": number}, event=kind)


def _events(turn: Turn) -> Iterator[JsonObject]:
    begun = _response(turn, "in_progress")
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(_output(turn)):
        pieces_of = _message if item["type"] == "message" else _function_call
        for event in pieces_of(item, turn.piece_size):
            yield {**event, "output_index": index}
    whole = _whole(turn)
    yield {"type": f"response.{whole['status']}", "response": whole}


def _message(item: JsonObject, piece_size: int) -> Iterator[JsonObject]:
    (part,) = _objects(item["content"])
    text = str(part["text"])
    place: JsonObject = {"item_id": item["id"], "content_index": 0}
    opening: JsonObject = {**item, "status": "in_progress", "content": []}
    empty: JsonObject = {**part, "text": ""}
    yield {"type": "response.output_item.added", "item": opening}
    yield {"type": "response.content_part.added", **place, "part": empty}
    for piece in pieces(text, piece_size):
        yield {
            "type": "response.output_text.delta",
            **place,
            "delta": piece,
            "logprobs": [],
        }
    yield {"type": "response.output_text.done", **place, "text": text, "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": part}
    yield {"type": "response.output_item.done", "item": item}


def _function_call(item: JsonObject, piece_size: int) -> Iterator[JsonObject]:
    arguments = str(item["arguments"])
    opening: JsonObject = {**item, "status": "in_progress", "arguments": ""}
    yield {"type": "response.output_item.added", "item": opening}
    for piece in pieces(arguments, piece_size):
        yield {
            "type": "response.function_call_arguments.delta",
            "item_id": item["id"],
            "delta": piece,
        }
    yield {
        "type": "response.function_call_arguments.done",
        "item_id": item["id"],
        "name": item["name"],
        "arguments": arguments,
    }
    yield {"type": "response.output_item.done", "item": item}


def _output(turn: Turn) -> list[JsonObject]:
    items: list[JsonObject] = []
    if turn.answer.text is not None:
        items.append(
            {
                "id": f"msg_{turn.id}",
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [
                    {
                        "type": "output_text",
                        "text": turn.answer.text,
                        "annotations": [],
                        "logprobs": [],
                    }
                ],
            }
        )
    for index, call in enumerate(turn.answer.tool_calls):
        items.append(
            {
                "id": f"fc_{turn.id}_{index}",
                "type": "function_call",
                "status": "completed",
                "call_id": turn.call_id(index, "call"),
                "name": call.name,
                "arguments": call.arguments_text,
            }
        )
    return items


def _response(turn: Turn, status: str) -> JsonObject:
    request = turn.request.json
    return {
        "id": f"resp_{turn.id}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": turn.model,
        "output": [],
        "usage": None,
        **{name: request.get(name, usual) for name, usual in _SETTINGS.items()},
    }


def _usage(usage: Usage) -> JsonObject:
    sent, said = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "input_tokens": sent,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_input_tokens or 0,
            "cache_write_tokens": usage.cache_write_input_tokens or 0,
        },
        "output_tokens": said,
        "output_tokens_details": {
            "reasoning_tokens": usage.reasoning_output_tokens or 0,
        },
        "total_tokens": sent + said,
    }


def _objects(value: JsonValue) -> list[JsonObject]:
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]


RESPONSES: Final = WireApi(
    serves=lambda request: request.path.endswith("/responses"),
    streams=lambda request: bool(request.json.get("stream")),
    whole=_whole,
    stream=_stream,
    error=openai_error,
)
