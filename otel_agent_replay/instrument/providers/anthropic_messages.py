"""Anthropic Messages on any host: Anthropic, Vertex AI, and compatible servers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from otel_agent_replay import semconv
from otel_agent_replay.instrument.providers import finish
from otel_agent_replay.instrument.providers.anthropic_blocks import (
    read_blocks,
    write_blocks,
)
from otel_agent_replay.instrument.providers.anthropic_stream import (
    assembled,
    rendered_events,
)
from otel_agent_replay.instrument.providers.base import Parameters, RenderedBody
from otel_agent_replay.instrument.providers.hosts import provider_of
from otel_agent_replay.instrument.providers.json_access import (
    RequestBody,
    at_path,
    count,
    object_of,
    request_object,
    rest,
    sequence,
    text,
)
from otel_agent_replay.instrument.providers.json_edit import set_at
from otel_agent_replay.instrument.providers.openai_usage import leftover_counts
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
from otel_agent_replay.instrument.providers.wire_body import (
    WireBody,
    error_of,
    read_body,
    unreadable,
)
from otel_agent_replay.model.messages import (
    Message,
    ModelRequest,
    ModelResponse,
    Usage,
)
from otel_agent_replay.model.payload import JsonObject, JsonValue, dump_json
from otel_agent_replay.model.shared import each_once

__all__ = ["AnthropicMessages"]

_TABLE: Final = ParameterTable(
    names={
        semconv.REQUEST_MAX_TOKENS: (("max_tokens",),),
        semconv.REQUEST_TEMPERATURE: (("temperature",),),
        semconv.REQUEST_TOP_P: (("top_p",),),
        semconv.REQUEST_TOP_K: (("top_k",),),
        semconv.REQUEST_STOP_SEQUENCES: (("stop_sequences",),),
        semconv.REQUEST_REASONING_LEVEL: (("output_config", "effort"),),
    },
    content={"model", "messages", "system", "tools", "stream", "thread"},
)
_VERTEX: Final = re.compile(
    r"/publishers/anthropic/models/(?P<model>[^/:]+):(?:streamRawPredict|rawPredict)",
)
_PATH: Final = re.compile(r"/v1/messages$")
_ANSWER_KEYS: Final = ("content", "stop_reason")
_ENVELOPE: Final = frozenset(
    {"id", "type", "role", "model", "content", "stop_reason", "usage", "error"},
)
_MESSAGE: Final = frozenset({"role", "content"})
_READ: Final = "cache_read_input_tokens"
_WRITE: Final = "cache_creation_input_tokens"
_PLAIN_COUNTS: Final = {("input_tokens",), ("output_tokens",), (_READ,), (_WRITE,)}
_REASONING: Final = ("output_tokens_details", "thinking_tokens")


@dataclass(frozen=True, slots=True)
class AnthropicMessages:
    """`POST …/v1/messages`."""

    api: str = "anthropic.messages"
    operation: str = semconv.OP_CHAT

    def matches(self, method: str, url: SplitResult) -> bool:
        """Return whether this is a message; batches and token counts are not."""
        found = _PATH.search(url.path) or _VERTEX.search(url.path)
        return method.upper() == "POST" and found is not None

    def provider(self, host: str | None) -> str:
        """Return who answers at a host; `anthropic` where that is not known."""
        return provider_of(host, "anthropic")

    def request(self, body: RequestBody, url: str) -> ModelRequest:
        """Return the reading of a request; the new messages only if in a thread."""
        wire, split = request_object(body), urlsplit(url)
        thread = object_of(wire.get("thread"))
        parameters = read_parameters(wire, _TABLE)
        if kept := rest(thread, {"type", "previous_message_id"}):
            parameters[f"{semconv.REQUEST_PREFIX}thread"] = kept
        return ModelRequest(
            operation=self.operation,
            provider=self.provider(split.hostname),
            model=text(wire.get("model")) or model_in_path(split.path, _VERTEX),
            system=tuple(read_blocks(wire.get("system"))),
            messages=each_once(_read_message, sequence(wire.get("messages"))),
            tools=each_once(_read_tool, sequence(wire.get("tools"))),
            parameters=parameters,
            previous_id=text(thread.get("previous_message_id")) or None,
            stream=wire.get("stream") is True or "streamRawPredict" in split.path,
        )

    def response(self, body: bytes, content_type: str | None) -> ModelResponse:
        """Return the reading of a message, whole or streamed."""
        read = read_body(body, content_type)
        if read.kind == "text":
            return unreadable(read)
        wire, complete = _plain(read)
        error = error_of(wire, _ANSWER_KEYS)
        answered = any(key in wire for key in _ANSWER_KEYS)
        reason = text(wire.get("stop_reason"))
        usage = wire.get("usage")
        beyond = leftover_counts(object_of(usage), {*_PLAIN_COUNTS, _REASONING})
        return ModelResponse(
            id=text(wire.get("id")) or None,
            model=text(wire.get("model")) or None,
            messages=(_read_answer(wire, reason),) if answered else (),
            finish_reasons=(reason,) if reason else (),
            usage=_read_usage(usage, complete=complete),
            error=error,
            complete=complete,
            extra={"usage": beyond} if beyond else {},
        )

    def render_request(
        self,
        original: bytes,
        *,
        model: str | None = None,
        system: str | None = None,
        parameters: Parameters | None = None,
    ) -> bytes:
        """Return the request with changes."""
        return edited(
            original,
            _TABLE,
            model=model,
            system=(_with_system, system),
            parameters=parameters,
        )

    def render_url(self, url: str, *, model: str) -> str:
        """Return the URL with Vertex AI's model changed."""
        return with_model_in_path(url, _VERTEX, model)

    def render_response(self, response: ModelResponse, *, stream: bool) -> RenderedBody:
        """Return a message, or its events. Unknown token counts are written as 0."""
        if response.error is not None and not response.messages:
            failure: JsonObject = {"type": "error", "error": response.error}
            return RenderedBody(JSON, (dump_json(failure).encode(),))
        wire = _write(response)
        if not stream:
            return RenderedBody(JSON, (dump_json(wire).encode(),))
        events = tuple(rendered_events(wire, complete=response.complete))
        return RenderedBody(EVENT_STREAM, events)


def _read_message(wire: JsonValue) -> Message:
    if not isinstance(wire, dict):
        return Message(role="", extra={"value": wire})
    return Message(
        role=text(wire.get("role")) or "",
        parts=tuple(read_blocks(wire.get("content"))),
        extra=rest(wire, _MESSAGE),
    )


def _read_tool(wire: JsonValue) -> JsonObject:
    """Return a client tool as a function; a server tool is kept as it is."""
    tool = object_of(wire)
    if "input_schema" not in tool and tool.get("type") not in {None, "custom"}:
        return other_part(wire)
    return function_tool(tool, "input_schema")


def _plain(read: WireBody) -> tuple[JsonObject, bool]:
    if read.kind == "json":
        return object_of(read.value), True
    return assembled(read.objects)


def _read_answer(wire: JsonObject, reason: str | None) -> Message:
    return Message(
        role=text(wire.get("role")) or "assistant",
        parts=tuple(read_blocks(wire.get("content"))),
        finish_reason=finish.convention_word(reason, finish.ANTHROPIC),
        extra=rest(wire, _ENVELOPE),
    )


def _read_usage(value: JsonValue, *, complete: bool) -> Usage:
    """Return the counts; the wire's input leaves out what the cache gave or took.

    A stream that broke off has said only how many output tokens it began with.
    """
    wire = object_of(value)
    plain, read, write = (
        count(wire.get(key)) for key in ("input_tokens", _READ, _WRITE)
    )
    return Usage(
        input_tokens=None if plain is None else plain + (read or 0) + (write or 0),
        output_tokens=count(wire.get("output_tokens")) if complete else None,
        cache_read_input_tokens=read,
        cache_write_input_tokens=write,
        reasoning_output_tokens=count(at_path(wire, _REASONING)),
    )


def _with_system(content: str, wire: JsonObject, instructions: str) -> str:
    del wire
    return set_at(content, ("system",), instructions)


def _write(response: ModelResponse) -> JsonObject:
    """Return the message; of several choices the first, as there can be one."""
    message = response.messages[0] if response.messages else Message(role="assistant")
    reason = (
        finish.wire_word(response, 0, finish.ANTHROPIC) if response.messages else None
    )
    failure: JsonObject = {} if response.error is None else {"error": response.error}
    return {
        "stop_sequence": None,
        **{k: v for k, v in message.extra.items() if k != "choice"},
        "id": response.id or "",
        "type": "message",
        "role": "assistant",
        "model": response.model or "",
        "content": list(write_blocks(message.parts)),
        "stop_reason": reason,
        "usage": _write_usage(response),
        **failure,
    }


def _write_usage(response: ModelResponse) -> JsonObject:
    usage = response.usage
    read, write = usage.cache_read_input_tokens, usage.cache_write_input_tokens
    plain = (usage.input_tokens or 0) - (read or 0) - (write or 0)
    wire: JsonObject = {
        **object_of(response.extra.get("usage")),
        "input_tokens": max(plain, 0),
        "output_tokens": usage.output_tokens or 0,
    }
    optional: JsonObject = {_READ: read, _WRITE: write}
    if usage.reasoning_output_tokens is not None:
        group, key = _REASONING
        details: JsonObject = {key: usage.reasoning_output_tokens}
        optional[group] = {**object_of(wire.get(group)), **details}
    return {**wire, **{k: v for k, v in optional.items() if v is not None}}
