"""`SpanRecord` to and from a row of the Collector's `otel_traces`.

Column names, order and encoding are those of `exporter_traces.go` in
opentelemetry-collector-contrib (`clickhouseexporter`); rows that a Collector
wrote read the same as ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from otel_agent_replay import semconv
from otel_agent_replay.model.reader import PayloadReader
from otel_agent_replay.model.span import (
    Attributes,
    EventRecord,
    LinkRecord,
    SpanRecord,
    StatusCode,
    storable,
)

__all__ = ["COLUMNS", "Row", "from_row", "to_row"]

COLUMNS: Final = (
    "Timestamp",
    "TraceId",
    "SpanId",
    "ParentSpanId",
    "TraceState",
    "SpanName",
    "SpanKind",
    "ServiceName",
    "ResourceAttributes",
    "ScopeName",
    "ScopeVersion",
    "SpanAttributes",
    "Duration",
    "StatusCode",
    "StatusMessage",
    "Events.Timestamp",
    "Events.Name",
    "Events.Attributes",
    "Links.TraceId",
    "Links.SpanId",
    "Links.TraceState",
    "Links.Attributes",
)

_WRAP: Final = 1 << 64
# Collectors before 0.119 wrote protobuf's names.
_STATUS: Final[dict[str, StatusCode]] = {
    "Ok": "Ok",
    "Error": "Error",
    "STATUS_CODE_OK": "Ok",
    "STATUS_CODE_ERROR": "Error",
}
_OLD_KIND: Final = "SPAN_KIND_"


class Row(NamedTuple):
    """The 22 values of a row, in the order of `COLUMNS`; times in nanoseconds."""

    timestamp: int
    trace_id: str
    span_id: str
    parent_span_id: str
    trace_state: str
    name: str
    kind: str
    service_name: str
    resource: dict[str, str]
    scope_name: str
    scope_version: str
    attributes: dict[str, str]
    duration: int
    status_code: str
    status_message: str
    event_times: list[int]
    event_names: list[str]
    event_attributes: list[dict[str, str]]
    link_trace_ids: list[str]
    link_span_ids: list[str]
    link_trace_states: list[str]
    link_attributes: list[dict[str, str]]


def to_row(span: SpanRecord) -> Row:
    """Return the row of a span.

    A span that ends before it starts wraps its duration round 64 bits, as the
    Collector's does; `from_row` undoes it.
    """
    return Row(
        timestamp=span.start_ns,
        trace_id=storable(span.trace_id),
        span_id=storable(span.span_id),
        parent_span_id=storable(span.parent_span_id),
        trace_state=storable(span.trace_state),
        name=storable(span.name),
        kind=storable(span.kind),
        service_name=storable(span.resource.get(semconv.SERVICE_NAME, "")),
        resource=_texts(span.resource),
        scope_name=storable(span.scope_name),
        scope_version=storable(span.scope_version),
        attributes=_texts(span.attributes),
        duration=(span.end_ns - span.start_ns) % _WRAP,
        status_code=span.status_code,
        status_message=storable(span.status_message),
        event_times=[event.time_ns for event in span.events],
        event_names=[storable(event.name) for event in span.events],
        event_attributes=[_texts(event.attributes) for event in span.events],
        link_trace_ids=[storable(link.trace_id) for link in span.links],
        link_span_ids=[storable(link.span_id) for link in span.links],
        link_trace_states=[storable(link.trace_state) for link in span.links],
        link_attributes=[_texts(link.attributes) for link in span.links],
    )


def from_row(row: Row, reader: PayloadReader | None = None) -> SpanRecord:
    """Return the span of a row, with the payloads that a reader has for it."""
    attributes: Attributes = row.attributes
    events: Sequence[Attributes] = row.event_attributes
    if reader is not None:
        attributes, events = reader.inline(attributes, events)
    return SpanRecord(
        trace_id=row.trace_id,
        span_id=row.span_id,
        parent_span_id=row.parent_span_id,
        trace_state=row.trace_state,
        name=row.name,
        kind=row.kind.removeprefix(_OLD_KIND).capitalize()
        if row.kind.startswith(_OLD_KIND)
        else row.kind,
        resource=row.resource,
        scope_name=row.scope_name,
        scope_version=row.scope_version,
        attributes=attributes,
        start_ns=row.timestamp,
        end_ns=(row.timestamp + row.duration) % _WRAP,
        status_code=_STATUS.get(row.status_code, "Unset"),
        status_message=row.status_message,
        events=tuple(
            [
                EventRecord(name=name, time_ns=time_ns, attributes=values)
                for time_ns, name, values in zip(
                    row.event_times, row.event_names, events, strict=True
                )
            ]
        ),
        links=tuple(
            LinkRecord(
                trace_id=trace_id,
                span_id=span_id,
                trace_state=trace_state,
                attributes=attributes,
            )
            for trace_id, span_id, trace_state, attributes in zip(
                row.link_trace_ids,
                row.link_span_ids,
                row.link_trace_states,
                row.link_attributes,
                strict=True,
            )
        ),
    )


def _texts(attributes: Attributes) -> dict[str, str]:
    if all(map(str.isascii, attributes)) and all(map(str.isascii, attributes.values())):
        return dict(attributes)
    return {storable(key): storable(value) for key, value in attributes.items()}
