"""A finished span and the payload beside it become one redacted span.

That is what any exporter may have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Status
from opentelemetry.trace import StatusCode as OtelStatusCode

from otel_agent_replay import semconv
from otel_agent_replay.capture.brought import Brought
from otel_agent_replay.capture.completed import Completed, Described, Happened
from otel_agent_replay.capture.conversations import Conversations, Listed, Said
from otel_agent_replay.capture.finished import FinishedSpan, Payload
from otel_agent_replay.capture.genai import (
    Description,
    Plain,
    details_event,
    headers_in_pieces,
    inference_attributes,
)
from otel_agent_replay.capture.guard import LOGGER, place_of
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.content import PackedSpan, Packer
from otel_agent_replay.model.encoding import call_events
from otel_agent_replay.model.payload import HttpResponse, JsonObject, dump_json
from otel_agent_replay.model.span import storable
from otel_agent_replay.redact import RedactionError, Redactor
from otel_agent_replay.redact.growing import GrowingBody

__all__ = ["Finisher"]

_HTTP_ERROR: Final = 400
_RESOURCES: Final = 64


class _Made(NamedTuple):
    """A span, completed, and what of it later ones of its scope go on from."""

    span: Completed
    scope: str = ""
    said: Said | None = None
    before: Said | None = None


@dataclass(slots=True, kw_only=True)
class Finisher:
    """Redacts and completes finished spans; pure but for memos. For one thread.

    Attributes:
        redactor: The policy in force.
        describe: Reads a model call; given by the provider codecs. It is told the
            request's body if that has been parsed.
        decode: Takes the content coding off a response.
    """

    redactor: Redactor
    describe: Callable[[Call, Outcome, JsonObject | None], Description]
    decode: Callable[[HttpResponse], HttpResponse]
    _resources: dict[int, tuple[Resource, Described]] = field(default_factory=dict)
    """By identity, each with its redacted copy: a process has one or two."""
    _packer: Packer = field(default_factory=Packer)
    _brought: Brought = field(default_factory=Brought)
    _conversations: Conversations = field(default_factory=Conversations)
    _last: tuple[FinishedSpan, Mapping[str, Plain], _Made] | None = None

    def pack(self, finished: FinishedSpan, told: Mapping[str, Plain]) -> PackedSpan:
        """Return what `finish` returns, as the store takes it.

        Contents that an earlier span of the scope has brought along are left out,
        until `forget`.
        """
        made = self._made(finished, told)
        packed = made.span.packed(self._packer)
        # Only what goes out now may be left out later, so this comes last.
        packed = self._brought.without_known(packed)
        if made.said is not None:
            self._conversations.keep(made.scope, made.said, made.before)
        return packed

    def forget(self, scope: str | None = None) -> None:
        """Bring the contents of a scope, or of all, along again."""
        self._last = None
        self._brought.forget(scope)
        self._conversations.forget(scope)

    def finish(self, finished: FinishedSpan, told: Mapping[str, Plain]) -> ReadableSpan:
        """Return the span redacted, with its payload; what fails is dropped.

        If only the payload fails, the span comes without it. If the span does, only
        its ids, times and our own marks are left of it.

        Args:
            finished: The span.
            told: More of our own attributes.
        """
        return self._made(finished, told).span.readable()

    def _made(self, finished: FinishedSpan, told: Mapping[str, Plain]) -> _Made:
        last = self._last
        if last is not None and last[0] is finished and last[1] == told:
            return last[2]
        made = self._make(finished, {**finished.marks, **told})
        self._last = (finished, told, made)
        return made

    def _make(self, finished: FinishedSpan, marks: Mapping[str, Plain]) -> _Made:
        try:
            plain = self._redacted(finished.span, finished.extra, marks)
        except RedactionError:
            return _Made(span=_dropped(_bare(finished.span, marks), "redaction"))
        if finished.payload is None:
            return _Made(span=plain)
        # Of what stands in a span's own attributes nobody knows how it is written.
        scope = storable(str(marks.get(semconv.RUN_ID, "")))
        try:
            return self._completed(plain, finished.payload, scope)
        except RedactionError:
            return _Made(span=_dropped(plain, "redaction"))
        except ValueError:
            return _Made(span=_dropped(plain, "encoding"))

    def _redacted(
        self,
        span: ReadableSpan,
        extra: Mapping[str, Plain],
        marks: Mapping[str, Plain],
    ) -> Completed:
        redact = self.redactor
        given = {**(span.attributes or {}), **extra}
        searched = {k: v for k, v in given.items() if k not in marks}
        return Completed(
            span=span,
            name=redact.text(span.name),
            resource=self._resource(span.resource),
            attributes={**redact.attributes(searched), **marks},
            # Most have none, and going through none is slow in the SDK.
            events=tuple([self._happened(e) for e in span.events or ()]),
            links=tuple(
                [
                    (each.context, redact.attributes(each.attributes or {}))
                    for each in span.links or ()
                ]
            ),
            status=self._redacted_status(span.status),
            scope=self._scope(span.instrumentation_scope),
        )

    def _happened(self, event: Event) -> Happened:
        redact = self.redactor
        attributes = redact.attributes(event.attributes or {})
        return Happened(redact.text(event.name), attributes, event.timestamp)

    def _redacted_status(self, status: Status) -> Status:
        if status.description is None:
            return status
        return Status(status.status_code, self.redactor.text(status.description))

    def _resource(self, resource: Resource) -> Described:
        known = self._resources.get(id(resource))
        if known is not None and known[0] is resource:
            return known[1]
        if len(self._resources) >= _RESOURCES:
            self._resources.clear()
        attributes = self.redactor.attributes(resource.attributes)
        made = Described(Resource(attributes, resource.schema_url))
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

    # --- payloads -----------------------------------------------------------------

    def _completed(self, span: Completed, payload: Payload, scope: str) -> _Made:
        outcome = self._decoded(payload.outcome)
        call, body, before = self._redacted_call(payload.call, scope)
        outcome = self.redactor.outcome(outcome, call.kind)
        description = self._description(call, outcome, body.value if body else None)
        known = before.listed if before else {}
        headers = _headers(call, known) if body else {}
        details, listed = details_event(description, known)
        at, events = span.span.end_time or 0, [*span.events]
        sent = {name: each.text for name, each in headers.items()}
        if body is not None:
            sent[semconv.HTTP_REQUEST_BODY] = body.text
        events += [
            Happened(each.name, each.attributes, at, sent)
            for each in call_events(call, outcome, apart=sent)
        ]
        if details or listed:
            name = semconv.EVENT_INFERENCE_DETAILS
            read = {name: each.text for name, each in listed.items()}
            events = [e for e in events if e.name != name]
            events.append(Happened(name, details, at, read))
        completed = Completed(
            span=span.span,
            name=_name(span.name, call, description),
            resource=span.resource,
            attributes={
                **span.attributes,
                semconv.STEP_NAME: call.name,
                **_call_attributes(call, outcome),
                **inference_attributes(description),
            },
            events=tuple(events),
            links=span.links,
            status=_status(span.status, outcome),
            scope=span.scope,
        )
        said = Said(body, {**listed, **headers}) if body and scope else None
        return _Made(span=completed, scope=scope, said=said, before=before)

    def _decoded(self, outcome: Outcome) -> Outcome:
        coded = outcome.response
        plain = self.decode(coded) if coded is not None else None
        return outcome if plain is coded else replace(outcome, response=plain)

    def _redacted_call(
        self, call: Call, scope: str
    ) -> tuple[Call, GrowingBody | None, Said | None]:
        """Return a call; of one that repeats a conversation, its body apart."""
        latest = self._conversations.latest(scope) if scope else ()
        if call.kind == "model" and call.request is not None:
            grown = self.redactor.grown_body(call.request, [s.body for s in latest])
            if grown is not None:
                body, went_on = grown
                before = next((s for s in latest if s.body is went_on), None)
                return self.redactor.call_around(call, body), body, before
        return self.redactor.call(call), None, None

    def _description(
        self, call: Call, outcome: Outcome, body: JsonObject | None
    ) -> Description:
        if call.kind != "model":
            return Description()
        try:
            return self.describe(call, outcome, body)
        except Exception as error:  # noqa: BLE001 - the wire payload must get through
            LOGGER.warning("A model call cannot be read (%s)", place_of(error))
            return Description()


def _headers(call: Call, known: Mapping[str, Listed]) -> dict[str, Listed]:
    if call.request is None:
        return {}
    name = semconv.HTTP_REQUEST_HEADERS
    made = headers_in_pieces(call.request.headers, known.get(name))
    return {} if made is None else {name: made}


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


def _name(name: str, call: Call, description: Description) -> str:
    if call.kind != "model" or name != call.attributes.get(semconv.OPERATION_NAME):
        return name
    model = description.request.model if description.request else None
    return f"{name} {model}" if model else name


def _status(said: Status, outcome: Outcome) -> Status:
    if said.status_code is OtelStatusCode.OK or said.description:
        return said
    if outcome.error is not None:
        return Status(OtelStatusCode.ERROR, outcome.error.message)
    if outcome.response is not None and outcome.response.status >= _HTTP_ERROR:
        return Status(OtelStatusCode.ERROR)
    return said


def _dropped(span: Completed, reason: str) -> Completed:
    """Return the span saying why its payload is not there; a run's counts it too."""
    attributes = {**span.attributes, semconv.STEP_DROPPED: reason}
    if semconv.RUN_STATUS in attributes:
        total = semconv.RUN_DROPPED + reason
        before = attributes.get(total)
        attributes[total] = 1 + (before if isinstance(before, int) else 0)
    return span._replace(attributes=attributes)


def _bare(span: ReadableSpan, marks: Mapping[str, Plain]) -> Completed:
    """Return a span of which nothing is left that could hold a secret."""
    return Completed(
        span=span,
        name=str(marks.get(semconv.STEP_KIND, "span")),
        resource=Described(Resource.get_empty()),
        attributes=marks,
        status=Status(span.status.status_code),
    )
