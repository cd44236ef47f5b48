"""A redacted span with its payload, before it is written in one form or another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status

from otel_agent_replay.capture.record import texts, to_record
from otel_agent_replay.model.content import PackedSpan, Packer
from otel_agent_replay.model.pieces import GrowingText
from otel_agent_replay.model.span import EventRecord
from otel_agent_replay.redact import AttrValue

__all__ = ["Completed", "EventValue", "Happened"]

EventValue: TypeAlias = "AttrValue | GrowingText"


class Happened(NamedTuple):
    """An event; a text that grows from step to step is there in pieces."""

    name: str
    attributes: Mapping[str, EventValue]
    time_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Completed:
    """A span as it may leave the process; `span` has its ids, times and kind."""

    span: ReadableSpan
    name: str
    resource: Resource
    attributes: Mapping[str, AttrValue]
    status: Status
    events: tuple[Happened, ...] = ()
    links: tuple[tuple[SpanContext, Mapping[str, AttrValue]], ...] = ()
    scope: InstrumentationScope | None = None

    def readable(self) -> ReadableSpan:
        """Return the span as exporters take it."""
        return self._readable(
            [Event(e.name, _whole(e.attributes), e.time_ns) for e in self.events]
        )

    def _readable(self, events: list[Event]) -> ReadableSpan:
        span = self.span
        return ReadableSpan(
            name=self.name,
            context=span.context,
            parent=span.parent,
            resource=self.resource,
            attributes=self.attributes,
            events=events,
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
        grown: list[Mapping[str, GrowingText]] = []
        events: list[EventRecord] = []
        for each in self.events:
            inline = dict[str, AttrValue]()
            pieces = dict[str, GrowingText]()
            for key, value in each.attributes.items():
                if isinstance(value, GrowingText):
                    pieces[key] = value
                else:
                    inline[key] = value
            grown.append(pieces)
            events.append(
                EventRecord(
                    name=each.name,
                    time_ns=each.time_ns or 0,
                    attributes=texts(inline),
                )
            )
        return packer.pack(to_record(self._readable([]), tuple(events)), grown)


def _whole(attributes: Mapping[str, EventValue]) -> dict[str, AttrValue]:
    return {
        key: str(value) if isinstance(value, GrowingText) else value
        for key, value in attributes.items()
    }
