"""A call and its outcome as payload events, and back: the one place for both.

A call that carries a wire request becomes one `agent_replay.http.exchange`, a
tool call one `agent_replay.tool.call`, any other one `agent_replay.call`. What
was encoded reads back equal: bytes, header order, chunk boundaries, JSON values.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from otel_agent_replay import semconv
from otel_agent_replay.model.call import (
    Call,
    Effect,
    Ended,
    Kind,
    Outcome,
    RecordedException,
)
from otel_agent_replay.model.exchange import (
    EventValue,
    read_request,
    read_response,
    request_attributes,
    response_attributes,
)
from otel_agent_replay.model.payload import JsonObject, dump_json
from otel_agent_replay.model.span import Attributes, EventRecord
from otel_agent_replay.model.step import Fidelity
from otel_agent_replay.model.untrusted import parse_list, parse_payload

__all__ = [
    "DAMAGED",
    "MISSING",
    "PAYLOAD_EVENTS",
    "CallReading",
    "EventValue",
    "PayloadEvent",
    "call_events",
    "read_call",
]

_T = TypeVar("_T")

PAYLOAD_EVENTS: Final = frozenset(
    {semconv.EVENT_HTTP_EXCHANGE, semconv.EVENT_TOOL_CALL, semconv.EVENT_CALL},
)
"""Names of the events that carry a call."""

MISSING: Final = "missing"
"""`dropped` of a call whose span came without its payload event."""

DAMAGED: Final = "damaged"
"""`dropped` of a call whose payload event does not read as one."""

_ENDED: Final[dict[str, Ended]] = {
    "complete": "complete",
    "abandoned": "abandoned",
    "failed": "failed",
    "open": "open",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadEvent:
    """An event to put on a call's span; its time is up to who puts it there."""

    name: str
    attributes: Mapping[str, EventValue]


class CallReading(NamedTuple):
    """What the payload events of a span say; `dropped` says why if they do not."""

    call: Call
    outcome: Outcome
    fidelity: Fidelity
    dropped: str | None


# --- to events -----------------------------------------------------------------


def call_events(
    call: Call, outcome: Outcome, *, apart: Container[str] = ()
) -> tuple[PayloadEvent, ...]:
    """Return the events that carry a call and its outcome.

    `kind`, `name`, `effect` and `served_from` are not in them: they stand on the
    span as attributes, and `read_call` takes them from there. Nor are the headers and
    the body of a request if their names are in `apart`.
    """
    name = _event_name(call, outcome)
    attributes: dict[str, EventValue] = {}
    if call.attributes:
        attributes[semconv.CALL_ATTRIBUTES] = dump_json(call.attributes)
    if call.request is not None:
        attributes |= request_attributes(call.request, apart)
    if outcome.response is not None:
        attributes |= response_attributes(outcome.response)
    if call.inputs is not None:
        attributes[_arguments_key(name)] = dump_json(call.inputs)
    if _has_result(name, outcome):
        attributes[_result_key(name)] = dump_json(outcome.value)
    return (PayloadEvent(name=name, attributes=attributes | _end_attributes(outcome)),)


def _event_name(call: Call, outcome: Outcome) -> str:
    if call.request is not None or outcome.response is not None:
        return semconv.EVENT_HTTP_EXCHANGE
    return semconv.EVENT_TOOL_CALL if call.kind == "tool" else semconv.EVENT_CALL


def _arguments_key(event: str) -> str:
    tool = event == semconv.EVENT_TOOL_CALL
    return semconv.TOOL_CALL_ARGUMENTS if tool else semconv.CALL_ARGUMENTS


def _result_key(event: str) -> str:
    tool = event == semconv.EVENT_TOOL_CALL
    return semconv.TOOL_CALL_RESULT if tool else semconv.CALL_RESULT


def _has_result(event: str, outcome: Outcome) -> bool:
    """The convention defines a result for successful calls only."""
    if outcome.value is not None:
        return True
    if outcome.ended == "open":
        return False
    return event != semconv.EVENT_HTTP_EXCHANGE and not outcome.failed


def _end_attributes(outcome: Outcome) -> dict[str, EventValue]:
    found: dict[str, EventValue] = {}
    if outcome.items is not None:
        found[semconv.CALL_ITEMS] = dump_json(list(outcome.items))
    if outcome.error is not None:
        found[semconv.CALL_ERROR] = dump_json(_error_json(outcome.error))
    if outcome.ended != "complete":
        found[semconv.CALL_ENDED] = outcome.ended
    return found


def _error_json(error: RecordedException) -> JsonObject:
    return {
        "type": error.type_name,
        "message": error.message,
        "args": None if error.args is None else list(error.args),
        "attributes": error.attributes,
        "stacktrace": error.stacktrace,
    }


# --- from events ---------------------------------------------------------------


def read_call(
    kind: Kind,
    name: str,
    effect: Effect,
    attributes: Attributes,
    events: Iterable[EventRecord],
) -> CallReading:
    """Return the call and outcome that a span's events carry; never raises.

    Without a payload event, or with one that does not read, the call has neither
    arguments nor answer, and `dropped` says why: the span's own word for it, or
    `MISSING`, or `DAMAGED`.
    """
    event = next((each for each in events if each.name in PAYLOAD_EVENTS), None)
    reason = attributes.get(semconv.STEP_DROPPED) or attributes.get(
        semconv.STEP_SAMPLED
    )
    if semconv.STEP_OPEN in attributes and event is None:
        call = Call(kind=kind, name=name, effect=effect)
        return CallReading(call, Outcome(ended="open"), "inferred", reason)
    if event is None:
        return _unread(kind, name, effect, attributes, reason or MISSING)
    try:
        call = _call(kind, name, effect, event)
        outcome = _outcome(event, attributes.get(semconv.STEP_SERVED_FROM))
    except ValueError:
        return _unread(kind, name, effect, attributes, reason or DAMAGED)
    return CallReading(call, outcome, "wire", reason)


def _unread(
    kind: Kind,
    name: str,
    effect: Effect,
    attributes: Attributes,
    reason: str,
) -> CallReading:
    kept: JsonObject = {
        key: attributes[key] for key in _PLAIN_ATTRIBUTES if key in attributes
    }
    failure = attributes.get(semconv.ERROR_TYPE)
    outcome = Outcome(
        error=RecordedException(type_name=failure, message="") if failure else None,
        served_from=attributes.get(semconv.STEP_SERVED_FROM),
    )
    call = Call(kind=kind, name=name, effect=effect, attributes=kept)
    return CallReading(call, outcome, "inferred", reason)


_PLAIN_ATTRIBUTES: Final = (
    semconv.TOOL_CALL_ID,
    semconv.TOOL_NAME,
    semconv.TOOL_TYPE,
    semconv.TOOL_DESCRIPTION,
    semconv.PROVIDER_NAME,
    semconv.AGENT_NAME,
    semconv.SERVER_ADDRESS,
    semconv.SERVER_PORT,
)
"""Attributes of a call that its span keeps when its payload is gone."""


def _call(kind: Kind, name: str, effect: Effect, event: EventRecord) -> Call:
    values = event.attributes
    inputs = _optional(values, _arguments_key(event.name), _object)
    return Call(
        kind=kind,
        name=name,
        inputs=inputs,
        request=read_request(values) if semconv.HTTP_URL in values else None,
        effect=effect,
        attributes=_optional(values, semconv.CALL_ATTRIBUTES, _object) or {},
    )


def _outcome(event: EventRecord, served_from: str | None) -> Outcome:
    values = event.attributes
    answered = semconv.HTTP_RESPONSE_STATUS_CODE in values
    items = _optional(values, semconv.CALL_ITEMS, parse_list)
    return Outcome(
        value=_optional(values, _result_key(event.name), parse_payload),
        items=None if items is None else tuple(items),
        response=read_response(values) if answered else None,
        error=_optional(values, semconv.CALL_ERROR, _error),
        ended=_ended(values.get(semconv.CALL_ENDED, "complete")),
        served_from=served_from,
    )


def _optional(values: Attributes, key: str, read: Callable[[str], _T]) -> _T | None:
    return read(values[key]) if key in values else None


def _error(text: str) -> RecordedException:
    match parse_payload(text):
        case {"type": str(name), "message": str(message), **rest}:
            args, trace = rest.get("args"), rest.get("stacktrace")
            attributes = rest.get("attributes")
            return RecordedException(
                type_name=name,
                message=message,
                args=tuple(args) if isinstance(args, list) else None,
                attributes=attributes if isinstance(attributes, dict) else {},
                stacktrace=trace if isinstance(trace, str) else "",
            )
        case _:
            raise ValueError(text)


def _ended(text: str) -> Ended:
    if text not in _ENDED:
        raise ValueError(text)
    return _ENDED[text]


def _object(text: str) -> JsonObject:
    value = parse_payload(text)
    if not isinstance(value, dict):
        raise ValueError(text)  # noqa: TRY004 - a damaged text, not a wrong argument
    return value
