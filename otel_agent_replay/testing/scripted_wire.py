"""What the wire formats of a `ScriptedProvider` share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from otel_agent_replay.model.messages import Usage
from otel_agent_replay.model.payload import (
    JsonObject,
    JsonValue,
    content_hash,
    dump_json,
)
from otel_agent_replay.testing.local_server import ScriptedRequest
from otel_agent_replay.testing.scripted_answer import Answer, ToolCall

__all__ = ["CREATED", "Turn", "WireApi", "pieces", "server_sent_event"]

CREATED: Final = 1_700_000_000
"""The time of every answer, in Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A request and its answer.

    Everything made up for the answer depends on the two alone: equal requests get
    equal ids, in whatever order they arrive.
    """

    request: ScriptedRequest
    answer: Answer
    piece_size: int

    @property
    def id(self) -> str:
        """What ids of this answer are made of."""
        return content_hash(self.request.body)[:16]

    @property
    def model(self) -> str:
        """The model asked for."""
        return str(self.request.json.get("model", "scripted"))

    @property
    def text_pieces(self) -> list[str]:
        """The text as a stream brings it."""
        return pieces(self.answer.text or "", self.piece_size)

    @property
    def usage(self) -> Usage:
        """The answer's usage, or one counted at about four bytes a token."""
        if self.answer.usage is not None:
            return self.answer.usage
        said = (self.answer.text or "") + "".join(
            call.name + call.arguments_text for call in self.answer.tool_calls
        )
        return Usage(
            input_tokens=1 + len(self.request.body) // 4,
            output_tokens=1 + len(said) // 4,
        )

    def call_id(self, index: int, prefix: str) -> str:
        """Return the id of a tool call: the answer's, or one made of the prefix."""
        given = self.answer.tool_calls[index].id
        return given or f"{prefix}_{self.id}_{index}"

    def call_pieces(self, call: ToolCall) -> list[str]:
        """Return the arguments of a tool call as a stream brings them."""
        return pieces(call.arguments_text, self.piece_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class WireApi:
    """One provider API: how it says an answer.

    Attributes:
        serves: Whether a request is for this API.
        streams: Whether a request asks for a stream.
        whole: The answer's JSON.
        stream: The answer's chunks, each one event.
        error: An error answer's JSON, of status and message.
        stream_type: The content type of its streams.
    """

    serves: Callable[[ScriptedRequest], bool]
    streams: Callable[[ScriptedRequest], bool]
    whole: Callable[[Turn], JsonObject]
    stream: Callable[[Turn], Iterator[bytes]]
    error: Callable[[int, str], JsonObject]
    stream_type: str = "text/event-stream; charset=utf-8"


def pieces(text: str, size: int) -> list[str]:
    """Return the text in pieces of so many characters."""
    return [text[start : start + size] for start in range(0, len(text), size)]


def server_sent_event(value: JsonValue, *, event: str | None = None) -> bytes:
    """Return one server-sent event that carries a JSON value."""
    named = f"event: {event}\n" if event else ""
    return f"{named}data: {dump_json(value)}\n\n".encode()
