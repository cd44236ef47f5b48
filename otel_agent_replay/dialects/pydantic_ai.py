"""Pydantic AI and Logfire: names of instrumentation version 2 and before."""

from __future__ import annotations

from typing import Final

from otel_agent_replay import semconv
from otel_agent_replay.dialects.values import chat_message, completed, renamed
from otel_agent_replay.instrument.providers.json_access import (
    json_or_none,
    object_of,
    objects_of,
)
from otel_agent_replay.model.payload import JsonObject, JsonValue, dump_json
from otel_agent_replay.model.span import SpanRecord

__all__ = ["normalise"]

_EVENTS: Final = "events"
_REQUEST_PARAMETERS: Final = "model_request_parameters"
_RUNNING_TOOL: Final = "running tool"
_AGENT_RUN: Final = "agent run"
_TOOL_NAMES: Final = {
    "tool_arguments": semconv.TOOL_CALL_ARGUMENTS,
    "tool_response": semconv.TOOL_CALL_RESULT,
}


def normalise(span: SpanRecord) -> SpanRecord:
    """Return the span under GenAI names."""
    values = span.attributes
    found: dict[str, str | None] = {}
    if semconv.TOOL_NAME in values and span.name.startswith(_RUNNING_TOOL):
        found[semconv.OPERATION_NAME] = semconv.OP_EXECUTE_TOOL
    if semconv.TOOL_NAME in values:
        found |= renamed(values, _TOOL_NAMES)
    if "agent_name" in values and span.name == _AGENT_RUN:
        found[semconv.OPERATION_NAME] = semconv.OP_INVOKE_AGENT
        found[semconv.AGENT_NAME] = values["agent_name"]
    if _REQUEST_PARAMETERS in values:
        found |= _messages(span) | {semconv.TOOL_DEFINITIONS: _tools(span)}
    return completed(span, found)


def _messages(span: SpanRecord) -> dict[str, str | None]:
    """Version 1 has one attribute that holds every message event as JSON."""
    events = objects_of(json_or_none(span.attributes.get(_EVENTS, "")))
    sent: list[JsonValue] = []
    chosen: list[JsonValue] = []
    for each in events:
        message = object_of(each.get("message"))
        if message:
            chosen.append(chat_message({"role": "assistant", **message}).to_json())
        elif "role" in each:
            sent.append(chat_message(each).to_json())
    return {
        semconv.INPUT_MESSAGES: dump_json(sent) if sent else None,
        semconv.OUTPUT_MESSAGES: dump_json(chosen) if chosen else None,
    }


def _tools(span: SpanRecord) -> str | None:
    wire = object_of(json_or_none(span.attributes[_REQUEST_PARAMETERS]))
    listed = [
        *objects_of(wire.get("function_tools")),
        *objects_of(wire.get("output_tools")),
    ]
    tools: list[JsonValue] = [_definition(each) for each in listed]
    return dump_json(tools) if tools else None


def _definition(wire: JsonObject) -> JsonObject:
    return {
        "type": "function",
        "name": wire.get("name"),
        "description": wire.get("description"),
        "parameters": wire.get("parameters_json_schema"),
    }
