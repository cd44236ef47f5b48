"""Items of the OpenAI Responses API as GenAI messages, and back.

An item is what a message part is elsewhere. What an item says beside the part's
own keys (its id, its status) stands in the part under `item`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import Final

from otel_agent_replay.instrument.providers.json_access import (
    object_of,
    objects_of,
    rest,
    scalar_text,
    sequence,
    text,
)
from otel_agent_replay.instrument.providers.openai_chat_messages import (
    CONTENT_PARTS,
    content_parts,
)
from otel_agent_replay.instrument.providers.parts import (
    arguments_text,
    file_part,
    link_part,
    other_part,
    reasoning_part,
    text_part,
    tool_call_part,
    tool_result_part,
)
from otel_agent_replay.model.messages import Message, Part
from otel_agent_replay.model.payload import JsonObject, JsonValue
from otel_agent_replay.model.shared import each_once

__all__ = ["read_items", "write_items"]

ITEM: Final = "item"
_MESSAGE: Final = frozenset({"type", "role", "content", "name"})


def read_items(value: JsonValue) -> tuple[Message, ...]:
    """Return the messages of an `input` or `output`.

    What the assistant says and does in a row is one message, as it is one answer.
    """
    if isinstance(value, str):
        return (Message(role="user", parts=(text_part(value),)),)
    read = [*each_once(_read_item, sequence(value))]
    return tuple(_joined(read))


def _joined(messages: list[Message]) -> Iterable[Message]:
    for (role, name), group in groupby(
        messages, key=lambda each: (each.role, each.name)
    ):
        if role != "assistant":
            yield from group
            continue
        parts = tuple(part for message in group for part in message.parts)
        yield Message(role=role, name=name, parts=parts)


def _read_item(wire: JsonValue) -> Message:
    item = object_of(wire)
    kind = str(item.get("type") or "message")
    if kind == "message" and "role" in item:
        return _read_message(item)
    if kind.endswith(("_call_output", "_approval_response")):
        return Message(role="tool", parts=(_result(item),))
    return Message(role="assistant", parts=(_said(kind, wire),))


def _read_message(item: JsonObject) -> Message:
    kept = rest(item, _MESSAGE)
    parts = [_content_part(part) for part in _content_items(item.get("content"))]
    if kept:
        parts = [{**part, ITEM: kept} for part in parts]
    return Message(
        role=text(item.get("role")) or "",
        name=text(item.get("name")),
        parts=tuple(parts),
        extra={} if parts else kept,
    )


def _content_items(content: JsonValue) -> list[JsonValue]:
    if content is None:
        return []
    return content if isinstance(content, list) else [content]


def _content_part(wire: JsonValue) -> Part:
    content = object_of(wire)
    reader = _CONTENT.get(str(content.get("type")))
    return reader(content) if reader else content_parts([wire])[0]


def _text(wire: JsonObject) -> Part:
    return text_part(wire.get("text"), rest(wire, {"type", "text"}))


def _image(wire: JsonObject) -> Part:
    extra = rest(wire, {"type", "image_url", "file_id"})
    if wire.get("file_id"):
        return file_part("image", wire["file_id"], extra)
    return link_part("image", wire.get("image_url"), extra)


def _file(wire: JsonObject) -> Part:
    places = ("file_id", "file_url", "file_data")
    place = next((key for key in places if wire.get(key)), None)
    extra = rest(wire, {"type", *places})
    if place is None:
        return other_part(wire)
    if place == "file_id":
        return file_part("document", wire[place], extra)
    return link_part("document", wire[place], extra)


_CONTENT: Final[Mapping[str, Callable[[JsonObject], Part]]] = {
    "input_text": _text,
    "output_text": _text,
    "summary_text": _text,
    "input_image": _image,
    "input_file": _file,
    "input_audio": CONTENT_PARTS["input_audio"],
    "refusal": CONTENT_PARTS["refusal"],
}


def _said(kind: str, wire: JsonValue) -> Part:
    item = object_of(wire)
    if reader := _ITEMS.get(kind):
        return reader(item)
    if kind.endswith("_call"):
        return _client_call(item) if "call_id" in item else _server_call(item)
    return other_part(wire)


def _with_item(part: Part, item: JsonObject, known: set[str]) -> Part:
    kept = rest(item, known)
    return {**part, ITEM: kept} if kept else part


def _function_call(item: JsonObject) -> Part:
    part = tool_call_part(item.get("call_id"), item.get("name"), item.get("arguments"))
    return _with_item(part, item, {"type", "call_id", "name", "arguments"})


def _custom_call(item: JsonObject) -> Part:
    part = tool_call_part(item.get("call_id"), item.get("name"), item.get("input"))
    return _with_item(part, item, {"call_id", "name", "input"})


def _client_call(item: JsonObject) -> Part:
    """Return a call of a built-in tool that the agent runs: computer, shell, patch."""
    kind = str(item["type"])
    about: JsonObject = {
        "type": kind,
        "id": item.get("id"),
        "status": item.get("status"),
    }
    arguments: JsonObject = rest(item, {*about, "call_id"})
    part = tool_call_part(item["call_id"], kind.removesuffix("_call"), arguments)
    return _with_item(part, about, set())


def _server_call(item: JsonObject) -> Part:
    """Return a call that the provider ran itself, with its result."""
    kind = str(item["type"])
    part: Part = {"type": "server_tool_call"}
    if item.get("id") is not None:
        part["id"] = item["id"]
    called: JsonObject = {key: value for key, value in item.items() if key != "id"}
    name = item.get("name") or kind.removesuffix("_call")
    return {**part, "name": name, "server_tool_call": called}


def _reasoning(item: JsonObject) -> Part:
    """Return a reasoning item; its summary stands in where it gives no text."""
    texts = _texts(item.get("content")) or _texts(item.get("summary"))
    return _with_item(reasoning_part("\n\n".join(texts)), item, {"type"})


def _texts(value: JsonValue) -> list[str]:
    return [scalar_text(each.get("text")) for each in objects_of(value)]


_ITEMS: Final[Mapping[str, Callable[[JsonObject], Part]]] = {
    "function_call": _function_call,
    "custom_tool_call": _custom_call,
    "reasoning": _reasoning,
}


def _result(item: JsonObject) -> Part:
    part = tool_result_part(item.get("call_id"), item.get("output"))
    known = {"call_id", "output"}
    if item.get("type") == "function_call_output":
        known.add("type")
    return _with_item(part, item, known)


def write_items(messages: tuple[Message, ...]) -> list[JsonObject]:
    """Return the output items of an answer.

    Neighbouring texts that say the same about their item are one message item.
    Ids that are not known are made from the position.
    """
    parts = [part for message in messages for part in message.parts]
    runs = groupby(parts, key=lambda part: (_is_content(part), part.get(ITEM)))
    items: list[JsonObject] = []
    for (is_content, kept), group in runs:
        if is_content:
            items.append(_message_item(object_of(kept), list(group), len(items)))
        else:
            items += [_item(part, n) for n, part in enumerate(group, len(items))]
    return items


def _is_content(part: Part) -> bool:
    return part.get("type") in {"text", "refusal"}


def _message_item(kept: JsonObject, parts: list[Part], position: int) -> JsonObject:
    return {
        "id": f"msg_{position}",
        "status": "completed",
        **kept,
        "type": "message",
        "role": "assistant",
        "content": [_written_content(part) for part in parts],
    }


def _written_content(part: Part) -> JsonObject:
    extra = rest(part, {"type", "content", ITEM})
    if part["type"] == "refusal":
        return {**extra, "type": "refusal", "refusal": part.get("content")}
    blank: JsonObject = {"annotations": [], "logprobs": []}
    return {**blank, **extra, "type": "output_text", "text": part.get("content")}


def _item(part: Part, position: int) -> JsonObject:
    writer = _WRITERS.get(str(part.get("type")))
    return writer(part, position) if writer else part


def _written_call(part: Part, position: int) -> JsonObject:
    kept = object_of(part.get(ITEM))
    kind = text(kept.get("type")) or "function_call"
    head: JsonObject = {
        **kept,
        "type": kind,
        "call_id": part.get("id") or f"call_{position}",
    }
    if kind not in _CALL_ARGUMENTS:
        return {**head, **object_of(part.get("arguments"))}
    said: JsonObject = {_CALL_ARGUMENTS[kind]: arguments_text(part)}
    return (
        {"id": f"fc_{position}", "status": "completed"}
        | head
        | {
            "name": part.get("name"),
            **said,
        }
    )


_CALL_ARGUMENTS: Final = {"function_call": "arguments", "custom_tool_call": "input"}


def _written_server_call(part: Part, position: int) -> JsonObject:
    called = object_of(part.get("server_tool_call"))
    kind = text(called.get("type")) or f"{part.get('name')}_call"
    return {"id": part.get("id") or f"ws_{position}", **called, "type": kind}


def _written_reasoning(part: Part, position: int) -> JsonObject:
    """Return a reasoning item; text that its parts do not say becomes its summary."""
    kept = object_of(part.get(ITEM))
    texts = _texts(kept.get("content")) or _texts(kept.get("summary"))
    head: JsonObject = {"id": f"rs_{position}", "summary": [], **kept}
    said = part.get("content")
    if said and said != "\n\n".join(texts):
        head["summary"] = [{"type": "summary_text", "text": said}]
    return {**head, "type": "reasoning"}


_WRITERS: Final[Mapping[str, Callable[[Part, int], JsonObject]]] = {
    "tool_call": _written_call,
    "server_tool_call": _written_server_call,
    "reasoning": _written_reasoning,
}
