"""Sends stored spans on over OTLP/HTTP, with their own ids and times."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPException
from typing import Final
from urllib.parse import urlsplit

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import (
    ResourceSpans,
    ScopeSpans,
    Span,
    Status,
)
from opentelemetry.util.re import parse_env_headers

from otel_agent_replay import semconv
from otel_agent_replay.errors import PushError
from otel_agent_replay.model.payload import parse_json
from otel_agent_replay.model.span import Attributes, SpanRecord

__all__ = ["push", "requests_of"]

_PART: Final = 4 << 20
"""Receivers take at least so many bytes (gRPC's default limit)."""
_TIMEOUT: Final = 30.0
_EXCERPT: Final = 300
_OTLP_HEADERS: Final = (
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_HEADERS",
)
_KINDS: Final = {
    "Internal": Span.SPAN_KIND_INTERNAL,
    "Server": Span.SPAN_KIND_SERVER,
    "Client": Span.SPAN_KIND_CLIENT,
    "Producer": Span.SPAN_KIND_PRODUCER,
    "Consumer": Span.SPAN_KIND_CONSUMER,
}
_STATUSES: Final = {
    "Unset": Status.STATUS_CODE_UNSET,
    "Ok": Status.STATUS_CODE_OK,
    "Error": Status.STATUS_CODE_ERROR,
}


def push(spans: Sequence[SpanRecord], endpoint: str) -> int:
    """Send spans to an OTLP/HTTP receiver; return how many it took.

    A span that is there already under its ids is, to most receivers, the same span.

    Args:
        spans: The spans.
        endpoint: The receiver's base address, or that of its `/v1/traces`.

    Raises:
        PushError: The address is none, or the receiver cannot be reached or refuses.
    """
    if urlsplit(endpoint).scheme not in {"http", "https"}:
        raise PushError(endpoint, "the address does not begin with http:// or https://")
    base = endpoint.rstrip("/")
    url = base if base.endswith("/v1/traces") else f"{base}/v1/traces"
    for request in requests_of(spans):
        _send(url, request)
    return len(spans)


def requests_of(
    spans: Sequence[SpanRecord], *, limit: int = _PART
) -> Iterator[ExportTraceServiceRequest]:
    """Give the spans as export requests of less than `limit` bytes each.

    A span that is larger by itself has a request of its own.
    """
    part: list[tuple[SpanRecord, Span]] = []
    size = 0
    for record in spans:
        span = _span(record)
        added = span.ByteSize() + _size(record.resource)
        if part and size + added >= limit:
            yield _request(part)
            part, size = [], 0
        part.append((record, span))
        size += added
    if part:
        yield _request(part)


def _size(attributes: Attributes) -> int:
    """Return about how many bytes attributes take; never less than they do."""
    overhead = 64
    texts = (len(k.encode()) + len(v.encode(*_LENIENT)) for k, v in attributes.items())
    return sum(texts) + overhead * (len(attributes) + 1)


def _request(part: Sequence[tuple[SpanRecord, Span]]) -> ExportTraceServiceRequest:
    groups: dict[tuple[tuple[str, str], ...], dict[tuple[str, str], list[Span]]] = {}
    for record, span in part:
        resource = tuple(sorted(record.resource.items()))
        scope = (record.scope_name, record.scope_version)
        groups.setdefault(resource, {}).setdefault(scope, []).append(span)
    return ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=Resource(attributes=_attributes(dict(resource))),
                scope_spans=[
                    ScopeSpans(
                        scope=InstrumentationScope(name=name, version=version),
                        spans=spans,
                    )
                    for (name, version), spans in scopes.items()
                ],
            )
            for resource, scopes in groups.items()
        ],
    )


def _span(record: SpanRecord) -> Span:
    return Span(
        trace_id=_id(record.trace_id),
        span_id=_id(record.span_id),
        parent_span_id=_id(record.parent_span_id),
        trace_state=_text(record.trace_state),
        name=_text(record.name),
        kind=_KINDS.get(record.kind, Span.SPAN_KIND_UNSPECIFIED),
        start_time_unix_nano=record.start_ns,
        end_time_unix_nano=record.end_ns,
        attributes=_attributes(record.attributes),
        status=Status(
            code=_STATUSES[record.status_code], message=_text(record.status_message)
        ),
        events=[
            Span.Event(
                name=_text(each.name),
                time_unix_nano=each.time_ns,
                attributes=_attributes(each.attributes),
            )
            for each in record.events
        ],
        links=[
            Span.Link(
                trace_id=_id(each.trace_id),
                span_id=_id(each.span_id),
                trace_state=_text(each.trace_state),
                attributes=_attributes(each.attributes),
            )
            for each in record.links
        ],
    )


def _id(hexadecimal: str) -> bytes:
    try:
        return bytes.fromhex(hexadecimal)
    except ValueError:
        return b""


def _text(content: str) -> str:
    """Return text that protobuf takes: a lone surrogate becomes a question mark."""
    return content.encode(*_LENIENT).decode()


_LENIENT: Final = ("utf-8", "replace")


# --- attributes: stored as text, sent with the type that the conventions give -------


def _attributes(attributes: Attributes) -> list[KeyValue]:
    return [
        KeyValue(key=_text(name), value=_value(name, text))
        for name, text in attributes.items()
    ]


def _value(name: str, text: str) -> AnyValue:
    typed = _TYPES.get(name)
    if typed is None and name.startswith(semconv.RUN_DROPPED):
        typed = _whole
    try:
        return typed(text) if typed else AnyValue(string_value=_text(text))
    except (ValueError, OverflowError):
        return AnyValue(string_value=_text(text))


def _whole(text: str) -> AnyValue:
    return AnyValue(int_value=int(text))


def _real(text: str) -> AnyValue:
    return AnyValue(double_value=float(text))


def _truth(text: str) -> AnyValue:
    if text not in {"true", "false"}:
        raise ValueError(text)
    return AnyValue(bool_value=text == "true")


def _texts(text: str) -> AnyValue:
    items = parse_json(text)
    if not isinstance(items, list) or not all(isinstance(i, str) for i in items):
        raise ValueError(text)
    values = [AnyValue(string_value=_text(str(each))) for each in items]
    return AnyValue(array_value=ArrayValue(values=values))


_TYPES: Final[Mapping[str, Callable[[str], AnyValue]]] = {
    **dict.fromkeys(
        (
            semconv.REQUEST_MAX_TOKENS,
            semconv.REQUEST_CHOICE_COUNT,
            semconv.REQUEST_TOP_K,
            semconv.REQUEST_SEED,
            semconv.USAGE_INPUT_TOKENS,
            semconv.USAGE_OUTPUT_TOKENS,
            semconv.USAGE_CACHE_READ_INPUT_TOKENS,
            semconv.USAGE_CACHE_WRITE_INPUT_TOKENS,
            semconv.USAGE_REASONING_OUTPUT_TOKENS,
            semconv.SERVER_PORT,
            semconv.HTTP_RESPONSE_STATUS_CODE,
            semconv.HTTP_REQUEST_RESEND_COUNT,
            semconv.RUN_STEP_COUNT,
            semconv.RUN_PARENT_STEP,
            semconv.STEP_SEQUENCE,
            semconv.STEP_ATTEMPT,
        ),
        _whole,
    ),
    **dict.fromkeys(
        (
            semconv.REQUEST_TEMPERATURE,
            semconv.REQUEST_TOP_P,
            semconv.REQUEST_FREQUENCY_PENALTY,
            semconv.REQUEST_PRESENCE_PENALTY,
            semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
            semconv.STEP_COST,
        ),
        _real,
    ),
    **dict.fromkeys(
        (
            semconv.REQUEST_STOP_SEQUENCES,
            semconv.REQUEST_ENCODING_FORMATS,
            semconv.RESPONSE_FINISH_REASONS,
        ),
        _texts,
    ),
    semconv.REQUEST_STREAM: _truth,
}


# --- the wire -------------------------------------------------------------------


def _send(url: str, request: ExportTraceServiceRequest) -> None:
    content = request.SerializeToString()
    headers = {"content-type": "application/x-protobuf", **_headers()}
    message = urllib.request.Request(url, data=content, headers=headers, method="POST")  # noqa: S310 - the scheme was checked
    try:
        with urllib.request.urlopen(message, timeout=_TIMEOUT) as response:  # noqa: S310
            answer = response.read()
    except urllib.error.HTTPError as error:
        with error:
            raise PushError(url, _refusal(error, len(content))) from error
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise PushError(url, str(reason)) from error
    _check(url, answer)


def _headers() -> Mapping[str, str]:
    given = next((v for name in _OTLP_HEADERS if (v := os.environ.get(name))), "")
    return parse_env_headers(given, liberal=True)


def _refusal(error: urllib.error.HTTPError, size: int) -> str:
    if error.code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return f"it refuses a request of {size} bytes as too large"
    said = " ".join(error.read(_EXCERPT).decode(errors="replace").split())
    return f"it answers {error.code} {error.reason} {said}".rstrip()


def _check(url: str, answer: bytes) -> None:
    try:
        partial = ExportTraceServiceResponse.FromString(answer).partial_success
    except DecodeError:
        return  # a receiver that answers 2xx in other words
    if partial.rejected_spans:
        said = partial.error_message or "without saying why"
        raise PushError(url, f"it refuses {partial.rejected_spans} spans: {said}")
