"""OpenAI Responses streams: events to one response, a response to events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from otel_agent_replay.instrument.providers.json_access import (
    count,
    object_of,
    objects_of,
    rest,
    scalar_text,
    text,
)
from otel_agent_replay.instrument.providers.sse import render_event
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = ["assembled", "rendered_events"]

_FINAL: Final = frozenset(
    {
        "response.completed",
        "response.incomplete",
        "response.failed",
        "response.cancelled",
    },
)
_Place: TypeAlias = tuple[str | None, str | None, str]

# Event → list in the item, key of the place in it, key of the text.
_DELTAS: Final[Mapping[str, _Place]] = {
    "response.output_text.delta": ("content", "content_index", "text"),
    "response.refusal.delta": ("content", "content_index", "refusal"),
    "response.reasoning_text.delta": ("content", "content_index", "text"),
    "response.reasoning_summary_text.delta": ("summary", "summary_index", "text"),
    "response.function_call_arguments.delta": (None, None, "arguments"),
    "response.mcp_call_arguments.delta": (None, None, "arguments"),
    "response.custom_tool_call_input.delta": (None, None, "input"),
    "response.code_interpreter_call_code.delta": (None, None, "code"),
}
_TYPES: Final[Mapping[str, str]] = {
    "response.output_text.delta": "output_text",
    "response.refusal.delta": "refusal",
    "response.reasoning_text.delta": "reasoning_text",
    "response.reasoning_summary_text.delta": "summary_text",
}


def assembled(events: list[JsonObject]) -> tuple[JsonObject, bool]:
    """Return the response that a stream makes, and whether its end came.

    The last event repeats everything; where it did not come, or a server leaves
    its output empty, the output is put together from the pieces.
    """
    wire: JsonObject = {}
    items: dict[int, JsonObject] = {}
    ended = False
    for event in events:
        kind = text(event.get("type")) or ""
        if isinstance(event.get("response"), dict):
            wire |= object_of(event["response"])
            ended = ended or kind in _FINAL
        elif kind == "error":
            wire["error"] = event.get("error") or rest(event, {"sequence_number"})
        else:
            _take_piece(items, kind, event)
    if items and not wire.get("output"):
        wire["output"] = [items[index] for index in sorted(items)]
    return wire, ended


def _take_piece(items: dict[int, JsonObject], kind: str, event: JsonObject) -> None:
    index = count(event.get("output_index")) or 0
    if kind in {"response.output_item.added", "response.output_item.done"}:
        items[index] = {**object_of(event.get("item"))}
    elif kind in _DELTAS:
        _add_delta(items.setdefault(index, {"type": "message"}), kind, event)


def _add_delta(item: JsonObject, kind: str, event: JsonObject) -> None:
    key_of_list, key_of_place, key = _DELTAS[kind]
    target = item
    if key_of_list and key_of_place:
        place = count(event.get(key_of_place)) or 0
        pieces = [{**each} for each in objects_of(item.get(key_of_list))]
        place = min(max(place, 0), len(pieces))
        if place == len(pieces):
            pieces.append({"type": _TYPES[kind], key: ""})
        item[key_of_list] = list(pieces)
        target = pieces[place]
        item.setdefault("role", "assistant") if item["type"] == "message" else None
    target[key] = f"{target.get(key) or ''}{scalar_text(event.get('delta'))}"


def rendered_events(wire: JsonObject, *, complete: bool) -> Iterator[bytes]:
    """Yield the events that stream a response given in its plain form.

    Without `complete` the stream breaks off after the last item.
    """
    output = objects_of(wire.get("output"))
    opening: JsonObject = {**wire, "output": [], "status": "in_progress"}
    opening |= {"usage": None, "incomplete_details": None, "error": None}
    events: list[JsonObject] = [
        {"type": "response.created", "response": opening},
        {"type": "response.in_progress", "response": opening},
    ]
    for index, item in enumerate(output):
        events += _item_events(item, index)
    if not complete and wire.get("error"):
        events.append(_failure(wire["error"]))
    if complete:
        status = text(wire.get("status")) or "completed"
        kind = f"response.{status}"
        kind = kind if kind in _FINAL else "response.completed"
        events.append({"type": kind, "response": wire})
    for number, event in enumerate(events):
        yield render_event(
            {**event, "sequence_number": number}, name=str(event["type"])
        )


def _failure(error: JsonValue) -> JsonObject:
    """Return the event of an error, which may be that event itself."""
    said = object_of(error)
    return said if said.get("type") == "error" else {"type": "error", "error": error}


def _item_events(item: JsonObject, index: int) -> list[JsonObject]:
    where: JsonObject = {"output_index": index}
    bare: JsonObject = (
        {**item, "status": "in_progress"} if "status" in item else {**item}
    )
    pieces: list[JsonObject] = []
    if item.get("type") == "message":
        bare["content"] = []
        for position, part in enumerate(objects_of(item.get("content"))):
            pieces += _content_events(part, position)
    elif item.get("type") in _CALLS:
        pieces = _call_events(item)
        bare[_CALLS[str(item["type"])][1]] = ""
    elif item.get("type") == "reasoning":
        bare["summary"] = []
        for position, part in enumerate(objects_of(item.get("summary"))):
            pieces += _summary_events(part, position)
    identity: JsonObject = {**where, "item_id": item.get("id")}
    return [
        {"type": "response.output_item.added", **where, "item": bare},
        *({**piece, **identity} for piece in pieces),
        {"type": "response.output_item.done", **where, "item": item},
    ]


_CALLS: Final = {
    "function_call": ("response.function_call_arguments", "arguments"),
    "custom_tool_call": ("response.custom_tool_call_input", "input"),
}


def _call_events(item: JsonObject) -> list[JsonObject]:
    name, key = _CALLS[str(item["type"])]
    return [
        {"type": f"{name}.delta", "delta": item.get(key)},
        {"type": f"{name}.done", key: item.get(key), "name": item.get("name")},
    ]


def _content_events(part: JsonObject, position: int) -> list[JsonObject]:
    key = "refusal" if part.get("type") == "refusal" else "text"
    name = "response.refusal" if key == "refusal" else "response.output_text"
    where: JsonObject = {"content_index": position}
    blank: JsonObject = {**part, key: ""}
    probabilities: JsonObject = {"logprobs": []} if key == "text" else {}
    said: JsonValue = part.get(key)
    return [
        {"type": "response.content_part.added", **where, "part": blank},
        {"type": f"{name}.delta", **where, **probabilities, "delta": said},
        {"type": f"{name}.done", **where, **probabilities, key: said},
        {"type": "response.content_part.done", **where, "part": part},
    ]


def _summary_events(part: JsonObject, position: int) -> list[JsonObject]:
    where: JsonObject = {"summary_index": position}
    name = "response.reasoning_summary"
    blank: JsonObject = {**part, "text": ""}
    said = part.get("text")
    return [
        {"type": f"{name}_part.added", **where, "part": blank},
        {"type": f"{name}_text.delta", **where, "delta": said},
        {"type": f"{name}_text.done", **where, "text": said},
        {"type": f"{name}_part.done", **where, "part": part},
    ]
