"""An HTTP exchange as attributes of an event, and back.

What was encoded reads back equal: bytes, header order, chunk boundaries.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Container
from typing import Final, TypeAlias, cast

from otel_agent_replay import semconv
from otel_agent_replay.model.payload import (
    Chunk,
    Headers,
    HttpRequest,
    HttpResponse,
    JsonValue,
    dump_json,
)
from otel_agent_replay.model.span import Attributes
from otel_agent_replay.model.untrusted import parse_list

__all__ = [
    "EventValue",
    "read_request",
    "read_response",
    "request_attributes",
    "response_attributes",
]

EventValue: TypeAlias = str | int | float | bool

_BASE64: Final = "base64"


def request_attributes(
    request: HttpRequest, apart: Container[str]
) -> dict[str, EventValue]:
    """Return a request; without its headers and body if their names are in `apart`."""
    found: dict[str, EventValue] = {
        semconv.HTTP_REQUEST_METHOD: request.method,
        semconv.HTTP_URL: request.url,
    }
    if semconv.HTTP_REQUEST_HEADERS not in apart:
        found[semconv.HTTP_REQUEST_HEADERS] = _headers_text(request.headers)
    if semconv.HTTP_REQUEST_BODY not in apart:
        body, encoding = _body_text(request.body)
        found[semconv.HTTP_REQUEST_BODY] = body
        if encoding is not None:
            found[semconv.HTTP_REQUEST_BODY_ENCODING] = encoding
    return found


def response_attributes(response: HttpResponse) -> dict[str, EventValue]:
    """Return a response."""
    body, encoding = _body_text(response.body)
    chunks: JsonValue = [[len(each.data), each.at_ns] for each in response.chunks]
    found: dict[str, EventValue] = {
        semconv.HTTP_RESPONSE_STATUS_CODE: response.status,
        semconv.HTTP_RESPONSE_REASON: response.reason,
        semconv.HTTP_RESPONSE_HEADERS: _headers_text(response.headers),
        semconv.HTTP_RESPONSE_BODY: body,
        semconv.HTTP_RESPONSE_CHUNKS: dump_json(chunks),
    }
    if encoding is not None:
        found[semconv.HTTP_RESPONSE_BODY_ENCODING] = encoding
    return found


def _body_text(body: bytes) -> tuple[str, str | None]:
    try:
        return body.decode(), None
    except UnicodeDecodeError:
        return base64.b64encode(body).decode(), _BASE64


def _headers_text(headers: Headers) -> str:
    # As lists: what writes JSON takes both alike.
    return dump_json(cast("JsonValue", headers))


def read_request(values: Attributes) -> HttpRequest:
    """Return the request that attributes carry.

    Raises:
        ValueError: They are damaged, or its body is not there.
    """
    return HttpRequest(
        method=values.get(semconv.HTTP_REQUEST_METHOD, ""),
        url=values[semconv.HTTP_URL],
        headers=_headers(values.get(semconv.HTTP_REQUEST_HEADERS, "[]")),
        body=_body(
            values,
            semconv.HTTP_REQUEST_BODY,
            semconv.HTTP_REQUEST_BODY_ENCODING,
        ),
    )


def read_response(values: Attributes) -> HttpResponse:
    """Return the response that attributes carry.

    Raises:
        ValueError: They are damaged, or its body is not there.
    """
    body = _body(
        values,
        semconv.HTTP_RESPONSE_BODY,
        semconv.HTTP_RESPONSE_BODY_ENCODING,
    )
    return HttpResponse(
        status=int(values[semconv.HTTP_RESPONSE_STATUS_CODE]),
        reason=values.get(semconv.HTTP_RESPONSE_REASON, ""),
        headers=_headers(values.get(semconv.HTTP_RESPONSE_HEADERS, "[]")),
        chunks=_chunks(body, values.get(semconv.HTTP_RESPONSE_CHUNKS)),
    )


def _body(values: Attributes, key: str, encoding_key: str) -> bytes:
    if key not in values:
        # An absent body is a lost one: what was empty is there as empty text.
        raise ValueError(key)
    text, encoding = values[key], values.get(encoding_key)
    if encoding is None:
        return text.encode()
    if encoding != _BASE64:
        raise ValueError(encoding)
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(key) from error


def _headers(text: str) -> Headers:
    return tuple(_pair(each) for each in parse_list(text))


def _pair(value: JsonValue) -> tuple[str, str]:
    match value:
        case [str(name), str(content)]:
            return name, content
        case _:
            raise ValueError(value)


def _chunks(body: bytes, text: str | None) -> tuple[Chunk, ...]:
    """Cut a body at its recorded boundaries; they must cover it exactly."""
    if text is None:
        return (Chunk(data=body),) if body else ()
    found: list[Chunk] = []
    start = 0
    for each in parse_list(text):
        size, at_ns = _boundary(each)
        found.append(Chunk(data=body[start : start + size], at_ns=at_ns))
        start += size
    if start != len(body):
        raise ValueError(text)
    return tuple(found)


def _boundary(value: JsonValue) -> tuple[int, int]:
    match value:
        case [int(size), int(at_ns)] if size >= 0:
            return size, at_ns
        case _:
            raise ValueError(value)
