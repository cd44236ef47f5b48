"""The OpenAI Responses API, and every server that speaks it, known by its path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qs, urlsplit

from otel_agent_replay import semconv
from otel_agent_replay.instrument.providers import finish
from otel_agent_replay.instrument.providers.base import Parameters, RenderedBody
from otel_agent_replay.instrument.providers.hosts import provider_of
from otel_agent_replay.instrument.providers.json_access import (
    RequestBody,
    object_of,
    request_object,
    rest,
    sequence,
    text,
)
from otel_agent_replay.instrument.providers.json_edit import set_at
from otel_agent_replay.instrument.providers.openai_answer import DEPLOYMENT
from otel_agent_replay.instrument.providers.openai_response_items import (
    read_items,
    write_items,
)
from otel_agent_replay.instrument.providers.openai_response_stream import (
    assembled,
    rendered_events,
)
from otel_agent_replay.instrument.providers.openai_usage import RESPONSES_USAGE
from otel_agent_replay.instrument.providers.parameters import (
    ParameterTable,
    read_parameters,
)
from otel_agent_replay.instrument.providers.parts import (
    function_tool,
    other_part,
    text_part,
)
from otel_agent_replay.instrument.providers.request_edit import (
    edited,
    model_in_path,
    with_model_in_path,
)
from otel_agent_replay.instrument.providers.sse import EVENT_STREAM, JSON
from otel_agent_replay.instrument.providers.wire_body import (
    WireBody,
    error_of,
    read_body,
    unreadable,
)
from otel_agent_replay.model.messages import Message, ModelRequest, ModelResponse
from otel_agent_replay.model.payload import JsonObject, JsonValue, dump_json
from otel_agent_replay.model.shared import each_once

__all__ = ["OpenAIResponses"]

_TABLE: Final = ParameterTable(
    names={
        semconv.REQUEST_MAX_TOKENS: (("max_output_tokens",),),
        semconv.REQUEST_TEMPERATURE: (("temperature",),),
        semconv.REQUEST_TOP_P: (("top_p",),),
        semconv.REQUEST_FREQUENCY_PENALTY: (("frequency_penalty",),),
        semconv.REQUEST_PRESENCE_PENALTY: (("presence_penalty",),),
        semconv.REQUEST_REASONING_LEVEL: (("reasoning", "effort"),),
    },
    content={
        "model",
        "input",
        "instructions",
        "tools",
        "stream",
        "previous_response_id",
    },
)
_CREATE: Final = re.compile(r"(?:^|/(?:v\d\w*|openai|deployments/[^/]+))/responses$")
_FETCH: Final = re.compile(r"/responses/resp_[^/]+$")
_ANSWER_KEYS: Final = ("output", "status")

# What a response says about itself, and the settings of the request it repeats.
_KNOWN: Final = frozenset(
    {
        "background",
        "completed_at",
        "created_at",
        "error",
        "frequency_penalty",
        "id",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "model",
        "object",
        "output",
        "parallel_tool_calls",
        "presence_penalty",
        "previous_response_id",
        "prompt",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "status",
        "store",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
        "usage",
        "user",
    },
)
_REQUIRED: Final[JsonObject] = {
    "object": "response",
    "created_at": 0,
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "temperature": None,
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
}


@dataclass(frozen=True, slots=True)
class OpenAIResponses:
    """`POST …/v1/responses`, and the `GET` of a stored response."""

    api: str = "openai.responses"
    operation: str = semconv.OP_CHAT

    def matches(self, method: str, url: SplitResult) -> bool:
        """Return whether this makes or fetches a response."""
        pattern = {"POST": _CREATE, "GET": _FETCH}.get(method.upper())
        return pattern is not None and pattern.search(url.path) is not None

    def provider(self, host: str | None) -> str:
        """Return who answers at a host; `openai` where that is not known."""
        return provider_of(host, "openai")

    def request(self, body: RequestBody, url: str) -> ModelRequest:
        """Return the reading of a request; new items only if it names a previous one."""
        wire, split = request_object(body), urlsplit(url)
        provider = self.provider(split.hostname)
        if _FETCH.search(split.path):
            streamed = "true" in parse_qs(split.query).get("stream", [])
            return ModelRequest(
                operation=semconv.OP_FETCH_RESPONSE, provider=provider, stream=streamed
            )
        return ModelRequest(
            operation=self.operation,
            provider=provider,
            model=text(wire.get("model")) or model_in_path(split.path, DEPLOYMENT),
            system=tuple(_instructions(wire.get("instructions"))),
            messages=read_items(wire.get("input")),
            tools=each_once(_read_tool, sequence(wire.get("tools"))),
            parameters=read_parameters(wire, _TABLE),
            previous_id=text(wire.get("previous_response_id")) or None,
            stream=wire.get("stream") is True,
        )

    def response(self, body: bytes, content_type: str | None) -> ModelResponse:
        """Return the reading of a response, whole or streamed."""
        read = read_body(body, content_type)
        if read.kind == "text":
            return unreadable(read)
        wire, complete = _plain(read)
        extra = rest(wire, _KNOWN)
        if beyond := RESPONSES_USAGE.beyond(wire.get("usage")):
            extra["usage"] = beyond
        return ModelResponse(
            id=text(wire.get("id")) or None,
            model=text(wire.get("model")) or None,
            messages=_answer(wire),
            finish_reasons=_finish_reasons(wire),
            usage=RESPONSES_USAGE.read(wire.get("usage")),
            status=text(wire.get("status")),
            error=error_of(wire, _ANSWER_KEYS),
            complete=complete,
            extra=extra,
        )

    def render_request(
        self,
        original: bytes,
        *,
        model: str | None = None,
        system: str | None = None,
        parameters: Parameters | None = None,
    ) -> bytes:
        """Return the request with changes; `system` becomes the instructions."""
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
        """Return a response, or its events."""
        if response.error is not None and not (response.messages or response.status):
            failure = dump_json({"error": response.error}).encode()
            return RenderedBody(JSON, (failure,))
        wire = _write(response)
        if not stream:
            return RenderedBody(JSON, (dump_json(wire).encode(),))
        events = tuple(rendered_events(wire, complete=response.complete))
        return RenderedBody(EVENT_STREAM, events)


def _instructions(value: JsonValue) -> list[JsonObject]:
    if isinstance(value, str):
        return [text_part(value)]
    return [part for message in read_items(value) for part in message.parts]


def _read_tool(wire: JsonValue) -> JsonObject:
    tool = object_of(wire)
    return function_tool(tool) if tool.get("type") == "function" else other_part(wire)


def _plain(read: WireBody) -> tuple[JsonObject, bool]:
    if read.kind == "json":
        return object_of(read.value), True
    return assembled(read.objects)


def _answer(wire: JsonObject) -> tuple[Message, ...]:
    """Return the output as one message; it is one choice."""
    messages = read_items(wire.get("output"))
    parts = tuple(part for message in messages for part in message.parts)
    if not parts:
        return ()
    reason = next(iter(_finish_reasons(wire)), None)
    word = {"max_output_tokens": "length", "completed": "stop"}.get(
        reason or "", reason
    )
    calls = any(part.get("type") == "tool_call" for part in parts)
    if word == "stop" and calls:
        word = "tool_call"
    return (Message(role="assistant", parts=parts, finish_reason=word),)


def _finish_reasons(wire: JsonObject) -> tuple[str, ...]:
    """Return why it is incomplete, else the status that it ended with."""
    reason = text(object_of(wire.get("incomplete_details")).get("reason"))
    status = text(wire.get("status"))
    word = reason or (None if status in {"in_progress", "queued"} else status)
    return (word,) if word else ()


def _with_system(content: str, wire: JsonObject, instructions: str) -> str:
    items = sequence(wire.get("input"))
    roles = [object_of(item).get("role") for item in items]
    place = next((n for n, role in enumerate(roles) if role in _SYSTEM_ROLES), None)
    if place is None or wire.get("instructions") is not None:
        return set_at(content, ("instructions",), instructions)
    return set_at(content, ("input", place, "content"), instructions)


_SYSTEM_ROLES: Final = frozenset({"system", "developer"})


def _write(response: ModelResponse) -> JsonObject:
    extra = {key: value for key, value in response.extra.items() if key != "usage"}
    wire: JsonObject = {
        **_REQUIRED,
        **extra,
        "id": response.id or "",
        "model": response.model or "",
        "output": list(write_items(response.messages)),
        "status": response.status or _status_of(response),
        "error": response.error,
        "usage": RESPONSES_USAGE.write(response.usage, response.extra.get("usage")),
    }
    if wire["status"] == "incomplete" and wire["incomplete_details"] is None:
        reason = finish.wire_word(response, 0, _REASONS) if response.messages else None
        wire["incomplete_details"] = {"reason": reason}
    return wire


_REASONS: Final = {"max_output_tokens": "length", "content_filter": "content_filter"}


def _status_of(response: ModelResponse) -> str:
    if not response.complete:
        return "in_progress"
    if not response.messages:
        return "completed"
    word = finish.wire_word(response, 0, _REASONS)
    return "incomplete" if word in _REASONS else "completed"
