"""Message parts as the GenAI conventions have them, built from wire values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from otel_agent_replay.instrument.providers.json_access import (
    json_or_none,
    json_text,
    rest,
    text,
)
from otel_agent_replay.model.messages import Part
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = [
    "arguments_text",
    "blob_part",
    "file_part",
    "function_tool",
    "link_part",
    "modality_of",
    "other_part",
    "parts_of_type",
    "reasoning_part",
    "text_content",
    "text_part",
    "tool_call_part",
    "tool_result_part",
]

_DATA_URL: Final = re.compile(r"data:([^;,]*)((?:;[^;,]*)*?);base64,", re.IGNORECASE)

RAW_ARGUMENTS: Final = "arguments_text"
"""Extra key: a call's arguments exactly as sent, where re-writing would change them."""

_NO_EXTRA: Final[Mapping[str, JsonValue]] = {}


def text_part(content: JsonValue, extra: Mapping[str, JsonValue] = _NO_EXTRA) -> Part:
    """Return a `text` part."""
    return {**extra, "type": "text", "content": content}


def reasoning_part(
    content: JsonValue,
    extra: Mapping[str, JsonValue] = _NO_EXTRA,
) -> Part:
    """Return a `reasoning` part; signatures stand in `extra`."""
    return {**extra, "type": "reasoning", "content": content}


def tool_call_part(
    call_id: JsonValue,
    name: JsonValue,
    arguments: JsonValue,
    extra: Mapping[str, JsonValue] = _NO_EXTRA,
) -> Part:
    """Return a `tool_call` part of arguments that the wire holds as JSON text.

    Text that is no JSON stays text. Where writing the value again would give
    other text, the text stands beside it.
    """
    value, raw = _parsed(arguments)
    part: Part = {**extra, "type": "tool_call"}
    if call_id is not None:
        part["id"] = call_id
    part |= {"name": name, "arguments": value}
    if raw is not None:
        part[RAW_ARGUMENTS] = raw
    return part


def _parsed(arguments: JsonValue) -> tuple[JsonValue, str | None]:
    """Return arguments as a value, and their text unless the value implies it."""
    if not isinstance(arguments, str):
        return arguments, None
    value = json_or_none(arguments)
    if isinstance(value, dict | list):
        return value, None if json_text(value) == arguments else arguments
    return arguments, None


def arguments_text(part: Mapping[str, JsonValue]) -> str:
    """Return a call's arguments as JSON text, as it was sent where that is known."""
    value, raw = part.get("arguments"), text(part.get(RAW_ARGUMENTS))
    if raw is not None and json_or_none(raw) == value:
        return raw
    if isinstance(value, str):
        return value
    return json_text({} if value is None else value)


def tool_result_part(
    call_id: JsonValue,
    response: JsonValue,
    extra: Mapping[str, JsonValue] = _NO_EXTRA,
) -> Part:
    """Return a `tool_call_response` part."""
    identity: Part = {} if call_id is None else {"id": call_id}
    return {**extra, "type": "tool_call_response", **identity, "response": response}


def blob_part(
    modality: str,
    mime_type: JsonValue,
    content: JsonValue,
    extra: Mapping[str, JsonValue] = _NO_EXTRA,
) -> Part:
    """Return a `blob` part of base64 content."""
    part: Part = {**extra, "type": "blob", "modality": modality}
    if mime_type:
        part["mime_type"] = mime_type
    return {**part, "content": content}


def file_part(
    modality: str,
    file_id: JsonValue,
    extra: Mapping[str, JsonValue] = _NO_EXTRA,
) -> Part:
    """Return a `file` part of something uploaded before."""
    return {**extra, "type": "file", "modality": modality, "file_id": file_id}


def link_part(
    modality: str,
    url: JsonValue,
    extra: Mapping[str, JsonValue] = _NO_EXTRA,
) -> Part:
    """Return a `uri` part; a base64 `data:` URL becomes a `blob`."""
    match = _DATA_URL.match(url) if isinstance(url, str) else None
    if not isinstance(url, str) or match is None:
        return {**extra, "type": "uri", "modality": modality, "uri": url}
    kept = {"mime_parameters": match[2], **extra} if match[2] else extra
    return blob_part(modality, match[1], url[match.end() :], kept)


def modality_of(mime_type: JsonValue) -> str:
    """Return `image`, `audio` or `video` of a media type, else `document`."""
    family = mime_type.partition("/")[0] if isinstance(mime_type, str) else ""
    return family if family in {"image", "audio", "video"} else "document"


def other_part(wire: JsonValue) -> Part:
    """Return a wire part that the convention has no form for, as it is."""
    if isinstance(wire, dict) and isinstance(wire.get("type"), str):
        return wire
    return {"type": "unknown", "value": wire}


def function_tool(
    wire: JsonObject,
    parameters: str = "parameters",
) -> JsonObject:
    """Return a function's definition in the convention's form, other keys kept."""
    tool: JsonObject = {"type": "function", "name": wire.get("name")}
    if "description" in wire:
        tool["description"] = wire["description"]
    if parameters in wire:
        tool["parameters"] = wire[parameters]
    return {**rest(wire, {"type", "name", "description", parameters}), **tool}


def parts_of_type(parts: tuple[Part, ...], *types: str) -> list[Part]:
    """Return the parts of these types, in order."""
    return [part for part in parts if part.get("type") in types]


def text_content(parts: tuple[Part, ...], part_type: str) -> str | None:
    """Return the joined content of all parts of a type; None if there is none."""
    found = parts_of_type(parts, part_type)
    return "".join(text(part.get("content")) or "" for part in found) if found else None
