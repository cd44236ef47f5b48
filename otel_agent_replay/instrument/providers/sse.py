"""Streams of JSON: server-sent events, a JSON array in pieces, JSON lines."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from otel_agent_replay.instrument.providers.json_access import json_or_none, json_text
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = [
    "EVENT_STREAM",
    "JSON",
    "ServerSentEvent",
    "StreamedJson",
    "looks_like_events",
    "parse_events",
    "parse_json_array",
    "parse_json_lines",
    "read_events",
    "render_event",
]

EVENT_STREAM: Final = "text/event-stream; charset=utf-8"
JSON: Final = "application/json"
DONE: Final = "[DONE]"

_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_FIELD: Final = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*(?:data|event|id|retry)?:")
_GAP: Final = re.compile(r"[\s,]*")
_DECODER: Final = json.JSONDecoder(strict=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSentEvent:
    """One event: its name, its data lines joined by newlines, its id."""

    name: str = "message"
    data: str = ""
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedJson:
    """The JSON values of a stream.

    Attributes:
        values: What could be read, in order.
        ended: Whether the end mark came: `[DONE]`, or the array's bracket.
        broken: Whether something in it is no JSON.
    """

    values: tuple[JsonValue, ...] = ()
    ended: bool = False
    broken: bool = False


def looks_like_events(body: bytes) -> bool:
    """Return whether a body starts as server-sent events do."""
    return _FIELD.match(body[:64]) is not None


def parse_events(body: bytes) -> tuple[ServerSentEvent, ...]:
    """Return the events of a `text/event-stream` body.

    Lines end in CR, LF or CRLF; comments and a byte order mark are skipped. An
    event that the end of the body cuts off before its blank line is kept.
    """
    lines = _LINE_END.split(body.decode("utf-8", "replace").removeprefix("\ufeff"))
    events: list[ServerSentEvent] = []
    name, data, event_id = "", list[str](), None
    for line in (*lines, ""):
        if line:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "data":
                data.append(value)
            elif field == "event":
                name = value
            elif field == "id":
                event_id = value
        elif data:
            event = ServerSentEvent(
                name=name or "message", data="\n".join(data), id=event_id
            )
            events.append(event)
            name, data = "", []
        else:
            name = ""
    return tuple(events)


def read_events(body: bytes) -> StreamedJson:
    """Return the JSON values of an event stream.

    An object without a `type` gets the event's name as one, where that is not the
    default: Anthropic's events say it twice, some servers only there.
    """
    values: list[JsonValue] = []
    ended = broken = False
    for event in parse_events(body):
        if event.data.strip() == DONE:
            ended = True
            continue
        value = json_or_none(event.data)
        if value is None:
            broken = broken or event.data.strip() != "null"
            continue
        values.append(_typed(value, event.name))
    return StreamedJson(values=tuple(values), ended=ended, broken=broken)


def _typed(value: JsonValue, name: str) -> JsonValue:
    if isinstance(value, dict) and "type" not in value and name != "message":
        return {"type": name, **value}
    return value


def parse_json_array(body: bytes) -> StreamedJson:
    """Return the items of a JSON array that may be cut off anywhere."""
    content = body.decode("utf-8", "replace").removeprefix("\ufeff").strip()
    if not content.startswith("["):
        return StreamedJson(broken=True)
    values: list[JsonValue] = []
    position = 1
    while True:
        position = _end_of_gap(content, position)
        if position >= len(content):
            return StreamedJson(values=tuple(values))
        if content[position] == "]":
            return StreamedJson(values=tuple(values), ended=True)
        try:
            value, position = _DECODER.raw_decode(content, position)
        except (ValueError, RecursionError):
            return StreamedJson(values=tuple(values), broken=True)
        values.append(value)


def _end_of_gap(content: str, position: int) -> int:
    gap = _GAP.match(content, position)
    return gap.end() if gap else position


def parse_json_lines(body: bytes) -> StreamedJson:
    """Return the JSON values of a body with one a line; `ended` is always true."""
    lines = [line for line in body.splitlines() if line.strip()]
    values = [json_or_none(line) for line in lines]
    return StreamedJson(
        values=tuple(value for value in values if value is not None),
        ended=True,
        broken=any(value is None for value in values),
    )


def render_event(value: JsonObject | str, *, name: str | None = None) -> bytes:
    """Return one event; an object becomes JSON text on a single data line."""
    content = value if isinstance(value, str) else json_text(value)
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {content}\n\n".encode()
