"""Gemini contents as GenAI messages, and back.

The API takes keys in camel case and in snake case, and SDKs send both; each is
read under either spelling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from otel_agent_replay.instrument.providers.json_access import (
    json_or_none,
    object_of,
    objects_of,
    rest,
    sequence,
    text,
)
from otel_agent_replay.instrument.providers.parts import (
    blob_part,
    function_tool,
    link_part,
    modality_of,
    reasoning_part,
    text_part,
    tool_call_part,
    tool_result_part,
)
from otel_agent_replay.model.messages import Message, Part
from otel_agent_replay.model.payload import JsonObject, JsonValue
from otel_agent_replay.model.shared import each_once

__all__ = ["camel", "merged_parts", "read_contents", "read_tools", "write_parts"]

_ROLES: Final[Mapping[str, str]] = {"model": "assistant"}


def camel(wire: JsonObject) -> JsonObject:
    """Return an object with its own keys in camel case; a key already so wins."""
    spelled = {_camel(key): value for key, value in wire.items()}
    return {**spelled, **{key: wire[key] for key in spelled if key in wire}}


def _camel(key: str) -> str:
    head, *tail = key.split("_")
    return head + "".join(each[:1].upper() + each[1:] for each in tail)


def read_contents(value: JsonValue) -> tuple[Message, ...]:
    """Return the messages of `contents`: one, several, or a text."""
    items = value if isinstance(value, list) else [value]
    return each_once(_read_content, (i for i in items if i is not None))


def _read_content(wire: JsonValue) -> Message:
    if isinstance(wire, str):
        return Message(role="user", parts=(text_part(wire),))
    if not isinstance(wire, dict):
        return Message(role="", extra={"value": wire})
    role = text(wire.get("role")) or "user"
    parts = sequence(wire.get("parts"))
    return Message(
        role=_ROLES.get(role, role),
        parts=tuple(map(_read_part, parts)),
        extra=rest(wire, {"role", "parts"}),
    )


def _read_part(wire: JsonValue) -> Part:
    if isinstance(wire, str):
        return text_part(wire)
    part = camel(object_of(wire))
    key = next((key for key in _READERS if key in part), None)
    if key is None:
        return {"type": "unknown", "value": wire}
    return _READERS[key](part[key], rest(part, {key}))


def _text(value: JsonValue, extra: JsonObject) -> Part:
    if extra.get("thought") is True:
        return reasoning_part(value, rest(extra, {"thought"}))
    return text_part(value, extra)


def _call(value: JsonValue, extra: JsonObject) -> Part:
    call = camel(object_of(value))
    extra = {**extra, **rest(call, {"id", "name", "args"})}
    part = tool_call_part(call.get("id"), call.get("name"), None, extra)
    return {**part, "arguments": call.get("args")}


def _result(value: JsonValue, extra: JsonObject) -> Part:
    result = camel(object_of(value))
    extra = {**extra, **rest(result, {"id", "response"})}
    return tool_result_part(result.get("id"), result.get("response"), extra)


def _blob(value: JsonValue, extra: JsonObject) -> Part:
    blob = camel(object_of(value))
    extra = {**extra, **rest(blob, {"mimeType", "data"})}
    mime_type = blob.get("mimeType")
    return blob_part(modality_of(mime_type), mime_type, blob.get("data"), extra)


def _uri(value: JsonValue, extra: JsonObject) -> Part:
    file = camel(object_of(value))
    extra = {**extra, **rest(file, {"mimeType", "fileUri"})}
    mime_type = file.get("mimeType")
    part = link_part(modality_of(mime_type), file.get("fileUri"), extra)
    return {**part, "mime_type": mime_type} if mime_type else part


def _code(value: JsonValue, extra: JsonObject) -> Part:
    head: Part = {**extra, "type": "server_tool_call", "name": "code_execution"}
    return {**head, "server_tool_call": value}


def _code_result(value: JsonValue, extra: JsonObject) -> Part:
    head: Part = {**extra, "type": "server_tool_call_response"}
    return {**head, "server_tool_call_response": value}


_READERS: Final[Mapping[str, Callable[[JsonValue, JsonObject], Part]]] = {
    "text": _text,
    "functionCall": _call,
    "functionResponse": _result,
    "inlineData": _blob,
    "fileData": _uri,
    "executableCode": _code,
    "codeExecutionResult": _code_result,
}


def read_tools(value: JsonValue) -> tuple[JsonObject, ...]:
    """Return one definition a function, and one a built-in tool."""
    tools: list[JsonObject] = []
    for wire in objects_of(value):
        tool = camel(wire)
        functions = [
            camel(each) for each in objects_of(tool.get("functionDeclarations"))
        ]
        tools += [_read_function(each) for each in functions]
        for key, settings in tool.items():
            if key != "functionDeclarations":
                tools.append({"type": key, "name": key, "settings": settings})
    return tuple(tools)


def _read_function(wire: JsonObject) -> JsonObject:
    has_schema = "parameters" not in wire and "parametersJsonSchema" in wire
    return function_tool(wire, "parametersJsonSchema" if has_schema else "parameters")


def merged_parts(parts: list[JsonValue]) -> list[JsonValue]:
    """Return streamed parts with neighbouring texts joined.

    A part with a signature stands alone: the signature is about that part.
    """
    merged: list[JsonValue] = []
    for wire in parts:
        part = camel(object_of(wire))
        before = camel(object_of(merged[-1])) if merged else {}
        if _goes_on(before, part):
            said = f"{before.get('text') or ''}{part.get('text') or ''}"
            merged[-1] = {**before, "text": said}
        else:
            merged.append(wire)
    return merged


def _goes_on(before: JsonObject, part: JsonObject) -> bool:
    same = before.get("thought") == part.get("thought")
    return same and _is_plain_text(before) and _is_plain_text(part)


def _is_plain_text(part: JsonObject) -> bool:
    return isinstance(part.get("text"), str) and set(part) <= {"text", "thought"}


def write_parts(parts: tuple[Part, ...]) -> list[JsonObject]:
    """Return the wire parts of an answer; parts of other APIs are left out."""
    written = [_write_part(part) for part in parts]
    return [part for part in written if part is not None]


def _write_part(part: Part) -> JsonObject | None:
    writer = _WRITERS.get(str(part.get("type")))
    if writer is not None:
        return writer(part)
    value = part.get("value")
    return value if isinstance(value, dict) else None


def _written_text(part: Part) -> JsonObject:
    return {**rest(part, {"type", "content", "item"}), "text": part.get("content")}


def _written_reasoning(part: Part) -> JsonObject:
    extra = rest(part, {"type", "content", "item"})
    return {**extra, "text": part.get("content"), "thought": True}


def _written_call(part: Part) -> JsonObject:
    arguments = part.get("arguments")
    if isinstance(arguments, str):
        read = json_or_none(arguments)
        wrapped: JsonObject = {"value": arguments}
        arguments = read if isinstance(read, dict) else wrapped
    call: JsonObject = {"name": part.get("name"), "args": arguments}
    if part.get("id") is not None:
        call["id"] = part["id"]
    own = {"type", "id", "name", "arguments", "arguments_text", "item"}
    return {**rest(part, own), "functionCall": call}


def _written_blob(part: Part) -> JsonObject:
    blob: JsonObject = {"mimeType": part.get("mime_type"), "data": part.get("content")}
    extra = rest(part, {"type", "modality", "mime_type", "content"})
    return {**extra, "inlineData": blob}


def _written_code(part: Part) -> JsonObject:
    extra = rest(part, {"type", "id", "name", "server_tool_call"})
    return {**extra, "executableCode": part.get("server_tool_call")}


def _written_code_result(part: Part) -> JsonObject:
    extra = rest(part, {"type", "id", "server_tool_call_response"})
    return {**extra, "codeExecutionResult": part.get("server_tool_call_response")}


_WRITERS: Final[Mapping[str, Callable[[Part], JsonObject]]] = {
    "text": _written_text,
    "refusal": _written_text,
    "reasoning": _written_reasoning,
    "tool_call": _written_call,
    "blob": _written_blob,
    "server_tool_call": _written_code,
    "server_tool_call_response": _written_code_result,
}
