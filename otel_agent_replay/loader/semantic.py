"""Spans in the normal form of `dialects`, read as calls and their outcomes."""

from __future__ import annotations

from typing import Final

from otel_agent_replay import semconv
from otel_agent_replay.instrument.providers.json_access import (
    count,
    json_or_none,
    objects_of,
    sequence,
)
from otel_agent_replay.model.call import Call, Kind, Outcome, RecordedException
from otel_agent_replay.model.encoding import MISSING, CallReading
from otel_agent_replay.model.messages import (
    Message,
    ModelRequest,
    ModelResponse,
    Usage,
)
from otel_agent_replay.model.payload import JsonObject, JsonValue
from otel_agent_replay.model.span import Attributes, SpanRecord
from otel_agent_replay.model.untrusted import parse_payload

__all__ = [
    "kind_of",
    "model_messages",
    "payload_or_none",
    "read_error",
    "read_semantic",
]

_KINDS: Final[dict[str, Kind]] = {
    **dict.fromkeys(semconv.INFERENCE_OPERATIONS, "model"),
    **dict.fromkeys(semconv.MEMORY_OPERATIONS, "memory"),
    semconv.OP_EXECUTE_TOOL: "tool",
    semconv.OP_RETRIEVAL: "retrieval",
    semconv.OP_INVOKE_AGENT: "agent",
    semconv.OP_INVOKE_WORKFLOW: "agent",
    semconv.OP_PLAN: "step",
}
_NOT_PARAMETERS: Final = frozenset(
    {
        semconv.REQUEST_MODEL,
        semconv.REQUEST_STREAM,
        semconv.REQUEST_PREVIOUS_RESPONSE_ID,
    },
)
_USAGE: Final = {
    "input_tokens": semconv.USAGE_INPUT_TOKENS,
    "output_tokens": semconv.USAGE_OUTPUT_TOKENS,
    "cache_read_input_tokens": semconv.USAGE_CACHE_READ_INPUT_TOKENS,
    "cache_write_input_tokens": semconv.USAGE_CACHE_WRITE_INPUT_TOKENS,
    "reasoning_output_tokens": semconv.USAGE_REASONING_OUTPUT_TOKENS,
}
_CONTENT: Final[dict[Kind, tuple[str, str]]] = {
    "tool": (semconv.TOOL_CALL_ARGUMENTS, semconv.TOOL_CALL_RESULT),
    "retrieval": (semconv.RETRIEVAL_QUERY_TEXT, semconv.RETRIEVAL_DOCUMENTS),
    "memory": (semconv.MEMORY_QUERY_TEXT, semconv.MEMORY_RECORDS),
    "agent": (semconv.INPUT_MESSAGES, semconv.OUTPUT_MESSAGES),
    "step": (semconv.INPUT_MESSAGES, semconv.OUTPUT_MESSAGES),
}
_NAMES: Final[dict[Kind, tuple[str, ...]]] = {
    "tool": (semconv.TOOL_NAME,),
    "retrieval": (semconv.DATA_SOURCE_ID,),
    "memory": (semconv.OPERATION_NAME,),
    "agent": (semconv.AGENT_NAME, semconv.WORKFLOW_NAME),
    "step": (semconv.AGENT_NAME,),
}
_KEPT: Final = (
    semconv.OPERATION_NAME,
    semconv.PROVIDER_NAME,
    semconv.TOOL_CALL_ID,
    semconv.TOOL_TYPE,
    semconv.TOOL_DESCRIPTION,
    semconv.AGENT_NAME,
)


def kind_of(span: SpanRecord) -> Kind | None:
    """Return the kind of call a span in the normal form is, None if it is none."""
    return _KINDS.get(span.attributes.get(semconv.OPERATION_NAME, ""))


def read_semantic(kind: Kind, span: SpanRecord) -> CallReading:
    """Return the call that a span in the normal form tells of."""
    if kind == "model":
        return _read_model(span)
    values = span.attributes
    asked, answered = _CONTENT[kind]
    name = next((values[n] for n in _NAMES[kind] if n in values), span.name)
    value = _value(values[answered]) if answered in values else None
    error = read_error(span)
    outcome = Outcome(value=None if error else value, error=error)
    lost = kind == "tool" and (asked not in values or (value is None and not error))
    lost = lost and not (answered in values and asked in values)
    call = Call(
        kind=kind,
        name=name,
        inputs=_inputs(values[asked]) if asked in values else None,
        attributes=_kept(values),
    )
    return CallReading(call, outcome, "semantic", MISSING if lost else None)


def _value(content: str) -> JsonValue:
    """Return the object, list or quoted string a text is, else the text itself.

    A number stays text: whether `5` was one is not known.
    """
    try:
        value = parse_payload(content)
    except ValueError:
        return content
    return value if isinstance(value, dict | list | str) else content


def _inputs(content: str) -> JsonObject:
    value = _value(content)
    return value if isinstance(value, dict) else {"input": value}


def _kept(values: Attributes) -> JsonObject:
    return {name: values[name] for name in _KEPT if name in values}


def read_error(span: SpanRecord) -> RecordedException | None:
    """Return the exception that a failed span tells of, None if it did not fail."""
    values = span.attributes
    event = next((e for e in span.events if e.name == semconv.EVENT_EXCEPTION), None)
    if span.status_code != "Error" and semconv.ERROR_TYPE not in values:
        return None
    told: Attributes = event.attributes if event else {}
    name = told.get(semconv.EXCEPTION_TYPE) or values.get(semconv.ERROR_TYPE, "error")
    module, dot, last = name.rpartition(".")
    return RecordedException(
        type_name=f"{module}:{last}" if dot else name,
        message=told.get(semconv.EXCEPTION_MESSAGE, span.status_message),
        stacktrace=told.get(semconv.EXCEPTION_STACKTRACE, ""),
    )


# --- model calls ---------------------------------------------------------------


def _read_model(span: SpanRecord) -> CallReading:
    request, response = model_messages(span)
    values = span.attributes
    model = f" {request.model}" if request.model else ""
    error = read_error(span)
    lost = not request.messages or not (response.messages or error)
    return CallReading(
        Call(
            kind="model",
            name=f"{request.operation}{model}",
            inputs=_request_json(request) if request.messages else None,
            attributes=_kept(values),
        ),
        Outcome(
            value=[each.to_json() for each in response.messages] or None,
            error=error,
        ),
        "semantic",
        MISSING if lost else None,
    )


def _request_json(request: ModelRequest) -> JsonObject:
    return {
        semconv.REQUEST_MODEL: request.model,
        **request.parameters,
        semconv.SYSTEM_INSTRUCTIONS: list(request.system),
        semconv.INPUT_MESSAGES: [each.to_json() for each in request.messages],
        semconv.TOOL_DEFINITIONS: list(request.tools),
    }


def model_messages(span: SpanRecord) -> tuple[ModelRequest, ModelResponse]:
    """Return what a model span in the normal form says was asked and answered."""
    values = span.attributes
    request = ModelRequest(
        operation=values.get(semconv.OPERATION_NAME, semconv.OP_CHAT),
        provider=values.get(semconv.PROVIDER_NAME, ""),
        model=values.get(semconv.REQUEST_MODEL),
        system=tuple(_json_objects(values, semconv.SYSTEM_INSTRUCTIONS)),
        messages=_messages(values, semconv.INPUT_MESSAGES),
        tools=tuple(_json_objects(values, semconv.TOOL_DEFINITIONS)),
        parameters=_parameters(values),
        previous_id=values.get(semconv.REQUEST_PREVIOUS_RESPONSE_ID),
        stream=values.get(semconv.REQUEST_STREAM) == "true",
    )
    response = ModelResponse(
        id=values.get(semconv.RESPONSE_ID),
        model=values.get(semconv.RESPONSE_MODEL),
        messages=_messages(values, semconv.OUTPUT_MESSAGES),
        finish_reasons=_reasons(values.get(semconv.RESPONSE_FINISH_REASONS)),
        usage=Usage(**{name: _count(values, key) for name, key in _USAGE.items()}),
        status=values.get(semconv.RESPONSE_STATUS),
    )
    return request, response


def _messages(values: Attributes, name: str) -> tuple[Message, ...]:
    return tuple(Message.from_json(each) for each in _json_objects(values, name))


def _json_objects(values: Attributes, name: str) -> list[JsonObject]:
    return objects_of(payload_or_none(values.get(name, "")))


def payload_or_none(content: str) -> JsonValue:
    """Return the JSON value of a text that is one to walk; else None."""
    try:
        return parse_payload(content)
    except ValueError:
        return None


def _count(values: Attributes, name: str) -> int | None:
    return count(json_or_none(values.get(name, "")))


def _parameters(values: Attributes) -> JsonObject:
    return {
        name: _parameter(value)
        for name, value in sorted(values.items())
        if name.startswith(semconv.REQUEST_PREFIX) and name not in _NOT_PARAMETERS
    }


def _parameter(content: str) -> JsonValue:
    value = payload_or_none(content)
    return content if value is None else value


def _reasons(content: str | None) -> tuple[str, ...]:
    if content is None:
        return ()
    reasons = sequence(json_or_none(content)) or [content]
    return tuple(each for each in reasons if isinstance(each, str))
