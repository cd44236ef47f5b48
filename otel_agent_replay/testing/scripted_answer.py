"""What a `ScriptedProvider` is told to answer."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from otel_agent_replay.model.messages import Usage
from otel_agent_replay.model.payload import (
    JsonObject,
    JsonValue,
    dump_json,
    parse_json,
)

__all__ = ["Answer", "FinishReason", "ToolCall"]

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call in an answer.

    Attributes:
        name: The tool.
        arguments: By name; a string is sent as it is, valid JSON or not.
        id: None lets the provider make one.
    """

    name: str
    arguments: JsonObject | str = field(default_factory=dict)
    id: str | None = field(default=None, kw_only=True)

    @property
    def arguments_text(self) -> str:
        """The arguments as text."""
        if isinstance(self.arguments, str):
            return self.arguments
        return dump_json(self.arguments)

    @property
    def arguments_json(self) -> JsonValue:
        """The arguments as JSON.

        Raises:
            ValueError: They are a string that is not JSON.
        """
        if isinstance(self.arguments, str):
            return parse_json(self.arguments)
        return self.arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer of a model, in no provider's words.

    The same answer can be given to any API the provider speaks, whole or streamed,
    as the request asks. A `status` of 400 or more makes it an error, in that API's
    form, with `text` as its message.

    Example::

        Answer(text="Hello")
        Answer(tool_calls=[ToolCall("search_docs", {"query": "refunds"})])
        Answer(status=429, text="Slow down", headers={"retry-after": "0"})
        Answer(text="A long story", break_after_chunks=2)
        Answer(raw='{"odd": true}', content_type="application/json")

    Attributes:
        text: What the model says.
        tool_calls: Tools it asks for, after the text.
        finish_reason: None: `tool_calls` if there are any, else `stop`.
        usage: None: counted at about four bytes a token.
        status: The HTTP status.
        headers: Headers to send besides.
        raw: A body to send as it is, instead of text and tool calls.
        content_type: The content type of `raw`.
        break_after_chunks: The connection is closed after so many chunks of a
            stream; an answer that is not streamed is cut in its middle.
        hold: The answer waits until this is set: whole answers before their first
            byte, streams after `hold_after_chunks` chunks, at the latest before
            their end. Closing the provider lets go of it too. It takes the place
            of a pause in a test.
        hold_after_chunks: See `hold`.
    """

    text: str | None = None
    tool_calls: Sequence[ToolCall] = ()
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: str | bytes | None = None
    content_type: str = "application/json"
    break_after_chunks: int | None = None
    hold: threading.Event | None = None
    hold_after_chunks: int = 0

    @classmethod
    def from_message(cls, message: JsonObject) -> Answer:
        """Return the answer that an OpenAI assistant message records.

        Text, and ids and arguments of tool calls, are kept to the letter.
        """
        text, calls = message.get("content"), message.get("tool_calls")
        return cls(
            text=text if isinstance(text, str) else None,
            tool_calls=[
                _recorded_call(call)
                for call in (calls if isinstance(calls, list) else [])
                if isinstance(call, dict)
            ],
        )

    @property
    def why_finished(self) -> FinishReason:
        """The finish reason, the default resolved."""
        if self.finish_reason is not None:
            return self.finish_reason
        return "tool_calls" if self.tool_calls else "stop"


def _recorded_call(call: JsonObject) -> ToolCall:
    function = call.get("function")
    known = function if isinstance(function, dict) else {}
    arguments, call_id = known.get("arguments", "{}"), call.get("id")
    return ToolCall(
        str(known.get("name", "")),
        arguments if isinstance(arguments, (str, dict)) else dump_json(arguments),
        id=call_id if isinstance(call_id, str) else None,
    )
