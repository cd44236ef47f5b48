"""Chat Completions messages as GenAI messages, and answers back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from otel_agent_replay.instrument.providers.json_access import (
    object_of,
    objects_of,
    rest,
    sequence,
    text,
)
from otel_agent_replay.instrument.providers.parts import (
    arguments_text,
    blob_part,
    file_part,
    link_part,
    other_part,
    parts_of_type,
    reasoning_part,
    text_content,
    text_part,
    tool_call_part,
    tool_result_part,
)
from otel_agent_replay.model.messages import Message, Part
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = ["CONTENT_PARTS", "content_parts", "read_message", "write_message"]

_RESULT_KEYS: Final = frozenset({"role", "name", "content", "tool_call_id"})
_SAID_KEYS: Final = frozenset(
    {
        "role",
        "name",
        "content",
        "refusal",
        "audio",
        "reasoning_content",
        "reasoning",
        "tool_calls",
        "function_call",
    },
)
_REASONING_KEYS: Final = ("reasoning_content", "reasoning")
_RESULT_NAMELESS: Final = _RESULT_KEYS - {"name"}
_SAID_NAMELESS: Final = _SAID_KEYS - {"name"}
_RESULT_ROLES: Final = frozenset({"tool", "function"})

CALL_STYLE: Final = "call_type"
"""Extra key of a `tool_call` that is not an ordinary function call."""


def read_message(wire: JsonValue) -> Message:
    """Return a message of a request or a choice."""
    if not isinstance(wire, dict):
        return Message(role="", extra={"value": wire})
    role, name = text(wire.get("role")) or "", wire.get("name")
    named = isinstance(name, str)
    if role in _RESULT_ROLES:
        parts, known = _result_parts(wire), _RESULT_KEYS if named else _RESULT_NAMELESS
    else:
        parts, known = _said_parts(wire), _SAID_KEYS if named else _SAID_NAMELESS
    return Message(
        role=role, parts=tuple(parts), name=text(name), extra=rest(wire, known)
    )


def _result_parts(wire: JsonObject) -> list[Part]:
    return [tool_result_part(wire.get("tool_call_id"), wire.get("content"))]


def _said_parts(wire: JsonObject) -> list[Part]:
    return [
        *_reasoning_parts(wire),
        *content_parts(wire.get("content")),
        *_refusal_parts(wire),
        *_audio_parts(wire),
        *map(_tool_call, sequence(wire.get("tool_calls"))),
        *_function_call(wire),
    ]


def _reasoning_parts(wire: JsonObject) -> list[Part]:
    """Return reasoning text that compatible servers put beside `content`.

    Some say the same under both names; it is taken once.
    """
    said = {key: wire[key] for key in _REASONING_KEYS if wire.get(key)}
    if not said:
        return []
    if len(said) > 1 and wire["reasoning"] == wire["reasoning_content"]:
        del said["reasoning"]
    return [
        reasoning_part(value, {} if key == _REASONING_KEYS[0] else {"wire_key": key})
        for key, value in said.items()
    ]


def content_parts(content: JsonValue) -> list[Part]:
    """Return the parts of a message's `content`, a string or a list."""
    if content is None:
        return []
    if isinstance(content, str):
        return [text_part(content)]
    if not isinstance(content, list):
        return [other_part(content)]
    return [_content_part(item) for item in content]


def _content_part(wire: JsonValue) -> Part:
    if isinstance(wire, str):
        return text_part(wire)
    if not isinstance(wire, dict):
        return other_part(wire)
    reader = CONTENT_PARTS.get(str(wire.get("type")), other_part)
    return reader(wire)


def _text(wire: JsonObject) -> Part:
    return text_part(wire.get("text"), rest(wire, {"type", "text"}))


def _link(key: str, modality: str) -> Callable[[JsonObject], Part]:
    def read(wire: JsonObject) -> Part:
        target = wire.get(key)
        if isinstance(target, dict):
            extra = {**rest(wire, {"type", key}), **rest(target, {"url"})}
            return link_part(modality, target.get("url"), extra)
        return link_part(modality, target, rest(wire, {"type", key}))

    return read


def _audio(wire: JsonObject) -> Part:
    audio = object_of(wire.get("input_audio"))
    kind = text(audio.get("format"))
    extra = {
        **rest(wire, {"type", "input_audio"}),
        **rest(audio, {"data", "format"}),
    }
    return blob_part("audio", f"audio/{kind}" if kind else None, audio["data"], extra)


def _audio_or_other(wire: JsonObject) -> Part:
    has_data = "data" in object_of(wire.get("input_audio"))
    return _audio(wire) if has_data else other_part(wire)


def _file(wire: JsonObject) -> Part:
    file = object_of(wire.get("file"))
    extra = {**rest(wire, {"type", "file"}), **rest(file, {"file_id", "file_data"})}
    if file.get("file_id"):
        return file_part("document", file["file_id"], extra)
    if file.get("file_data"):
        return link_part("document", file["file_data"], extra)
    return {"type": "unknown", "value": wire}


def _refusal(wire: JsonObject) -> Part:
    extra = rest(wire, {"type", "refusal"})
    return {**extra, "type": "refusal", "content": wire.get("refusal")}


def _thinking(wire: JsonObject) -> Part:
    """Return Mistral's thinking chunk, a list of text chunks."""
    chunks = objects_of(wire.get("thinking"))
    said = "".join(text(chunk.get("text")) or "" for chunk in chunks)
    return reasoning_part(said, rest(wire, {"type"}))


CONTENT_PARTS: Final[Mapping[str, Callable[[JsonObject], Part]]] = {
    "text": _text,
    "image_url": _link("image_url", "image"),
    "video_url": _link("video_url", "video"),
    "audio_url": _link("audio_url", "audio"),
    "document_url": _link("document_url", "document"),
    "input_audio": _audio_or_other,
    "file": _file,
    "refusal": _refusal,
    "thinking": _thinking,
}


def _refusal_parts(wire: JsonObject) -> list[Part]:
    said = wire.get("refusal")
    return [] if said is None else [{"type": "refusal", "content": said}]


def _audio_parts(wire: JsonObject) -> list[Part]:
    audio = wire.get("audio")
    if not isinstance(audio, dict):
        return [] if audio is None else [other_part(audio)]
    if "data" not in audio:
        return [file_part("audio", audio.get("id"), rest(audio, {"id"}))]
    return [blob_part("audio", None, audio["data"], rest(audio, {"data"}))]


def _tool_call(wire: JsonValue) -> Part:
    call = object_of(wire)
    style = text(call.get("type")) or "function"
    body = call.get(style)
    if not isinstance(body, dict):
        return {"type": "unknown", "value": wire}
    arguments = "input" if style == "custom" else "arguments"
    extra = {
        **rest(call, {"id", "type", "index", style}),
        **rest(body, {"name", arguments}),
    }
    if style != "function":
        extra[CALL_STYLE] = style
    return tool_call_part(call.get("id"), body.get("name"), body.get(arguments), extra)


def _function_call(wire: JsonObject) -> list[Part]:
    """Return the one call of the API before tools; it has no id."""
    call = wire.get("function_call")
    if not isinstance(call, dict):
        return []
    extra = {**rest(call, {"name", "arguments"}), CALL_STYLE: "function_call"}
    return [tool_call_part(None, call.get("name"), call.get("arguments"), extra)]


def write_message(message: Message) -> JsonObject:
    """Return the wire message of an answer.

    Several texts become one, as the API has one; where a part says it stood in a
    content list, the list is written. Parts of other APIs are left out.
    """
    parts = message.parts
    wire: JsonObject = {
        "role": message.role or "assistant",
        "content": _written_content(parts),
        "refusal": text_content(parts, "refusal"),
    }
    if message.name is not None:
        wire["name"] = message.name
    for part in parts_of_type(parts, "reasoning"):
        if "thinking" not in part:
            key = text(part.get("wire_key")) or _REASONING_KEYS[0]
            wire[key] = f"{wire.get(key) or ''}{part.get('content') or ''}"
    for part in parts_of_type(parts, "blob"):
        if part.get("modality") == "audio":
            extra = rest(part, {"type", "modality", "content", "mime_type"})
            wire["audio"] = {**extra, "data": part.get("content")}
    wire |= _written_calls(parts)
    return {**{k: v for k, v in message.extra.items() if k != "choice"}, **wire}


def _written_content(parts: tuple[Part, ...]) -> JsonValue:
    if not any("thinking" in part for part in parts_of_type(parts, "reasoning")):
        return text_content(parts, "text")
    return [_written_chunk(part) for part in parts_of_type(parts, "text", "reasoning")]


def _written_chunk(part: Part) -> JsonObject:
    if part["type"] == "text":
        extra = rest(part, {"type", "content"})
        return {**extra, "type": "text", "text": part.get("content")}
    said: JsonObject = {"type": "text", "text": part.get("content")}
    thinking = part.get("thinking") or [said]
    return {**rest(part, {"type", "content"}), "type": "thinking", "thinking": thinking}


def _written_calls(parts: tuple[Part, ...]) -> JsonObject:
    calls = parts_of_type(parts, "tool_call")
    legacy = [part for part in calls if part.get(CALL_STYLE) == "function_call"]
    wire: JsonObject = {}
    if legacy:
        name = legacy[0].get("name")
        wire["function_call"] = {"name": name, "arguments": arguments_text(legacy[0])}
    modern = [part for part in calls if part not in legacy]
    if modern:
        wire["tool_calls"] = [
            _written_call(part, position) for position, part in enumerate(modern)
        ]
    return wire


def _written_call(part: Part, position: int) -> JsonObject:
    style = text(part.get(CALL_STYLE)) or "function"
    arguments = "input" if style == "custom" else "arguments"
    own = {"type", "id", "name", "arguments", "arguments_text", CALL_STYLE}
    return {
        **rest(part, own),
        # SDKs match results to calls by id; a foreign record may have none.
        "id": part.get("id") or f"call_{position}",
        "type": style,
        style: {"name": part.get("name"), arguments: arguments_text(part)},
    }
