"""Reading the attributes of foreign spans: JSON texts, numbered keys, messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

from otel_agent_replay.instrument.providers.json_access import (
    json_or_none,
    object_of,
    objects_of,
    text,
)
from otel_agent_replay.instrument.providers.parts import (
    other_part,
    text_part,
    tool_call_part,
    tool_result_part,
)
from otel_agent_replay.model.messages import Message, Part
from otel_agent_replay.model.payload import JsonObject, JsonValue, dump_json
from otel_agent_replay.model.span import Attributes, SpanRecord

__all__ = [
    "Additions",
    "chat_message",
    "completed",
    "messages_text",
    "numbered",
    "renamed",
]

Additions: TypeAlias = Mapping[str, str | None]


def completed(span: SpanRecord, additions: Additions) -> SpanRecord:
    """Return the span with attributes it lacks; those it has stay as they are."""
    new = {
        name: value
        for name, value in additions.items()
        if value is not None and name not in span.attributes
    }
    return replace(span, attributes={**span.attributes, **new}) if new else span


def renamed(attributes: Attributes, names: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes that have a newer name, under it."""
    return {new: attributes[old] for old, new in names.items() if old in attributes}


def messages_text(messages: list[Message]) -> str | None:
    """Return messages as the JSON text of the convention; None if there are none."""
    return dump_json([each.to_json() for each in messages]) if messages else None


def numbered(attributes: Attributes, prefix: str) -> list[JsonObject]:
    """Return `prefix.0.a.b`, `prefix.1.a` … as nested objects, in order of number."""
    root: JsonObject = {}
    for name, value in attributes.items():
        if name.startswith(prefix + "."):
            _put(root, name[len(prefix) + 1 :].split("."), value)
    listed = _listed(root)
    return objects_of(listed)


def _put(root: JsonObject, path: list[str], value: str) -> None:
    for key in path[:-1]:
        inner = root.setdefault(key, {})
        if not isinstance(inner, dict):
            return
        root = inner
    root[path[-1]] = value


def _listed(value: JsonValue) -> JsonValue:
    """Return objects whose keys are all numbers as lists."""
    if not isinstance(value, dict):
        return value
    inner = {key: _listed(item) for key, item in value.items()}
    if inner and all(key.isdecimal() for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner


# --- messages in the form most providers share -----------------------------------


def chat_message(wire: JsonObject) -> Message:
    """Return the message of `{role, content, tool_calls, tool_call_id}`.

    `content` is text, or a list of blocks in the form of OpenAI, Anthropic or
    Bedrock.
    """
    role = text(wire.get("role")) or ""
    call_id = wire.get("tool_call_id", wire.get("id"))
    content = wire.get("content")
    parts: list[Part] = []
    if role == "tool" and not _holds_results(content):
        parts.append(tool_result_part(call_id, _result(content)))
    else:
        parts.extend(_content_parts(content))
    parts.extend(_tool_call(each) for each in _calls(wire))
    reason = text(wire.get("finish_reason"))
    return Message(
        role=role,
        parts=tuple(parts),
        name=text(wire.get("name")),
        finish_reason=reason,
    )


def _calls(wire: JsonObject) -> list[JsonObject]:
    calls = wire.get("tool_calls")
    return objects_of(json_or_none(calls) if isinstance(calls, str) else calls)


def _result(content: JsonValue) -> JsonValue:
    """Return a tool's result as the value its text is; numbers stay text."""
    value = json_or_none(content) if isinstance(content, str) else None
    return value if isinstance(value, dict | list | str) else content


def _holds_results(content: JsonValue) -> bool:
    return any(
        "toolResult" in each or each.get("type") == "tool_result"
        for each in objects_of(_blocks(content))
    )


def _blocks(content: JsonValue) -> JsonValue:
    """Return content as blocks where it is some, also as their JSON text."""
    if not isinstance(content, str):
        return content
    value = json_or_none(content) if content[:1] == "[" else None
    known = isinstance(value, list) and all(_is_block(each) for each in value)
    return value if known else content


def _is_block(value: JsonValue) -> bool:
    return isinstance(value, dict) and (
        isinstance(value.get("type"), str)
        or bool({"text", "toolUse", "toolResult"} & value.keys())
    )


def _content_parts(content: JsonValue) -> list[Part]:
    blocks = _blocks(content)
    if isinstance(blocks, str):
        return [text_part(blocks)] if blocks else []
    if isinstance(blocks, list):
        return [_block_part(each) for each in blocks]
    return []


def _block_part(block: JsonValue) -> Part:
    wire = object_of(block)
    kind = wire.get("type")
    if isinstance(block, str):
        return text_part(block)
    if "text" in wire and kind in {None, "text", "input_text", "output_text"}:
        return text_part(wire["text"])
    if kind == "tool_use":
        return tool_call_part(wire.get("id"), wire.get("name"), wire.get("input"))
    if kind == "tool_result":
        return tool_result_part(wire.get("tool_use_id"), wire.get("content"))
    return _bedrock_part(wire)


def _bedrock_part(wire: JsonObject) -> Part:
    if "toolUse" in wire:
        use = object_of(wire["toolUse"])
        return tool_call_part(use.get("toolUseId"), use.get("name"), use.get("input"))
    if "toolResult" in wire:
        result = object_of(wire["toolResult"])
        return tool_result_part(result.get("toolUseId"), result.get("content"))
    return other_part(wire)


def _tool_call(wire: JsonObject) -> Part:
    function = object_of(wire.get("function"))
    return tool_call_part(
        wire.get("id"),
        function.get("name", wire.get("name")),
        function.get("arguments", wire.get("arguments")),
    )
