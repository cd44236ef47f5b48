"""Gemini answers: candidates, usage and feedback as a response, and back."""

from __future__ import annotations

from typing import Final

from otel_agent_replay.instrument.providers import finish
from otel_agent_replay.instrument.providers.gemini_parts import (
    camel,
    merged_parts,
    read_contents,
    write_parts,
)
from otel_agent_replay.instrument.providers.json_access import (
    count,
    object_of,
    objects_of,
    rest,
    sequence,
    text,
    without_blanks,
)
from otel_agent_replay.instrument.providers.openai_usage import leftover_counts
from otel_agent_replay.instrument.providers.wire_body import (
    WireBody,
    error_of,
    read_body,
    unreadable,
)
from otel_agent_replay.model.messages import Message, ModelResponse, Usage
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = ["read_answer", "write_answer"]

_ANSWER_KEYS: Final = ("candidates", "promptFeedback", "usageMetadata")
_ENVELOPE: Final = frozenset(
    {
        "candidates",
        "createTime",
        "error",
        "modelVersion",
        "responseId",
        "usageMetadata",
    },
)
_CANDIDATE: Final = frozenset({"content", "finishReason", "index"})
_PROMPT: Final = "promptTokenCount"
_TOOL_PROMPT: Final = "toolUsePromptTokenCount"
_OUTPUT: Final = "candidatesTokenCount"
_CACHED: Final = "cachedContentTokenCount"
_THOUGHTS: Final = "thoughtsTokenCount"
_COUNTS: Final[set[tuple[str, ...]]] = {
    (_PROMPT,),
    (_OUTPUT,),
    (_CACHED,),
    (_THOUGHTS,),
    ("totalTokenCount",),
}


def read_answer(body: bytes, content_type: str | None) -> ModelResponse:
    """Return the reading of an answer, whole or streamed in either form."""
    read = read_body(body, content_type)
    if read.kind == "text":
        return unreadable(read)
    wire, complete = _plain(read)
    candidates = objects_of(wire.get("candidates"))
    reasons = [text(each.get("finishReason")) or "" for each in candidates]
    counted = object_of(wire.get("usageMetadata"))
    extra = rest(wire, _ENVELOPE)
    if beyond := leftover_counts(counted, _COUNTS):
        extra["usage"] = beyond
    return ModelResponse(
        id=text(wire.get("responseId")) or None,
        model=text(wire.get("modelVersion")) or None,
        messages=tuple(map(_read_candidate, candidates)),
        finish_reasons=tuple(reasons) if any(reasons) else _blocked(wire),
        usage=_read_usage(counted),
        error=error_of(wire, _ANSWER_KEYS),
        complete=complete,
        extra=extra,
    )


def _blocked(wire: JsonObject) -> tuple[str, ...]:
    """Return why there is no candidate: the prompt was refused."""
    reason = text(object_of(wire.get("promptFeedback")).get("blockReason"))
    return (reason,) if reason else ()


def _plain(read: WireBody) -> tuple[JsonObject, bool]:
    if read.kind == "json":
        return camel(object_of(read.value)), True
    wire = _assembled([camel(chunk) for chunk in read.objects])
    candidates = objects_of(wire.get("candidates"))
    finished = any(each.get("finishReason") for each in candidates)
    return wire, finished or bool(_blocked(wire)) or "error" in wire


def _assembled(chunks: list[JsonObject]) -> JsonObject:
    """Return the answer that a stream makes; counts are running totals."""
    wire: JsonObject = {}
    candidates: dict[int, JsonObject] = {}
    for chunk in chunks:
        usage = object_of(wire.get("usageMetadata"))
        wire |= rest(chunk, {"candidates"})
        if "usageMetadata" in chunk:
            wire["usageMetadata"] = {**usage, **object_of(chunk["usageMetadata"])}
        for candidate in objects_of(chunk.get("candidates")):
            index = count(candidate.get("index")) or 0
            _merge(candidates.setdefault(index, {"index": index}), candidate)
    if candidates:
        wire["candidates"] = [candidates[index] for index in sorted(candidates)]
    return wire


def _merge(into: JsonObject, candidate: JsonObject) -> None:
    before, content = (
        object_of(into.get("content")),
        object_of(candidate.get("content")),
    )
    into |= without_blanks(candidate)
    parts = [*sequence(before.get("parts")), *sequence(content.get("parts"))]
    if before or content:
        into["content"] = {**before, **content, "parts": merged_parts(parts)}


def _read_candidate(candidate: JsonObject) -> Message:
    said = read_contents(candidate.get("content"))
    message = said[0] if said else Message(role="assistant")
    reason = text(candidate.get("finishReason"))
    word = finish.convention_word(reason, finish.GEMINI)
    calls = any(part.get("type") == "tool_call" for part in message.parts)
    return Message(
        role="assistant" if message.role in {"user", ""} else message.role,
        parts=message.parts,
        finish_reason="tool_call" if word == "stop" and calls else word,
        extra={**message.extra, **rest(candidate, _CANDIDATE)},
    )


def _read_usage(wire: JsonObject) -> Usage:
    """Return the counts; what tools put into the prompt and thoughts are included."""
    prompt, tools = count(wire.get(_PROMPT)), count(wire.get(_TOOL_PROMPT))
    said, thoughts = count(wire.get(_OUTPUT)), count(wire.get(_THOUGHTS))
    return Usage(
        input_tokens=_total(prompt, tools),
        output_tokens=_total(said, thoughts),
        cache_read_input_tokens=count(wire.get(_CACHED)),
        reasoning_output_tokens=thoughts,
    )


def _total(first: int | None, second: int | None) -> int | None:
    return None if first is None and second is None else (first or 0) + (second or 0)


def write_answer(response: ModelResponse) -> JsonObject:
    """Return the answer in its plain form."""
    failure: JsonObject = {} if response.error is None else {"error": response.error}
    if failure and not response.messages:
        return failure
    extra = {key: value for key, value in response.extra.items() if key != "usage"}
    places = range(len(response.messages))
    wire: JsonObject = {
        **extra,
        **failure,
        "candidates": [_write_candidate(response, place) for place in places],
        "modelVersion": response.model,
        "responseId": response.id,
    }
    usage = _write_usage(response)
    return without_blanks({**wire, "usageMetadata": usage})


def _write_candidate(response: ModelResponse, position: int) -> JsonObject:
    message = response.messages[position]
    parts: JsonValue = list(write_parts(message.parts))
    extra = {key: value for key, value in message.extra.items() if key != "choice"}
    candidate: JsonObject = {**extra, "content": {"parts": parts, "role": "model"}}
    if response.complete:
        candidate["finishReason"] = finish.wire_word(response, position, finish.GEMINI)
    return {**candidate, "index": position}


def _write_usage(response: ModelResponse) -> JsonObject:
    usage, extra = response.usage, object_of(response.extra.get("usage"))
    tools, thoughts = count(extra.get(_TOOL_PROMPT)), usage.reasoning_output_tokens
    wire: JsonObject = {
        _PROMPT: _without(usage.input_tokens, tools),
        _OUTPUT: _without(usage.output_tokens, thoughts),
        _CACHED: usage.cache_read_input_tokens,
        _THOUGHTS: thoughts,
    }
    said = {key: value for key, value in wire.items() if value is not None}
    if not said and not extra:
        return {}
    total = _total(usage.input_tokens, usage.output_tokens)
    return {**extra, **said, "totalTokenCount": total}


def _without(whole: int | None, part: int | None) -> int | None:
    return None if whole is None else max(whole - (part or 0), 0)
