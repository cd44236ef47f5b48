"""A finished span and the payload beside it become one redacted span.

`Finisher.finish` gives the redacted OpenTelemetry span, payload events attached:
that is what any exporter may have. `to_record` gives our stored copy of it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, SpanKind, Status, format_span_id, format_trace_id
from opentelemetry.trace import StatusCode as OtelStatusCode
from opentelemetry.util.types import Attributes as OtelAttributes

from otel_agent_replay import semconv
from otel_agent_replay.capture.genai import (
    Description,
    Plain,
    details_event,
    inference_attributes,
)
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.encoding import call_events
from otel_agent_replay.model.payload import HttpResponse, JsonValue, dump_json
from otel_agent_replay.model.span import EventRecord, LinkRecord, SpanRecord, StatusCode
from otel_agent_replay.redact import RedactionError, Redactor

__all__ = ["Finisher", "Payload", "collector_text", "to_record"]

_HTTP_ERROR: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What travels beside a span until it is redacted."""

    call: Call
    outcome: Outcome

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        request, response = self.call.request, self.outcome.response
        wire = len(request.body) if request else 0
        return wire + sum(len(c.data) for c in response.chunks) if response else wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Finisher:
    """Redacts and completes finished spans; pure but for the redactor's memo.

    Attributes:
        redactor: The policy in force.
        describe: Reads a model call; given by the provider codecs.
        decode: Takes the content coding off a response.
    """

    redactor: Redactor
    describe: Callable[[Call, Outcome], Description]
    decode: Callable[[HttpResponse], HttpResponse]

    def finish(
        self,
        span: ReadableSpan,
        payload: Payload | None,
        extra: Mapping[str, Plain],
    ) -> ReadableSpan:
        """Return the span redacted, with its payload; a payload that fails is dropped.

        Raises:
            RedactionError: The span itself cannot be redacted.
        """
        plain = self._redacted(span, extra)
        if payload is None:
            return plain
        try:
            call, outcome = self._redacted_payload(payload)
            return self._completed(plain, call, outcome)
        except RedactionError:
            return _dropped(plain, "redaction")
        except ValueError:
            return _dropped(plain, "encoding")

    def _redacted_payload(self, payload: Payload) -> tuple[Call, Outcome]:
        outcome = payload.outcome
        if outcome.response is not None:
            outcome = replace(outcome, response=self.decode(outcome.response))
        return self.redactor.call(payload.call), self.redactor.outcome(outcome)

    def _redacted(self, span: ReadableSpan, extra: Mapping[str, Plain]) -> ReadableSpan:
        redact = self.redactor
        status = span.status
        description = status.description
        if description is not None:
            status = Status(status.status_code, redact.text(description))
        return ReadableSpan(
            name=redact.text(span.name),
            context=span.context,
            parent=span.parent,
            resource=Resource(
                redact.attributes(span.resource.attributes),
                span.resource.schema_url,
            ),
            attributes=redact.attributes({**(span.attributes or {}), **extra}),
            events=[
                Event(e.name, redact.attributes(e.attributes or {}), e.timestamp)
                for e in span.events
            ],
            links=[
                Link(each.context, redact.attributes(each.attributes or {}))
                for each in span.links
            ],
            kind=span.kind,
            status=status,
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    def _completed(
        self,
        span: ReadableSpan,
        call: Call,
        outcome: Outcome,
    ) -> ReadableSpan:
        description = (
            self.describe(call, outcome) if call.kind == "model" else Description()
        )
        attributes = {
            **(span.attributes or {}),
            semconv.STEP_NAME: call.name,
            **_call_attributes(call, outcome),
            **inference_attributes(description),
        }
        when = span.end_time
        events = [
            *span.events,
            *(Event(e.name, e.attributes, when) for e in call_events(call, outcome)),
        ]
        details = details_event(description)
        if details:
            events.append(Event(semconv.EVENT_INFERENCE_DETAILS, details, when))
        return _with(
            span,
            name=_name(span, call, description),
            attributes=attributes,
            events=events,
            status=_status(span, outcome),
        )


def _call_attributes(call: Call, outcome: Outcome) -> dict[str, Plain]:
    found: dict[str, Plain] = {
        name: value if isinstance(value, str | bool | int | float) else dump_json(value)
        for name, value in call.attributes.items()
        if value is not None
    }
    if outcome.served_from is not None:
        found[semconv.STEP_SERVED_FROM] = outcome.served_from
    if outcome.response is not None:
        found |= _response_attributes(outcome.response)
    if outcome.error is not None:
        found[semconv.ERROR_TYPE] = outcome.error.type_name
    return found


def _response_attributes(response: HttpResponse) -> dict[str, Plain]:
    found: dict[str, Plain] = {semconv.HTTP_RESPONSE_STATUS_CODE: response.status}
    if len(response.chunks) > 1:
        first = response.chunks[0].at_ns / 1e9
        found[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] = first
    if response.status >= _HTTP_ERROR:
        found[semconv.ERROR_TYPE] = str(response.status)
    return found


def _name(span: ReadableSpan, call: Call, description: Description) -> str:
    if call.kind != "model" or span.name != call.attributes.get(semconv.OPERATION_NAME):
        return span.name
    model = description.request.model if description.request else None
    return f"{span.name} {model}" if model else span.name


def _status(span: ReadableSpan, outcome: Outcome) -> Status:
    if span.status.status_code is not OtelStatusCode.UNSET:
        return span.status
    if outcome.error is not None:
        return Status(OtelStatusCode.ERROR, outcome.error.message)
    if outcome.response is not None and outcome.response.status >= _HTTP_ERROR:
        return Status(OtelStatusCode.ERROR)
    return span.status


def _dropped(span: ReadableSpan, reason: str) -> ReadableSpan:
    return _with(
        span, attributes={**(span.attributes or {}), semconv.STEP_DROPPED: reason}
    )


def _with(
    span: ReadableSpan,
    *,
    attributes: OtelAttributes,
    name: str | None = None,
    events: Sequence[Event] | None = None,
    status: Status | None = None,
) -> ReadableSpan:
    return ReadableSpan(
        name=name or span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=span.events if events is None else events,
        links=span.links,
        kind=span.kind,
        status=status or span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


# --- the stored copy ---------------------------------------------------------

_KINDS: Final = {
    SpanKind.INTERNAL: "Internal",
    SpanKind.SERVER: "Server",
    SpanKind.CLIENT: "Client",
    SpanKind.PRODUCER: "Producer",
    SpanKind.CONSUMER: "Consumer",
}
_PLAIN_FLOAT: Final = 1e21
"""From here on Go's encoding/json writes an exponent."""
_STATUSES: Final[Mapping[OtelStatusCode, StatusCode]] = {
    OtelStatusCode.UNSET: "Unset",
    OtelStatusCode.OK: "Ok",
    OtelStatusCode.ERROR: "Error",
}


def collector_text(value: object) -> str:
    """Return an attribute value as the Collector's ClickHouse exporter writes it.

    Source: `pcommon.Value.AsString` as used by clickhouseexporter's
    `exporter_traces.go`.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and value.is_integer() and abs(value) < _PLAIN_FLOAT:
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    return dump_json(_json(value))


def _json(value: object) -> JsonValue:
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, str | bool | int | float) or value is None:
        return value
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_json(item) for item in value]
    return collector_text(value)


def _texts(attributes: Mapping[str, object] | None) -> dict[str, str]:
    return {key: collector_text(value) for key, value in (attributes or {}).items()}


def to_record(span: ReadableSpan) -> SpanRecord:
    """Return our stored copy of a finished span."""
    context, parent, scope = span.context, span.parent, span.instrumentation_scope
    if context is None:
        message = f"span {span.name!r} has no context"
        raise ValueError(message)
    return SpanRecord(
        trace_id=format_trace_id(context.trace_id),
        span_id=format_span_id(context.span_id),
        parent_span_id=format_span_id(parent.span_id) if parent else "",
        trace_state=context.trace_state.to_header(),
        name=span.name,
        kind=_KINDS.get(span.kind, "Unspecified"),
        resource=_texts(span.resource.attributes),
        scope_name=scope.name if scope else "",
        scope_version=(scope.version or "") if scope else "",
        attributes=_texts(span.attributes),
        start_ns=span.start_time or 0,
        end_ns=span.end_time or span.start_time or 0,
        status_code=_STATUSES[span.status.status_code],
        status_message=span.status.description or "",
        events=tuple(
            EventRecord(
                name=e.name, time_ns=e.timestamp, attributes=_texts(e.attributes)
            )
            for e in span.events
        ),
        links=tuple(
            LinkRecord(
                trace_id=format_trace_id(each.context.trace_id),
                span_id=format_span_id(each.context.span_id),
                trace_state=each.context.trace_state.to_header(),
                attributes=_texts(each.attributes),
            )
            for each in span.links
        ),
    )
