"""A redacted span with its payload, before it is written in one form or another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status

from otel_agent_replay.capture.record import Written, link_record, texts, to_record
from otel_agent_replay.model.content import PackedSpan, Packer, Part
from otel_agent_replay.model.pieces import GrowingText
from otel_agent_replay.model.span import Attributes
from otel_agent_replay.redact import AttrValue

__all__ = ["Completed", "Described", "Happened"]


class Happened(NamedTuple):
    """An event; `grown` are those attributes that grow from step to step."""

    name: str
    attributes: Mapping[str, AttrValue]
    time_ns: int | None
    grown: Mapping[str, GrowingText] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """A resource, and its attributes as they are stored."""

    resource: Resource
    texts: Attributes = field(init=False)

    def __post_init__(self) -> None:
        """Write the attributes once for all spans that come from there."""
        object.__setattr__(self, "texts", texts(self.resource.attributes))


class Completed(NamedTuple):
    """A span as it may leave the process; `span` has its ids, times and kind."""

    span: ReadableSpan
    name: str
    resource: Described
    attributes: Mapping[str, AttrValue]
    status: Status
    events: tuple[Happened, ...] = ()
    links: tuple[tuple[SpanContext, Mapping[str, AttrValue]], ...] = ()
    scope: InstrumentationScope | None = None

    def readable(self) -> ReadableSpan:
        """Return the span as exporters take it."""
        span = self.span
        return ReadableSpan(
            name=self.name,
            context=span.context,
            parent=span.parent,
            resource=self.resource.resource,
            attributes=self.attributes,
            events=[Event(e.name, _whole(e), e.time_ns) for e in self.events],
            links=[Link(context, attributes) for context, attributes in self.links],
            kind=span.kind,
            status=self.status,
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=self.scope,
        )

    def packed(self, packer: Packer) -> PackedSpan:
        """Return the span as the store takes it, with all contents that are new.

        They are new to those that its texts in pieces go on from.
        """
        # Of its parts and not of `readable()`: that costs as much as all else here.
        parts = packer.parts(
            len(self.name),
            texts(self.attributes),
            [
                Part(e.name, e.time_ns or 0, texts(e.attributes), e.grown)
                for e in self.events
            ],
        )
        written = Written(
            name=self.name,
            status=self.status,
            scope=self.scope,
            resource=self.resource.texts,
            attributes=parts.attributes,
            events=parts.events,
            links=tuple([link_record(*each) for each in self.links]),
        )
        return parts.of(to_record(self.span, written))


def _whole(event: Happened) -> dict[str, AttrValue]:
    return {**event.attributes, **{key: str(t) for key, t in event.grown.items()}}
