"""Chat Completions streams: chunks to one answer, an answer to chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from otel_agent_replay.instrument.providers.json_access import (
    count,
    object_of,
    objects_of,
    rest,
    text,
    without_blanks,
)
from otel_agent_replay.instrument.providers.sse import render_event
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = ["NOISE", "assembled", "rendered_chunks", "rendered_end"]

NOISE: Final = frozenset({"obfuscation", "p"})
"""Padding that hides the length of tokens."""

# Servers repeat these in every chunk; everything else that is text comes in pieces.
_SAID_ONCE: Final = frozenset(
    {"role", "id", "type", "name", "index", "expires_at", "format", "status"},
)
_CHOICE_KEYS: Final = frozenset({"delta", "text", "logprobs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AssembledStream:
    """The body that the same request would have had without streaming."""

    wire: JsonObject
    finished: bool


def assembled(chunks: list[JsonObject]) -> AssembledStream:
    """Return the answer that the chunks of a stream make, in the plain body's form.

    `finished` tells whether every choice said why it stopped.
    """
    wire: JsonObject = {}
    choices: dict[int, JsonObject] = {}
    for chunk in chunks:
        # Azure's first and last chunks have an empty id and model.
        said = rest(chunk, {"choices", *NOISE})
        wire |= {key: value for key, value in said.items() if value != ""}
        for position, delta in enumerate(objects_of(chunk.get("choices"))):
            index = count(delta.get("index"))
            key = position if index is None else index
            _merge_choice(choices.setdefault(key, {"index": key}), delta)
    ordered = [choices[key] for key in sorted(choices)]
    if ordered or "error" not in wire:
        wire["choices"] = list(ordered)
    finished = bool(ordered) and all(each.get("finish_reason") for each in ordered)
    return AssembledStream(wire=wire, finished=finished)


def _merge_choice(choice: JsonObject, delta: JsonObject) -> None:
    choice |= without_blanks(rest(delta, _CHOICE_KEYS))
    if isinstance(delta.get("delta"), dict):
        message = choice.setdefault("message", {})
        if isinstance(message, dict):
            _merge(message, object_of(delta["delta"]))
    for key in ("text", "logprobs"):
        if delta.get(key) is not None:
            _merge_member(choice, key, delta[key])


def _merge(into: JsonObject, delta: JsonObject) -> None:
    for key, value in delta.items():
        if value is None:
            continue
        if key == "tool_calls":
            _merge_calls(into, objects_of(value))
        else:
            _merge_member(into, key, value)


def _merge_member(into: JsonObject, key: str, value: JsonValue) -> None:
    before = into.get(key)
    if key == "content" and (isinstance(before, list) or isinstance(value, list)):
        into[key] = _coalesced([*_chunks_of(before), *_chunks_of(value)])
    elif isinstance(before, list) and isinstance(value, list):
        into[key] = _merged_lists(before, value)
    elif isinstance(before, str) and isinstance(value, str):
        into[key] = before or value if key in _SAID_ONCE else before + value
    elif isinstance(value, dict):
        inner: JsonObject = {**object_of(before)}
        _merge(inner, value)
        into[key] = inner
    else:
        into[key] = value


def _merged_lists(before: list[JsonValue], value: list[JsonValue]) -> list[JsonValue]:
    """Return two lists as one; items that carry the same `index` are one item."""
    merged = list(before)
    for item in value:
        place = _place(merged, item)
        if place is None:
            merged.append(item)
        else:
            inner: JsonObject = {**object_of(merged[place])}
            _merge(inner, object_of(item))
            merged[place] = inner
    return merged


def _place(items: list[JsonValue], item: JsonValue) -> int | None:
    index = object_of(item).get("index")
    if index is None:
        return None
    found = (n for n, each in enumerate(items) if object_of(each).get("index") == index)
    return next(found, None)


def _merge_calls(message: JsonObject, deltas: list[JsonObject]) -> None:
    calls = objects_of(message.get("tool_calls"))
    for position, delta in enumerate(deltas):
        target = _call_for(calls, delta, position)
        if target is None:
            target = {}
            calls.append(target)
        _merge(target, delta)
    message["tool_calls"] = list(calls)


def _call_for(
    calls: list[JsonObject],
    delta: JsonObject,
    position: int,
) -> JsonObject | None:
    """Return the call that a delta goes on with, or None if it begins one.

    Gemini's and Ollama's compatible APIs give every parallel call index 0, or
    none; there a new id begins a new call.
    """
    index = delta.get("index", position)
    same = [call for call in calls if call.get("index", position) == index]
    call_id = text(delta.get("id"))
    if call_id and same and same[-1].get("id") not in {None, "", call_id}:
        return next((call for call in same if call.get("id") == call_id), None)
    return same[-1] if same else None


def _chunks_of(content: JsonValue) -> list[JsonObject]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return objects_of(content)


def _coalesced(chunks: list[JsonObject]) -> list[JsonValue]:
    """Return Mistral's content chunks with neighbours of one type joined."""
    merged: list[JsonObject] = []
    for chunk in chunks:
        if merged and set(chunk) == set(merged[-1]) == {"type", "text"}:
            said = f"{merged[-1].get('text') or ''}{chunk.get('text') or ''}"
            merged[-1] = {"type": "text", "text": said}
        elif merged and chunk.get("type") == merged[-1].get("type") == "thinking":
            both = [
                *objects_of(merged[-1].get("thinking")),
                *objects_of(chunk.get("thinking")),
            ]
            merged[-1] = {**merged[-1], **chunk, "thinking": _coalesced(both)}
        else:
            merged.append(chunk)
    return list(merged)


def rendered_chunks(wire: JsonObject, *, complete: bool) -> Iterator[bytes]:
    """Yield the events that stream an answer given in the plain body's form.

    Without `complete` the stream breaks off before finish reasons and usage.
    """
    head = rest(wire, {"choices", "usage", "object", "error"})
    head |= {"object": "chat.completion.chunk", "created": wire.get("created") or 0}
    for choice in objects_of(wire.get("choices")):
        for delta in _deltas(object_of(choice.get("message"))):
            event: JsonObject = {"index": choice["index"], "delta": delta}
            yield render_event({**head, "choices": [{**event, "finish_reason": None}]})
        last: JsonObject = {**rest(choice, {"message"}), "delta": {}}
        if complete:
            last["finish_reason"] = choice.get("finish_reason")
        else:
            last.pop("finish_reason", None)
        yield render_event({**head, "choices": [last]})
    yield from rendered_end(wire, head, complete=complete)


def rendered_end(
    wire: JsonObject,
    head: JsonObject,
    *,
    complete: bool,
) -> Iterator[bytes]:
    """Yield what comes after the choices: usage, an error, the end mark."""
    if wire.get("usage"):
        yield render_event({**head, "choices": [], "usage": wire["usage"]})
    if "error" in wire:
        yield render_event({"error": wire["error"]})
    if complete:
        yield render_event("[DONE]")


def _deltas(message: JsonObject) -> Iterator[JsonObject]:
    once = {"role", "content", "refusal", "tool_calls", "function_call"}
    yield {"role": message.get("role") or "assistant", **rest(message, once)}
    for key in ("content", "refusal"):
        if message.get(key) is not None:
            yield {key: message[key]}
    for position, call in enumerate(objects_of(message.get("tool_calls"))):
        style = text(call.get("type")) or "function"
        body = object_of(call.get(style))
        key = "input" if style == "custom" else "arguments"
        opening: JsonObject = {**body, key: ""}
        yield {"tool_calls": [{**call, "index": position, style: opening}]}
        piece: JsonObject = {"index": position, style: {key: body.get(key)}}
        yield {"tool_calls": [piece]}
    if message.get("function_call") is not None:
        yield {"function_call": message["function_call"]}
