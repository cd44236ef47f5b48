"""A finished span and the payload beside it become one redacted span.

That is what any exporter may have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, Status
from opentelemetry.trace import StatusCode as OtelStatusCode
from opentelemetry.util.types import Attributes as OtelAttributes

from otel_agent_replay import semconv
from otel_agent_replay.capture.brought import Brought
from otel_agent_replay.capture.finished import FinishedSpan, Payload
from otel_agent_replay.capture.genai import (
    Description,
    Plain,
    details_event,
    inference_attributes,
)
from otel_agent_replay.capture.guard import LOGGER, place_of
from otel_agent_replay.capture.record import to_record
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.content import PackedSpan, Packer
from otel_agent_replay.model.encoding import call_events
from otel_agent_replay.model.payload import HttpResponse, dump_json
from otel_agent_replay.redact import RedactionError, Redactor

__all__ = ["Finisher"]

_HTTP_ERROR: Final = 400
_RESOURCES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Finisher:
    """Redacts and completes finished spans; pure but for memos.

    Attributes:
        redactor: The policy in force.
        describe: Reads a model call; given by the provider codecs.
        decode: Takes the content coding off a response.
    """

    redactor: Redactor
    describe: Callable[[Call, Outcome], Description]
    decode: Callable[[HttpResponse], HttpResponse]
    _resources: dict[int, tuple[Resource, Resource]] = field(default_factory=dict)
    """By identity, each with its redacted copy: a process has one or two."""
    _packer: Packer = field(default_factory=Packer)
    _brought: Brought = field(default_factory=Brought)

    def pack(self, finished: FinishedSpan, told: Mapping[str, Plain]) -> PackedSpan:
        """Return what `finish` returns as the store takes it.

        Contents that an earlier span of the scope has brought along are left out,
        until `forget`.
        """
        packed = self._packer.pack(to_record(self.finish(finished, told)))
        return self._brought.without_known(packed)

    def forget(self, scope: str | None = None) -> None:
        """Bring the contents of a scope, or of all, along again."""
        self._brought.forget(scope)

    def finish(
        self,
        finished: FinishedSpan,
        told: Mapping[str, Plain],
    ) -> ReadableSpan:
        """Return the span redacted, with its payload; what fails is dropped.

        If only the payload fails, the span comes without it. If the span does, only
        its ids, times and our own marks are left of it.

        Args:
            finished: The span.
            told: More of our own attributes.
        """
        marks = {**finished.marks, **told}
        try:
            plain = self._redacted(finished.span, finished.extra, marks)
        except RedactionError:
            return _dropped(_bare(finished.span, marks), "redaction")
        if finished.payload is None:
            return plain
        try:
            call, outcome = self._redacted_payload(finished.payload)
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

    def _redacted(
        self,
        span: ReadableSpan,
        extra: Mapping[str, Plain],
        marks: Mapping[str, Plain],
    ) -> ReadableSpan:
        redact = self.redactor
        given = {**(span.attributes or {}), **extra}
        searched = {k: v for k, v in given.items() if k not in marks}
        return ReadableSpan(
            name=redact.text(span.name),
            context=span.context,
            parent=span.parent,
            resource=self._resource(span.resource),
            attributes={**redact.attributes(searched), **marks},
            events=[
                Event(
                    redact.text(e.name),
                    redact.attributes(e.attributes or {}),
                    e.timestamp,
                )
                for e in span.events
            ],
            links=[
                Link(each.context, redact.attributes(each.attributes or {}))
                for each in span.links
            ],
            kind=span.kind,
            status=self._redacted_status(span.status),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=self._scope(span.instrumentation_scope),
        )

    def _redacted_status(self, status: Status) -> Status:
        if status.description is None:
            return status
        return Status(status.status_code, self.redactor.text(status.description))

    def _resource(self, resource: Resource) -> Resource:
        known = self._resources.get(id(resource))
        if known is not None and known[0] is resource:
            return known[1]
        if len(self._resources) >= _RESOURCES:
            self._resources.clear()
        attributes = self.redactor.attributes(resource.attributes)
        made = Resource(attributes, resource.schema_url)
        self._resources[id(resource)] = (resource, made)
        return made

    def _scope(self, scope: InstrumentationScope | None) -> InstrumentationScope | None:
        if scope is None or not scope.attributes:
            return scope
        return InstrumentationScope(
            scope.name,
            scope.version,
            scope.schema_url,
            self.redactor.attributes(scope.attributes),
        )

    def _completed(
        self,
        span: ReadableSpan,
        call: Call,
        outcome: Outcome,
    ) -> ReadableSpan:
        description = self._description(call, outcome)
        attributes = {
            **(span.attributes or {}),
            semconv.STEP_NAME: call.name,
            **_call_attributes(call, outcome),
            **inference_attributes(description),
        }
        when = span.end_time
        details = details_event(description)
        replaced = semconv.EVENT_INFERENCE_DETAILS if details else None
        events = [
            *(event for event in span.events if event.name != replaced),
            *(Event(e.name, e.attributes, when) for e in call_events(call, outcome)),
        ]
        if details:
            events.append(Event(semconv.EVENT_INFERENCE_DETAILS, details, when))
        return _with(
            span,
            name=_name(span, call, description),
            attributes=attributes,
            events=events,
            status=_status(span, outcome),
        )

    def _description(self, call: Call, outcome: Outcome) -> Description:
        if call.kind != "model":
            return Description()
        try:
            return self.describe(call, outcome)
        except Exception as error:  # noqa: BLE001 - the wire payload must get through
            LOGGER.warning("A model call cannot be read (%s)", place_of(error))
            return Description()


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
    said = span.status
    if said.status_code is OtelStatusCode.OK or said.description:
        return said
    if outcome.error is not None:
        return Status(OtelStatusCode.ERROR, outcome.error.message)
    if outcome.response is not None and outcome.response.status >= _HTTP_ERROR:
        return Status(OtelStatusCode.ERROR)
    return span.status


def _dropped(span: ReadableSpan, reason: str) -> ReadableSpan:
    """Return the span saying why its payload is not there; a run's counts it too."""
    attributes = {**(span.attributes or {}), semconv.STEP_DROPPED: reason}
    if semconv.RUN_STATUS in attributes:
        total = semconv.RUN_DROPPED + reason
        before = attributes.get(total)
        attributes[total] = 1 + (before if isinstance(before, int) else 0)
    return _with(span, attributes=attributes)


def _bare(span: ReadableSpan, marks: Mapping[str, Plain]) -> ReadableSpan:
    """Return a span of which nothing is left that could hold a secret."""
    return ReadableSpan(
        name=str(marks.get(semconv.STEP_KIND, "span")),
        context=span.context,
        parent=span.parent,
        resource=Resource.get_empty(),
        attributes=marks,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
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
