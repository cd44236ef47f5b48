"""A scripted answer as OpenAI Chat Completions says it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from otel_agent_replay.model.messages import Usage
from otel_agent_replay.model.payload import JsonObject, JsonValue
from otel_agent_replay.testing.scripted_wire import (
    CREATED,
    Turn,
    WireApi,
    server_sent_event,
)

__all__ = ["CHAT_COMPLETIONS", "openai_error"]

_ERROR_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


def openai_error(status: int, message: str) -> JsonObject:
    """Return an error as both OpenAI APIs say it."""
    kind = "server_error" if status >= 500 else "invalid_request_error"  # noqa: PLR2004
    return {
        "error": {
            "message": message,
            "type": _ERROR_TYPES.get(status, kind),
            "param": None,
            "code": None,
        }
    }


def _whole(turn: Turn) -> JsonObject:
    message: JsonObject = {
        "role": "assistant",
        "content": turn.answer.text,
        "refusal": None,
        "annotations": [],
    }
    if turn.answer.tool_calls:
        message["tool_calls"] = [
            _tool_call(turn, index, call.arguments_text)
            for index, call in enumerate(turn.answer.tool_calls)
        ]
    return {
        "id": f"chatcmpl-{turn.id}",
        "object": "chat.completion",
        "created": CREATED,
        "model": turn.model,
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": turn.answer.why_finished,
            }
        ],
        "usage": _usage(turn.usage),
        "service_tier": "default",
        "system_fingerprint": "fp_scripted",
    }


def _stream(turn: Turn) -> Iterator[bytes]:
    yield _delta(turn, {"role": "assistant", "content": "", "refusal": None})
    for piece in turn.text_pieces:
        yield _delta(turn, {"content": piece})
    for index, call in enumerate(turn.answer.tool_calls):
        opening: JsonObject = {"index": index, **_tool_call(turn, index, "")}
        yield _delta(turn, {"tool_calls": [opening]})
        for piece in turn.call_pieces(call):
            fragment: JsonObject = {"index": index, "function": {"arguments": piece}}
            yield _delta(turn, {"tool_calls": [fragment]})
    yield _delta(turn, {}, turn.answer.why_finished)
    options = turn.request.json.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage"):
        yield server_sent_event(_chunk(turn, [], _usage(turn.usage)))
    yield b"data: [DONE]\n\n"


def _tool_call(turn: Turn, index: int, arguments: str) -> JsonObject:
    return {
        "id": turn.call_id(index, "call"),
        "type": "function",
        "function": {
            "name": turn.answer.tool_calls[index].name,
            "arguments": arguments,
        },
    }


def _delta(turn: Turn, delta: JsonObject, finish_reason: str | None = None) -> bytes:
    choice: JsonObject = {
        "index": 0,
        "delta": delta,
        "logprobs": None,
        "finish_reason": finish_reason,
    }
    return server_sent_event(_chunk(turn, [choice], None))


def _chunk(turn: Turn, choices: list[JsonValue], usage: JsonValue) -> JsonObject:
    return {
        "id": f"chatcmpl-{turn.id}",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": turn.model,
        "service_tier": "default",
        "system_fingerprint": "fp_scripted",
        "choices": choices,
        "usage": usage,
    }


def _usage(usage: Usage) -> JsonObject:
    sent, said = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "prompt_tokens": sent,
        "completion_tokens": said,
        "total_tokens": sent + said,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_input_tokens or 0,
            "cache_write_tokens": usage.cache_write_input_tokens or 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_output_tokens or 0,
        },
    }


CHAT_COMPLETIONS: Final = WireApi(
    serves=lambda request: request.path.endswith("/chat/completions"),
    streams=lambda request: bool(request.json.get("stream")),
    whole=_whole,
    stream=_stream,
    error=openai_error,
)
