"""Our stored copy of a span, in the encoding of the Collector's `otel_traces`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = [
    "Attributes",
    "EventRecord",
    "LinkRecord",
    "SpanRecord",
    "StatusCode",
    "storable",
]

Attributes: TypeAlias = Mapping[str, str]
"""Attribute values as the Collector writes them: strings as they are, booleans
`true`/`false`, numbers in decimal, bytes in base64, lists and maps as JSON text."""

StatusCode: TypeAlias = Literal["Unset", "Ok", "Error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """A span event; `time_ns` is Unix time in nanoseconds."""

    name: str
    time_ns: int
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRecord:
    """A span link."""

    trace_id: str
    span_id: str
    trace_state: str = ""
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRecord:
    """A finished span.

    Ids are lower-case hex, `parent_span_id` is empty for a root; times are Unix
    nanoseconds; `kind` is `Unspecified`, `Internal`, `Server`, `Client`,
    `Producer` or `Consumer`. (trace_id, span_id) identifies the span.
    """

    trace_id: str
    span_id: str
    parent_span_id: str = ""
    trace_state: str = ""
    name: str
    kind: str = "Internal"
    resource: Attributes = field(default_factory=dict)
    scope_name: str = ""
    scope_version: str = ""
    attributes: Attributes = field(default_factory=dict)
    start_ns: int
    end_ns: int
    status_code: StatusCode = "Unset"
    status_message: str = ""
    events: tuple[EventRecord, ...] = ()
    links: tuple[LinkRecord, ...] = ()


def storable(value: str) -> str:
    """Return the text with what UTF-8 cannot hold replaced."""
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value
