"""Anthropic content blocks as GenAI parts, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from otel_agent_replay.instrument.providers.json_access import (
    json_or_none,
    object_of,
    rest,
    text,
)
from otel_agent_replay.instrument.providers.parts import (
    blob_part,
    file_part,
    link_part,
    modality_of,
    other_part,
    reasoning_part,
    text_part,
    tool_call_part,
    tool_result_part,
)
from otel_agent_replay.model.messages import Part
from otel_agent_replay.model.payload import JsonObject, JsonValue
from otel_agent_replay.model.shared import each_once

__all__ = ["read_blocks", "write_blocks"]


def read_blocks(content: JsonValue) -> list[Part]:
    """Return the parts of a message's `content`, a string or blocks."""
    if content is None:
        return []
    if isinstance(content, str):
        return [text_part(content)]
    if not isinstance(content, list):
        return [other_part(content)]
    return [*each_once(_read_block, content)]


def _read_block(wire: JsonValue) -> Part:
    block = object_of(wire)
    kind = str(block.get("type"))
    if reader := _READERS.get(kind):
        return reader(block)
    if kind.endswith("_tool_use"):
        return _server_call(block)
    if kind.endswith("_tool_result"):
        return _server_result(block)
    return other_part(wire)


def _text(block: JsonObject) -> Part:
    return text_part(block.get("text"), rest(block, {"type", "text"}))


def _thinking(block: JsonObject) -> Part:
    return reasoning_part(block.get("thinking"), rest(block, {"type", "thinking"}))


def _redacted_thinking(block: JsonObject) -> Part:
    extra: JsonObject = {"encrypted_content": block.get("data")}
    return reasoning_part("", {**rest(block, {"type", "data"}), **extra})


def _tool_use(block: JsonObject) -> Part:
    extra = rest(block, {"type", "id", "name", "input"})
    part = tool_call_part(block.get("id"), block.get("name"), None, extra)
    return {**part, "arguments": block.get("input")}


def _tool_result(block: JsonObject) -> Part:
    extra = rest(block, {"type", "tool_use_id", "content"})
    return tool_result_part(block.get("tool_use_id"), block.get("content"), extra)


def _server_call(block: JsonObject) -> Part:
    called: JsonObject = {key: value for key, value in block.items() if key != "id"}
    identity: Part = {"id": block["id"]} if "id" in block else {}
    name = block.get("name") or block["type"]
    head: Part = {"type": "server_tool_call", **identity}
    return {**head, "name": name, "server_tool_call": called}


def _server_result(block: JsonObject) -> Part:
    key = "tool_use_id"
    answered: JsonObject = {k: value for k, value in block.items() if k != key}
    identity: Part = {"id": block[key]} if key in block else {}
    head: Part = {"type": "server_tool_call_response", **identity}
    return {**head, "server_tool_call_response": answered}


def _media(block: JsonObject) -> Part:
    source = object_of(block.get("source"))
    reader = _SOURCES.get(str(source.get("type")))
    if reader is None:
        return other_part(block)
    is_image = block.get("type") == "image"
    modality = "image" if is_image else modality_of(source.get("media_type"))
    return reader(modality, source, rest(block, {"type", "source"}))


def _base64(modality: str, source: JsonObject, extra: JsonObject) -> Part:
    extra = {**extra, **rest(source, {"type", "media_type", "data"})}
    return blob_part(modality, source.get("media_type"), source.get("data"), extra)


def _url(modality: str, source: JsonObject, extra: JsonObject) -> Part:
    extra = {**extra, **rest(source, {"type", "url"})}
    return link_part(modality, source.get("url"), extra)


def _file(modality: str, source: JsonObject, extra: JsonObject) -> Part:
    extra = {**extra, **rest(source, {"type", "file_id"})}
    return file_part(modality, source.get("file_id"), extra)


_SOURCES: Final[Mapping[str, Callable[[str, JsonObject, JsonObject], Part]]] = {
    "base64": _base64,
    "url": _url,
    "file": _file,
}
_READERS: Final[Mapping[str, Callable[[JsonObject], Part]]] = {
    "text": _text,
    "thinking": _thinking,
    "redacted_thinking": _redacted_thinking,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "image": _media,
    "document": _media,
}


def write_blocks(parts: tuple[Part, ...]) -> list[JsonObject]:
    """Return the content blocks of an answer; parts of other APIs are left out."""
    written = [_write_block(part, position) for position, part in enumerate(parts)]
    return [block for block in written if block is not None]


def _write_block(part: Part, position: int) -> JsonObject | None:
    kind = str(part.get("type"))
    if writer := _WRITERS.get(kind):
        return writer(part, position)
    return None if kind in _FOREIGN else part


def _written_text(part: Part, position: int) -> JsonObject:
    del position
    extra = rest(part, {"type", "content", "item"})
    return {**extra, "type": "text", "text": part.get("content")}


def _written_reasoning(part: Part, position: int) -> JsonObject:
    del position
    extra = rest(part, {"type", "content"})
    if "encrypted_content" in extra:
        data = extra.pop("encrypted_content")
        return {**extra, "type": "redacted_thinking", "data": data}
    said = part.get("content")
    return {"signature": "", **extra, "type": "thinking", "thinking": said}


def _written_call(part: Part, position: int) -> JsonObject:
    """Return a tool use; arguments that are text are read, as here they are JSON."""
    arguments = part.get("arguments")
    if isinstance(arguments, str):
        read = json_or_none(arguments)
        arguments = read if isinstance(read, dict) else arguments
    own = {"type", "id", "name", "arguments", "arguments_text", "item"}
    return {
        **rest(part, own),
        "type": "tool_use",
        "id": part.get("id") or f"toolu_{position}",
        "name": part.get("name"),
        "input": {} if arguments is None else arguments,
    }


def _written_server_call(part: Part, position: int) -> JsonObject:
    called = object_of(part.get("server_tool_call"))
    kind = text(called.get("type")) or "server_tool_use"
    identity = part.get("id") or f"srvtoolu_{position}"
    return {"name": part.get("name"), **called, "type": kind, "id": identity}


def _written_server_result(part: Part, position: int) -> JsonObject:
    del position
    answered = object_of(part.get("server_tool_call_response"))
    return {**answered, "tool_use_id": part.get("id")}


def _written_refusal(part: Part, position: int) -> JsonObject:
    del position
    return {"type": "text", "text": part.get("content")}


_WRITERS: Final[Mapping[str, Callable[[Part, int], JsonObject]]] = {
    "text": _written_text,
    "reasoning": _written_reasoning,
    "tool_call": _written_call,
    "server_tool_call": _written_server_call,
    "server_tool_call_response": _written_server_result,
    "refusal": _written_refusal,
}
_FOREIGN: Final = frozenset({"tool_call_response", "blob", "uri", "file", "unknown"})
