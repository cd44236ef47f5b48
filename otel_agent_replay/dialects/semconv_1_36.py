"""The GenAI conventions up to 1.36: older names, and one event a message.

Strands, Azure's inference SDK and LangSmith's exporter still write these.
"""

from __future__ import annotations

from typing import Final

from otel_agent_replay import semconv
from otel_agent_replay.dialects.values import (
    chat_message,
    completed,
    messages_text,
    renamed,
)
from otel_agent_replay.instrument.providers.json_access import (
    json_or_none,
    object_of,
    objects_of,
)
from otel_agent_replay.model.messages import Message
from otel_agent_replay.model.payload import JsonObject, dump_json
from otel_agent_replay.model.span import EventRecord, SpanRecord

__all__ = ["normalise"]

_SYSTEM: Final = "gen_ai.system"
_PROMPT: Final = "gen_ai.prompt"
_COMPLETION: Final = "gen_ai.completion"
_NAMES: Final = {
    "gen_ai.usage.prompt_tokens": semconv.USAGE_INPUT_TOKENS,
    "gen_ai.usage.completion_tokens": semconv.USAGE_OUTPUT_TOKENS,
    "gen_ai.usage.cache_read_input_tokens": semconv.USAGE_CACHE_READ_INPUT_TOKENS,
    "gen_ai.usage.cache_creation.input_tokens": (
        semconv.USAGE_CACHE_WRITE_INPUT_TOKENS
    ),
    "gen_ai.usage.cache_creation_input_tokens": (
        semconv.USAGE_CACHE_WRITE_INPUT_TOKENS
    ),
    "gen_ai.openai.request.seed": semconv.REQUEST_SEED,
    "gen_ai.response.finish_reason": semconv.RESPONSE_FINISH_REASONS,
}
_MESSAGE_EVENTS: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_CHOICE_EVENT: Final = "gen_ai.choice"
_EVENT_CONTENT: Final = "gen_ai.event.content"
_PROVIDERS: Final = {
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "gemini": "gcp.gemini",
    "vertex_ai": "gcp.vertex_ai",
    "xai": "x_ai",
}


def normalise(span: SpanRecord) -> SpanRecord:
    """Return the span under the present names, its message events as attributes."""
    system = span.attributes.get(_SYSTEM)
    found: dict[str, str | None] = {
        **renamed(span.attributes, _NAMES),
        semconv.PROVIDER_NAME: _PROVIDERS.get(system, system) if system else None,
    }
    if span.attributes.get(semconv.OPERATION_NAME) == semconv.OP_EXECUTE_TOOL:
        found |= _tool_content(span)
    else:
        found |= _messages(span)
    return completed(span, found)


def _tool_content(span: SpanRecord) -> dict[str, str | None]:
    """On a tool's span the message event is its call, the choice its result."""
    call = _event(span, "gen_ai.tool.message")
    choice = _event(span, _CHOICE_EVENT)
    return {
        semconv.TOOL_CALL_ARGUMENTS: call.attributes.get("content") if call else None,
        semconv.TOOL_CALL_RESULT: choice.attributes.get("message") if choice else None,
    }


def _event(span: SpanRecord, name: str) -> EventRecord | None:
    return next((each for each in span.events if each.name == name), None)


def _messages(span: SpanRecord) -> dict[str, str | None]:
    sent = [
        _message(_MESSAGE_EVENTS[each.name], each)
        for each in span.events
        if each.name in _MESSAGE_EVENTS
    ]
    chosen = [_choice(each) for each in span.events if each.name == _CHOICE_EVENT]
    return {
        semconv.INPUT_MESSAGES: messages_text(sent or _plain(span, _PROMPT, "user")),
        semconv.OUTPUT_MESSAGES: messages_text(
            chosen or _plain(span, _COMPLETION, "assistant"),
        ),
    }


def _body(event: EventRecord) -> JsonObject:
    """Return what an event says: its attributes, or one JSON text among them."""
    body = object_of(json_or_none(event.attributes.get(_EVENT_CONTENT, "")))
    return body or dict(event.attributes)


def _message(role: str, event: EventRecord) -> Message:
    body = _body(event)
    return chat_message({**body, "role": body.get("role", role)})


def _choice(event: EventRecord) -> Message:
    body = _body(event)
    said = body.get("message")
    if isinstance(said, str):
        inner = json_or_none(said)
        said = inner if isinstance(inner, dict) else {"content": said}
    wire: JsonObject = {"role": "assistant", **object_of(said)}
    if "finish_reason" in body:
        wire["finish_reason"] = body["finish_reason"]
    if "tool_calls" in body:
        wire["tool_calls"] = body["tool_calls"]
    return chat_message(wire)


def _plain(span: SpanRecord, name: str, role: str) -> list[Message]:
    """Return the messages of one attribute: JSON messages, or plain text."""
    content = span.attributes.get(name)
    if content is None:
        return []
    value = json_or_none(content)
    wire = objects_of(object_of(value).get("messages", value))
    if wire and all("content" in each or "tool_calls" in each for each in wire):
        return [chat_message({"role": role, **each}) for each in wire]
    text = content if isinstance(value, str | None) else dump_json(value)
    return [chat_message({"role": role, "content": text})]
