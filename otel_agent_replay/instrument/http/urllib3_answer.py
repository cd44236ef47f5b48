"""A recorded response as a genuine urllib3 one, read from memory.

The bytes go through `http.client` and urllib3 as if a server had sent them, so
reading, decoding and closing behave as they do live. The pieces reach the reader
one at a time: a buffered reader over a raw one that gives a piece each time.
"""

from __future__ import annotations

import http.client
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

import urllib3
from urllib3 import HTTPHeaderDict, HTTPResponse, Retry, exceptions

from otel_agent_replay.instrument.http.stream import RecordedBody, unanswered
from otel_agent_replay.intercept import OpenCall
from otel_agent_replay.model.call import Outcome
from otel_agent_replay.model.payload import Headers, HttpResponse, header

__all__ = ["answered"]

_NO_BODY: Final = frozenset({204, 304})
_CAUSE: Final = re.compile(r"\(Caused by (\w+)\((.*)\)\)$", re.DOTALL)
_BREAKS: Final = re.compile(r"[\r\n]+")


def answered(
    pool: urllib3.HTTPConnectionPool,
    opened: OpenCall,
    answer: Outcome,
    asked: Mapping[str, object],
) -> HTTPResponse:
    """Return the native response of an answer.

    Args:
        pool: The pool that was asked.
        opened: The call.
        answer: What it was answered with.
        asked: The arguments of `urlopen` by name.

    Raises:
        Exception: The recorded one, where no response came.
    """
    if answer.response is None:
        raise _completed(unanswered(opened, answer), pool, str(asked["url"]))
    method = str(asked["method"])
    wire = _Wire.of(opened, answer, answer.response, method)
    native = http.client.HTTPResponse(_Socket(wire), method=method)  # type: ignore[arg-type]
    native.begin()
    response = HTTPResponse(
        body=cast("io.BytesIO", native),
        headers=HTTPHeaderDict(native.msg.items()),
        status=native.status,
        version=native.version,
        version_string="HTTP/1.1",
        reason=native.reason,
        preload_content=asked.get("preload_content") is not False,
        decode_content=asked.get("decode_content") is not False,
        original_response=native,
        enforce_content_length=False,
        request_method=method,
        request_url=str(asked["url"]),
    )
    response._pool = pool  # noqa: SLF001 - as urllib3 sets it itself
    response.retries = _retries(pool, asked)
    return response


def _retries(pool: urllib3.HTTPConnectionPool, asked: Mapping[str, object]) -> Retry:
    retries = asked.get("retries")
    if isinstance(retries, Retry):
        return retries
    return Retry.from_int(
        cast("int | None", retries),
        redirect=asked.get("redirect") is not False,
        default=pool.retries,
    )


def _completed(
    error: Exception,
    pool: urllib3.HTTPConnectionPool,
    url: str,
) -> Exception:
    """Give a rebuilt exception the attributes that libraries look at."""
    if isinstance(error, exceptions.PoolError):
        error.pool = pool
        error._message = str(error).partition(": ")[2]  # noqa: SLF001 - for pickling
    if isinstance(error, exceptions.RequestError):
        error.url = url
    if isinstance(error, exceptions.MaxRetryError):
        error.reason = _reason(str(error))
    return error


def _reason(message: str) -> Exception | None:
    """Return the cause that a `MaxRetryError` names; requests tells by its type."""
    found = _CAUSE.search(message)
    if found is None:
        return None
    cls = getattr(exceptions, found[1], None)
    if not isinstance(cls, type) or not issubclass(cls, Exception):
        return None
    text = found[2].strip("\"'")
    reason = cls.__new__(cls, text)
    reason.args = (text,)
    return reason


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wire:
    """What a server would have sent: a head, then the body's pieces, framed."""

    head: bytes
    body: RecordedBody
    bodyless: bool
    chunked: bool
    largest: int

    @classmethod
    def of(
        cls,
        opened: OpenCall,
        answer: Outcome,
        response: HttpResponse,
        method: str,
    ) -> _Wire:
        bodyless = method.upper() == "HEAD" or response.status in _NO_BODY
        chunked = not bodyless and not _has_true_length(response, answer)
        headers = response.headers
        if chunked:
            # A length may have been true of other bytes: before decoding, redacting.
            headers = (*_unframed(headers), ("Transfer-Encoding", "chunked"))
        return cls(
            head=_head(response, headers),
            body=RecordedBody(opened, answer, response),
            bodyless=bodyless,
            chunked=chunked,
            largest=max((len(chunk.data) for chunk in response.chunks), default=0),
        )

    def pieces(self) -> Iterator[bytes]:
        yield self.head
        if self.bodyless:
            return
        while (data := self.body.next()) is not None:
            yield b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data
        if self.chunked:
            yield b"0\r\n\r\n"


def _has_true_length(response: HttpResponse, answer: Outcome) -> bool:
    length = header(response.headers, "content-length")
    if length is None or header(response.headers, "transfer-encoding") is not None:
        return False
    # Of a body that broke off the length cannot be checked; it is not all there.
    return answer.ended != "complete" or length == str(len(response.body))


def _unframed(headers: Headers) -> Headers:
    framing = {"content-length", "transfer-encoding"}
    return tuple(each for each in headers if each[0].lower() not in framing)


def _head(response: HttpResponse, headers: Headers) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {response.reason}"]
    lines += [f"{name}: {value}" for name, value in headers]
    text = "\r\n".join(_BREAKS.sub(" ", line) for line in lines)
    return f"{text}\r\n\r\n".encode("latin-1", "replace")


class _Raw(io.RawIOBase):
    """Gives a piece a read; closing it ends the call."""

    def __init__(self, wire: _Wire) -> None:
        super().__init__()
        self._body = wire.body
        self._pieces = wire.pieces()
        self._rest = memoryview(b"")
        self._error: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = memoryview(self._next())
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def _next(self) -> bytes:
        if self._error is not None:
            raise self._error
        try:
            return next(self._pieces, b"")
        except Exception as error:
            # A generator that raised is over; who reads again gets the same.
            self._error = error
            raise

    def close(self) -> None:
        if not self.closed:
            self._body.abandoned()
        super().close()


class _Socket:
    """As much of a socket as `http.client` reads a response from."""

    def __init__(self, wire: _Wire) -> None:
        self._wire = wire

    def makefile(self, mode: str) -> io.BufferedReader:
        del mode
        # Room for the largest piece and its framing: `read1` gives what is buffered.
        return io.BufferedReader(_Raw(self._wire), max(self._wire.largest + 32, 8192))
