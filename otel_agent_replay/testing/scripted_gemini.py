"""A scripted answer as Google Gemini `generateContent` says it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from otel_agent_replay.model.messages import Usage
from otel_agent_replay.model.payload import JsonObject, JsonValue, dump_json
from otel_agent_replay.testing.local_server import ScriptedRequest
from otel_agent_replay.testing.scripted_wire import Turn, WireApi

__all__ = ["GENERATE_CONTENT"]

_PATH: Final = re.compile(r"/models/([^/:]+):(generateContent|streamGenerateContent)$")
_FINISH_REASONS: Final = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tool_calls": "STOP",
    "content_filter": "SAFETY",
}
_STATUS_NAMES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


def _whole(turn: Turn) -> JsonObject:
    text: list[JsonObject] = [{"text": turn.answer.text}] if turn.answer.text else []
    return _answer(turn, [*text, *_calls(turn)], last=True)


def _stream(turn: Turn) -> Iterator[bytes]:
    parts: list[JsonObject] = [{"text": piece} for piece in turn.text_pieces]
    parts.extend(_calls(turn))
    answers = [_answer(turn, [part], last=False) for part in parts[:-1]]
    answers.append(_answer(turn, parts[-1:], last=True))
    if "alt=sse" in turn.request.query.split("&"):
        for answer in answers:
            yield f"data: {dump_json(answer)}\r\n\r\n".encode()
        return
    for mark, answer in zip("[" + "," * len(answers), answers, strict=False):
        yield f"{mark}{dump_json(answer)}\n".encode()
    yield b"]"


def _calls(turn: Turn) -> list[JsonObject]:
    calls: list[JsonObject] = []
    for call in turn.answer.tool_calls:
        said: JsonObject = {"name": call.name, "args": call.arguments_json}
        calls.append({"functionCall": said | ({"id": call.id} if call.id else {})})
    return calls


def _answer(turn: Turn, parts: list[JsonObject], *, last: bool) -> JsonObject:
    candidate: JsonObject = {
        "content": {"parts": [*parts], "role": "model"},
        "index": 0,
    }
    if last:
        candidate["finishReason"] = _FINISH_REASONS[turn.answer.why_finished]
    return {
        "candidates": [candidate],
        "usageMetadata": _usage(turn.usage),
        "modelVersion": _model(turn.request),
        "responseId": turn.id,
    }


def _model(request: ScriptedRequest) -> JsonValue:
    found = _PATH.search(request.path)
    return found[1] if found else None


def _usage(usage: Usage) -> JsonObject:
    # Gemini counts thoughts beside the answer's tokens, not in them.
    thoughts = usage.reasoning_output_tokens or 0
    sent, said = usage.input_tokens or 0, usage.output_tokens or 0
    counted: JsonObject = {
        "promptTokenCount": sent,
        "candidatesTokenCount": max(said - thoughts, 0),
        "totalTokenCount": sent + said,
    }
    if usage.cache_read_input_tokens is not None:
        counted["cachedContentTokenCount"] = usage.cache_read_input_tokens
    if usage.reasoning_output_tokens is not None:
        counted["thoughtsTokenCount"] = thoughts
    return counted


def _error(status: int, message: str) -> JsonObject:
    name = _STATUS_NAMES.get(status, "UNKNOWN")
    return {"error": {"code": status, "message": message, "status": name}}


GENERATE_CONTENT: Final = WireApi(
    serves=lambda request: _PATH.search(request.path) is not None,
    streams=lambda request: request.path.endswith(":streamGenerateContent"),
    whole=_whole,
    stream=_stream,
    error=_error,
)
