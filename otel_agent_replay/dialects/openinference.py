"""OpenInference (Arize): messages flattened into numbered attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from otel_agent_replay import semconv
from otel_agent_replay.dialects.values import (
    chat_message,
    completed,
    messages_text,
    numbered,
    renamed,
)
from otel_agent_replay.instrument.providers.json_access import (
    json_or_none,
    object_of,
    objects_of,
)
from otel_agent_replay.instrument.providers.parts import function_tool
from otel_agent_replay.model.messages import Message
from otel_agent_replay.model.payload import JsonObject, JsonValue, dump_json
from otel_agent_replay.model.span import SpanRecord

__all__ = ["normalise"]

_KIND: Final = "openinference.span.kind"
_INPUT: Final = "input.value"
_OUTPUT: Final = "output.value"
_PARAMETERS: Final = "llm.invocation_parameters"
_OPERATIONS: Final = {
    "LLM": semconv.OP_CHAT,
    "EMBEDDING": semconv.OP_EMBEDDINGS,
    "TOOL": semconv.OP_EXECUTE_TOOL,
    "RETRIEVER": semconv.OP_RETRIEVAL,
    "AGENT": semconv.OP_INVOKE_AGENT,
}
_NAMES: Final = {
    "llm.model_name": semconv.REQUEST_MODEL,
    "llm.request.model_name": semconv.REQUEST_MODEL,
    "embedding.model_name": semconv.REQUEST_MODEL,
    "llm.response.model_name": semconv.RESPONSE_MODEL,
    "llm.finish_reason": semconv.RESPONSE_FINISH_REASONS,
    "llm.system": semconv.PROVIDER_NAME,
    "llm.provider": semconv.PROVIDER_NAME,
    "llm.token_count.prompt": semconv.USAGE_INPUT_TOKENS,
    "llm.token_count.completion": semconv.USAGE_OUTPUT_TOKENS,
    "llm.token_count.prompt_details.cache_read": semconv.USAGE_CACHE_READ_INPUT_TOKENS,
    "llm.token_count.prompt_details.cache_write": (
        semconv.USAGE_CACHE_WRITE_INPUT_TOKENS
    ),
    "llm.token_count.completion_details.reasoning": (
        semconv.USAGE_REASONING_OUTPUT_TOKENS
    ),
    "tool.name": semconv.TOOL_NAME,
    "tool.description": semconv.TOOL_DESCRIPTION,
    "tool.id": semconv.TOOL_CALL_ID,
    "tool_call.id": semconv.TOOL_CALL_ID,
    "agent.name": semconv.AGENT_NAME,
    "session.id": semconv.CONVERSATION_ID,
}
_SETTINGS: Final = (
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "frequency_penalty",
    "presence_penalty",
)


def normalise(span: SpanRecord) -> SpanRecord:
    """Return the span under GenAI names; untouched without an OpenInference kind."""
    kind = span.attributes.get(_KIND)
    if kind is None:
        return span
    found: dict[str, str | None] = {
        semconv.OPERATION_NAME: _OPERATIONS.get(kind.upper()),
        **renamed(span.attributes, _NAMES),
    }
    if kind.upper() == "LLM":
        found |= _model_content(span)
    elif kind.upper() == "TOOL":
        found |= _tool_content(span)
    elif kind.upper() == "RETRIEVER":
        found |= _retrieval_content(span)
    return completed(span, found)


def _model_content(span: SpanRecord) -> dict[str, str | None]:
    values = span.attributes
    settings = object_of(json_or_none(values.get(_PARAMETERS, "")))
    return {
        semconv.INPUT_MESSAGES: messages_text(_messages(span, "llm.input_messages")),
        semconv.OUTPUT_MESSAGES: messages_text(_messages(span, "llm.output_messages")),
        semconv.TOOL_DEFINITIONS: _tools(span),
        **{
            semconv.REQUEST_PREFIX + name: dump_json(settings[name])
            for name in _SETTINGS
            if settings.get(name) is not None
        },
    }


def _messages(span: SpanRecord, prefix: str) -> list[Message]:
    return [
        chat_message(_chat(object_of(each.get("message"))))
        for each in numbered(span.attributes, prefix)
    ]


def _chat(wire: JsonObject) -> JsonObject:
    """Return a flattened message in the form of a chat API."""
    calls: list[JsonValue] = [
        each.get("tool_call") for each in objects_of(wire.get("tool_calls"))
    ]
    if "function_call_name" in wire:
        calls.append(
            {
                "name": wire["function_call_name"],
                "arguments": wire.get("function_call_arguments_json"),
            },
        )
    blocks = [_block(each) for each in objects_of(wire.get("contents"))]
    return {
        "role": wire.get("role"),
        "name": wire.get("name"),
        "tool_call_id": wire.get("tool_call_id"),
        "content": blocks or wire.get("content"),
        "tool_calls": calls,
    }


def _block(wire: JsonObject) -> JsonValue:
    content = object_of(wire.get("message_content"))
    kind = content.get("type")
    if kind == "reasoning":
        return {"type": "reasoning", "content": content.get("text")}
    if kind == "image":
        image = object_of(object_of(content.get("image")).get("image"))
        return {"type": "uri", "modality": "image", "uri": image.get("url")}
    return content


def _tools(span: SpanRecord) -> str | None:
    schemas = [
        object_of(json_or_none(str(object_of(each.get("tool")).get("json_schema", ""))))
        for each in numbered(span.attributes, "llm.tools")
    ]
    tools: list[JsonValue] = [_definition(each) for each in schemas if each]
    return dump_json(tools) if tools else None


def _definition(schema: JsonObject) -> JsonObject:
    function = object_of(schema.get("function")) or schema
    parameters = "input_schema" if "input_schema" in function else "parameters"
    return function_tool(function, parameters)


def _tool_content(span: SpanRecord) -> dict[str, str | None]:
    values = span.attributes
    parameters = values.get("tool.parameters")
    return {
        semconv.TOOL_NAME: values.get("tool.name", span.name),
        semconv.TOOL_CALL_ARGUMENTS: values.get(_INPUT, parameters),
        semconv.TOOL_CALL_RESULT: values.get(_OUTPUT),
    }


def _retrieval_content(span: SpanRecord) -> dict[str, str | None]:
    documents: list[JsonValue] = [
        _document(object_of(each.get("document")))
        for each in numbered(span.attributes, "retrieval.documents")
    ]
    return {
        semconv.RETRIEVAL_QUERY_TEXT: span.attributes.get(_INPUT),
        semconv.RETRIEVAL_DOCUMENTS: dump_json(documents) if documents else None,
    }


def _document(wire: Mapping[str, JsonValue]) -> JsonObject:
    metadata = wire.get("metadata")
    return {
        **wire,
        **(
            {"metadata": json_or_none(metadata) or metadata}
            if isinstance(metadata, str)
            else {}
        ),
    }
