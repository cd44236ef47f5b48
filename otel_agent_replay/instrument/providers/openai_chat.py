"""OpenAI Chat Completions, and every server that speaks it, known by its path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from otel_agent_replay import semconv
from otel_agent_replay.instrument.providers import finish
from otel_agent_replay.instrument.providers.base import Parameters, RenderedBody
from otel_agent_replay.instrument.providers.hosts import provider_of
from otel_agent_replay.instrument.providers.json_access import (
    RequestBody,
    object_of,
    objects_of,
    request_object,
    rest,
    sequence,
    text,
)
from otel_agent_replay.instrument.providers.json_edit import insert_first, set_at
from otel_agent_replay.instrument.providers.openai_answer import (
    DEPLOYMENT,
    PARAMETERS,
    choice_extra,
    envelope,
    read_answer,
)
from otel_agent_replay.instrument.providers.openai_chat_messages import (
    read_message,
    write_message,
)
from otel_agent_replay.instrument.providers.openai_chat_stream import rendered_chunks
from otel_agent_replay.instrument.providers.parameters import (
    ParameterTable,
    read_parameters,
)
from otel_agent_replay.instrument.providers.parts import function_tool, other_part
from otel_agent_replay.instrument.providers.request_edit import (
    edited,
    model_in_path,
    with_model_in_path,
)
from otel_agent_replay.instrument.providers.sse import EVENT_STREAM, JSON
from otel_agent_replay.model.messages import ModelRequest, ModelResponse
from otel_agent_replay.model.payload import JsonObject, JsonValue, dump_json
from otel_agent_replay.model.shared import each_once, once_around

__all__ = ["OpenAIChat"]

_MESSAGES: Final = "messages"
_TABLE: Final = ParameterTable(
    names=PARAMETERS,
    content={"model", _MESSAGES, "tools", "functions", "stream"},
)
_INSTRUCTION_ROLES: Final = frozenset({"system", "developer"})


@dataclass(frozen=True, slots=True)
class OpenAIChat:
    """`POST …/chat/completions`."""

    api: str = "openai.chat"
    operation: str = semconv.OP_CHAT

    def matches(self, method: str, url: SplitResult) -> bool:
        """Return whether this is a chat completion."""
        return method.upper() == "POST" and url.path.endswith("/chat/completions")

    def provider(self, host: str | None) -> str:
        """Return who answers at a host; `openai` where that is not known."""
        return provider_of(host, "openai")

    def request(self, body: RequestBody, url: str) -> ModelRequest:
        """Return the reading of a request."""
        wire, split = request_object(body), urlsplit(url)
        around = once_around(_read_around, wire, _MESSAGES)
        return ModelRequest(
            operation=self.operation,
            provider=self.provider(split.hostname),
            model=around.model or model_in_path(split.path, DEPLOYMENT),
            messages=each_once(read_message, sequence(wire.get(_MESSAGES))),
            tools=around.tools,
            parameters=around.parameters,
            stream=around.stream,
        )

    def response(self, body: bytes, content_type: str | None) -> ModelResponse:
        """Return the reading of a completion, whole or streamed."""
        return read_answer(body, content_type)

    def render_request(
        self,
        original: bytes,
        *,
        model: str | None = None,
        system: str | None = None,
        parameters: Parameters | None = None,
    ) -> bytes:
        """Return the request with changes; `system` replaces the first instruction."""
        return edited(
            original,
            _TABLE,
            model=model,
            system=(_with_system, system),
            parameters=parameters,
        )

    def render_url(self, url: str, *, model: str) -> str:
        """Return the URL with Azure's deployment changed."""
        return with_model_in_path(url, DEPLOYMENT, model)

    def render_response(self, response: ModelResponse, *, stream: bool) -> RenderedBody:
        """Return a completion, or its chunks."""
        choices = [_write_choice(response, n) for n in range(len(response.messages))]
        wire = envelope(response, "chat.completion", choices)
        if not stream or (not response.messages and response.error is not None):
            return RenderedBody(JSON, (dump_json(wire).encode(),))
        chunks = tuple(rendered_chunks(wire, complete=response.complete))
        return RenderedBody(EVENT_STREAM, chunks)


class _Around(NamedTuple):
    """What a request says beside its messages."""

    model: str | None
    tools: tuple[JsonObject, ...]
    parameters: JsonObject
    stream: bool


def _read_around(wire: JsonObject) -> _Around:
    tools = (
        *each_once(_read_tool, sequence(wire.get("tools"))),
        *map(function_tool, objects_of(wire.get("functions"))),
    )
    stream = wire.get("stream") is True
    parameters = read_parameters(wire, _TABLE)
    return _Around(text(wire.get("model")), tools, parameters, stream)


def _read_tool(wire: JsonValue) -> JsonObject:
    tool = object_of(wire)
    function = tool.get("function")
    if tool.get("type", "function") != "function" or not isinstance(function, dict):
        return other_part(wire)
    return {**rest(tool, {"type", "function"}), **function_tool(function)}


def _with_system(content: str, wire: JsonObject, instructions: str) -> str:
    messages = sequence(wire.get("messages"))
    roles = [object_of(message).get("role") for message in messages]
    place = next((n for n, r in enumerate(roles) if r in _INSTRUCTION_ROLES), None)
    if place is not None:
        return set_at(content, ("messages", place, "content"), instructions)
    message: JsonObject = {"role": "system", "content": instructions}
    return insert_first(content, ("messages",), message)


def _write_choice(response: ModelResponse, position: int) -> JsonObject:
    message = response.messages[position]
    return {
        **choice_extra(message),
        "index": position,
        "message": write_message(message),
        "finish_reason": finish.wire_word(response, position, finish.CHAT),
    }
