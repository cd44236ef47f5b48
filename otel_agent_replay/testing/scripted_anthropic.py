"""A scripted answer as Anthropic Messages says it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from otel_agent_replay.model.messages import Usage
from otel_agent_replay.model.payload import JsonObject
from otel_agent_replay.testing.scripted_wire import Turn, WireApi, server_sent_event

__all__ = ["MESSAGES"]

_STOP_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_ERROR_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def _whole(turn: Turn) -> JsonObject:
    return {
        **_opening(turn),
        "content": [*_content(turn)],
        "stop_reason": _STOP_REASONS[turn.answer.why_finished],
        "usage": _usage(turn.usage),
    }


def _stream(turn: Turn) -> Iterator[bytes]:
    for event in _events(turn):
        yield server_sent_event(event, event=str(event["type"]))


def _events(turn: Turn) -> Iterator[JsonObject]:
    yield {"type": "message_start", "message": _opening(turn)}
    deltas: list[list[JsonObject]] = []
    if turn.answer.text is not None:
        deltas.append(
            [{"type": "text_delta", "text": piece} for piece in turn.text_pieces]
        )
    deltas.extend(
        [
            {"type": "input_json_delta", "partial_json": piece}
            for piece in ["", *turn.call_pieces(call)]
        ]
        for call in turn.answer.tool_calls
    )
    for index, (block, parts) in enumerate(zip(_content(turn), deltas, strict=True)):
        empty: JsonObject = {"text": ""} if block["type"] == "text" else {"input": {}}
        start: JsonObject = {**block, **empty}
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in parts:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {
        "type": "message_delta",
        "delta": {
            "stop_reason": _STOP_REASONS[turn.answer.why_finished],
            "stop_sequence": None,
        },
        "usage": _usage(turn.usage),
    }
    yield {"type": "message_stop"}


def _content(turn: Turn) -> list[JsonObject]:
    blocks: list[JsonObject] = []
    if turn.answer.text is not None:
        blocks.append({"type": "text", "text": turn.answer.text, "citations": None})
    for index, call in enumerate(turn.answer.tool_calls):
        blocks.append(
            {
                "type": "tool_use",
                "id": turn.call_id(index, "toolu"),
                "name": call.name,
                "input": call.arguments_json,
            }
        )
    return blocks


def _opening(turn: Turn) -> JsonObject:
    return {
        "id": f"msg_{turn.id}",
        "type": "message",
        "role": "assistant",
        "model": turn.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**_usage(turn.usage), "output_tokens": 1},
    }


def _usage(usage: Usage) -> JsonObject:
    # Anthropic counts cached and cache-written tokens beside the others, not in them.
    read = usage.cache_read_input_tokens or 0
    written = usage.cache_write_input_tokens or 0
    return {
        "input_tokens": max((usage.input_tokens or 0) - read - written, 0),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": usage.output_tokens or 0,
        "service_tier": "standard",
    }


def _error(status: int, message: str) -> JsonObject:
    kind = "api_error" if status >= 500 else "invalid_request_error"  # noqa: PLR2004
    return {
        "type": "error",
        "error": {"type": _ERROR_TYPES.get(status, kind), "message": message},
        "request_id": "req_scripted",
    }


MESSAGES: Final = WireApi(
    serves=lambda request: request.path.endswith("/messages"),
    streams=lambda request: bool(request.json.get("stream")),
    whole=_whole,
    stream=_stream,
    error=_error,
)
