"""What a response body is: one JSON value, a stream of them, or something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from otel_agent_replay.instrument.providers.json_access import json_or_none, object_of
from otel_agent_replay.instrument.providers.sse import (
    StreamedJson,
    looks_like_events,
    parse_json_array,
    parse_json_lines,
    read_events,
)
from otel_agent_replay.model.messages import ModelResponse
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = ["WireBody", "error_of", "read_body", "unreadable"]

_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class WireBody:
    """A response body, read.

    Attributes:
        kind: `json`: one value; `stream`: several; `text`: no JSON at all.
        value: The one value.
        values: The values of a stream.
        ended: Whether a stream's end mark came.
        text: The body where it is no JSON.
    """

    kind: Literal["json", "stream", "text"]
    value: JsonValue = None
    values: tuple[JsonValue, ...] = ()
    ended: bool = True
    text: str = ""

    @property
    def objects(self) -> list[JsonObject]:
        """The objects of a stream, in order."""
        return [value for value in self.values if isinstance(value, dict)]


def read_body(body: bytes, content_type: str | None) -> WireBody:
    """Return what a body holds, by its looks; the content type is only a hint.

    Proxies and recordings lose or change content types, so a body that starts as
    JSON is read as JSON, one that starts as events as events.
    """
    plain = body.removeprefix(_BOM).strip()
    if plain[:1] in {b"{", b"["}:
        return _json_body(plain)
    if looks_like_events(plain) or (plain and "event-stream" in (content_type or "")):
        stream = read_events(body)
        if stream.values or stream.ended:
            return _stream(stream)
    return WireBody(kind="text", text=plain.decode("utf-8", "replace"))


def _json_body(body: bytes) -> WireBody:
    value = json_or_none(body)
    if isinstance(value, dict):
        return WireBody(kind="json", value=value)
    array = value is not None or body.startswith(b"[")
    stream = parse_json_array(body) if array else parse_json_lines(body)
    if stream.values or not stream.broken:
        return _stream(stream)
    return WireBody(kind="text", text=body.decode("utf-8", "replace"))


def _stream(stream: StreamedJson) -> WireBody:
    ended = stream.ended and not stream.broken
    return WireBody(kind="stream", values=stream.values, ended=ended)


def unreadable(body: WireBody) -> ModelResponse:
    """Return the response that a body without any JSON makes: its text, as error."""
    return ModelResponse(error=body.text or None, complete=False)


def error_of(wire: JsonObject, answer_keys: tuple[str, ...]) -> JsonValue:
    """Return the error that a body carries, or None if it is an answer.

    A body with neither an `error` nor any key of an answer is itself the error.
    """
    error = wire.get("error")
    if error:
        return error
    is_answer = any(key in object_of(wire) for key in answer_keys)
    return None if is_answer else wire or None
