"""OpenLLMetry (Traceloop): `traceloop.*`, and `gen_ai.prompt.N.*` before 2026."""

from __future__ import annotations

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
)
from otel_agent_replay.instrument.providers.parts import function_tool
from otel_agent_replay.model.payload import JsonObject, JsonValue, dump_json
from otel_agent_replay.model.span import SpanRecord

__all__ = ["normalise"]

_KIND: Final = "traceloop.span.kind"
_ENTITY_NAME: Final = "traceloop.entity.name"
_ENTITY_INPUT: Final = "traceloop.entity.input"
_ENTITY_OUTPUT: Final = "traceloop.entity.output"
_REQUEST_TYPE: Final = "llm.request.type"
_OPERATIONS: Final = {
    "workflow": semconv.OP_INVOKE_WORKFLOW,
    "agent": semconv.OP_INVOKE_AGENT,
    "tool": semconv.OP_EXECUTE_TOOL,
}
_MODEL_OPERATIONS: Final = {
    "chat": semconv.OP_CHAT,
    "completion": semconv.OP_TEXT_COMPLETION,
    "embedding": semconv.OP_EMBEDDINGS,
}
_NAMES: Final = {
    "llm.is_streaming": semconv.REQUEST_STREAM,
    "llm.top_k": semconv.REQUEST_TOP_K,
    "llm.frequency_penalty": semconv.REQUEST_FREQUENCY_PENALTY,
    "llm.presence_penalty": semconv.REQUEST_PRESENCE_PENALTY,
    "llm.chat.stop_sequences": semconv.REQUEST_STOP_SEQUENCES,
    "llm.response.finish_reason": semconv.RESPONSE_FINISH_REASONS,
    "llm.response.stop_reason": semconv.RESPONSE_FINISH_REASONS,
    "traceloop.workflow.name": semconv.WORKFLOW_NAME,
}


def normalise(span: SpanRecord) -> SpanRecord:
    """Return the span under GenAI names."""
    values = span.attributes
    kind = values.get(_KIND)
    request = values.get(_REQUEST_TYPE)
    if kind is None and request is None and "gen_ai.prompt.0.role" not in values:
        return span
    found: dict[str, str | None] = {
        semconv.OPERATION_NAME: _operation(kind, request),
        **renamed(values, _NAMES),
    }
    if kind == "tool":
        found |= _tool_content(span)
    elif kind == "agent":
        found[semconv.AGENT_NAME] = values.get(_ENTITY_NAME)
    if kind is None or request is not None:
        found |= _model_content(span)
    return completed(span, found)


def _operation(kind: str | None, request: str | None) -> str | None:
    if request is not None:
        return _MODEL_OPERATIONS.get(request)
    return semconv.OP_CHAT if kind is None else _OPERATIONS.get(kind)


def _model_content(span: SpanRecord) -> dict[str, str | None]:
    sent = [chat_message(each) for each in numbered(span.attributes, "gen_ai.prompt")]
    answers = [
        chat_message({"role": "assistant", **each})
        for each in numbered(span.attributes, "gen_ai.completion")
    ]
    tools: list[JsonValue] = [
        _definition(each) for each in numbered(span.attributes, "llm.request.functions")
    ]
    return {
        semconv.INPUT_MESSAGES: messages_text(sent),
        semconv.OUTPUT_MESSAGES: messages_text(answers),
        semconv.TOOL_DEFINITIONS: dump_json(tools) if tools else None,
    }


def _definition(wire: JsonObject) -> JsonObject:
    parameters = wire.get("parameters", wire.get("input_schema"))
    if isinstance(parameters, str):
        parameters = json_or_none(parameters)
    return function_tool({**wire, "parameters": parameters})


def _tool_content(span: SpanRecord) -> dict[str, str | None]:
    values = span.attributes
    return {
        semconv.TOOL_NAME: values.get(_ENTITY_NAME, span.name),
        semconv.TOOL_CALL_ARGUMENTS: _arguments(values.get(_ENTITY_INPUT)),
        semconv.TOOL_CALL_RESULT: _result(values.get(_ENTITY_OUTPUT)),
    }


def _arguments(content: str | None) -> str | None:
    """Return the arguments of an entity's input.

    The decorators write `{"args": […], "kwargs": {…}}`, the LangChain callback
    `{"input_str": "…", "inputs": {…}, …}`.
    """
    wire = object_of(json_or_none(content)) if content is not None else {}
    if wire.keys() == {"args", "kwargs"} and wire["args"] in ([], None):
        return dump_json(wire["kwargs"])
    if isinstance(wire.get("inputs"), dict):
        return dump_json(wire["inputs"])
    if "input_str" in wire:
        return str(wire["input_str"])
    return content


def _result(content: str | None) -> str | None:
    wire = object_of(json_or_none(content)) if content is not None else {}
    output = wire.get("output")
    if output is None or not wire.keys() <= {"output", "kwargs"}:
        return content
    message = object_of(object_of(output).get("kwargs"))
    return dump_json(message.get("content", output))
