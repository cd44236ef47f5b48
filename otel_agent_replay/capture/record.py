"""A redacted span as our stored copy of it, encoded as the Collector encodes it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    SpanContext,
    SpanKind,
    Status,
    format_span_id,
    format_trace_id,
)
from opentelemetry.trace import StatusCode as OtelStatusCode

from otel_agent_replay.model.payload import JsonValue, dump_json
from otel_agent_replay.model.span import (
    Attributes,
    EventRecord,
    LinkRecord,
    SpanRecord,
    StatusCode,
)

__all__ = ["Written", "collector_text", "link_record", "texts", "to_record"]

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


class Written(NamedTuple):
    """What is told of a span, as it is stored; its ids and times are left to it."""

    name: str
    status: Status
    scope: InstrumentationScope | None
    resource: Attributes
    attributes: Attributes
    events: tuple[EventRecord, ...]
    links: tuple[LinkRecord, ...]


def to_record(span: ReadableSpan, written: Written | None = None) -> SpanRecord:
    """Return our stored copy of a finished span; what it says is the span's own."""
    context, parent = span.context, span.parent
    if context is None:
        message = f"span {span.name!r} has no context"
        raise ValueError(message)
    said = written or _own(span)
    scope, status = said.scope, said.status
    return SpanRecord(
        trace_id=format_trace_id(context.trace_id),
        span_id=format_span_id(context.span_id),
        parent_span_id=format_span_id(parent.span_id) if parent else "",
        trace_state=context.trace_state.to_header(),
        name=said.name,
        kind=_KINDS.get(span.kind, "Unspecified"),
        resource=said.resource,
        scope_name=scope.name if scope else "",
        scope_version=(scope.version or "") if scope else "",
        attributes=said.attributes,
        start_ns=span.start_time or 0,
        end_ns=span.end_time or span.start_time or 0,
        status_code=_STATUSES[status.status_code],
        status_message=status.description or "",
        events=said.events,
        links=said.links,
    )


def link_record(
    context: SpanContext, attributes: Mapping[str, object] | None
) -> LinkRecord:
    """Return our stored copy of a link."""
    return LinkRecord(
        trace_id=format_trace_id(context.trace_id),
        span_id=format_span_id(context.span_id),
        trace_state=context.trace_state.to_header(),
        attributes=texts(attributes),
    )


def _own(span: ReadableSpan) -> Written:
    return Written(
        name=span.name,
        status=span.status,
        scope=span.instrumentation_scope,
        resource=texts(span.resource.attributes),
        attributes=texts(span.attributes),
        events=tuple(
            EventRecord(
                name=e.name, time_ns=e.timestamp, attributes=texts(e.attributes)
            )
            for e in span.events
        ),
        links=tuple(link_record(each.context, each.attributes) for each in span.links),
    )
