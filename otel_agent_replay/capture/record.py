"""A redacted span as our stored copy of it, encoded as the Collector encodes it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id
from opentelemetry.trace import StatusCode as OtelStatusCode

from otel_agent_replay.model.payload import JsonValue, dump_json
from otel_agent_replay.model.span import (
    Attributes,
    EventRecord,
    LinkRecord,
    SpanRecord,
    StatusCode,
)

__all__ = ["collector_text", "texts", "to_record"]

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
    if isinstance(value, float) and value.is_integer() and abs(value) < _PLAIN_FLOAT:
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return dump_json(_json(value))


def _json(value: object) -> JsonValue:
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, str | bool | int | float) or value is None:
        return value
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_json(item) for item in value]
    return collector_text(value)


def texts(attributes: Mapping[str, object] | None) -> dict[str, str]:
    """Return attributes as the Collector's ClickHouse exporter writes them."""
    return {
        key: value
        if value.__class__ is str
        else str(value)
        if value.__class__ is int
        else collector_text(value)
        for key, value in (attributes or {}).items()
    }


def to_record(
    span: ReadableSpan,
    *,
    events: tuple[EventRecord, ...] | None = None,
    resource: Attributes | None = None,
) -> SpanRecord:
    """Return our stored copy of a finished span.

    `events`, and the texts of its resource, are made of the span if not given.
    """
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
        resource=texts(span.resource.attributes) if resource is None else resource,
        scope_name=scope.name if scope else "",
        scope_version=(scope.version or "") if scope else "",
        attributes=texts(span.attributes),
        start_ns=span.start_time or 0,
        end_ns=span.end_time or span.start_time or 0,
        status_code=_STATUSES[span.status.status_code],
        status_message=span.status.description or "",
        events=events
        if events is not None
        else tuple(
            EventRecord(
                name=e.name, time_ns=e.timestamp, attributes=texts(e.attributes)
            )
            for e in span.events
        ),
        links=tuple(
            LinkRecord(
                trace_id=format_trace_id(each.context.trace_id),
                span_id=format_span_id(each.context.span_id),
                trace_state=each.context.trace_state.to_header(),
                attributes=texts(each.attributes),
            )
            for each in span.links
        ),
    )
