"""A recorded response as a genuine aiohttp one, read from memory."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, cast

from aiohttp import (
    ClientConnectorError,
    ClientRequest,
    ClientResponse,
    ClientResponseError,
    ServerDisconnectedError,
    client_exceptions,
)
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection
from aiohttp.http import HttpVersion11, RawResponseMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from multidict import CIMultiDict, CIMultiDictProxy

from otel_agent_replay.errors import RecordedStreamEndedError
from otel_agent_replay.instrument.http.aiohttp_reader import RecordedReader
from otel_agent_replay.instrument.http.coding import decoded
from otel_agent_replay.instrument.http.stream import RecordedBody, unanswered
from otel_agent_replay.intercept import OpenCall
from otel_agent_replay.model.call import Outcome, RecordedException
from otel_agent_replay.model.payload import HttpResponse, header

__all__ = ["answered"]

_NO_BODY: Final = frozenset({204, 304})
_OS_ERROR: Final = re.compile(r"\[(.*)\]$", re.DOTALL)
_ERRNO: Final = re.compile(r"\[Errno (\d+)\]")
_STATUS: Final = re.compile(r"^(\d+), message='(.*)', url=", re.DOTALL)


async def answered(
    opened: OpenCall,
    answer: Outcome,
    request: ClientRequest,
    *,
    decompress: bool,
    limit: int,
) -> ClientResponse:
    """Return the native response of an answer.

    Args:
        opened: The call.
        answer: What it was answered with.
        request: The request that is not sent.
        decompress: Whether the caller expects content-codings to be taken off.
        limit: The reader's buffer limit.

    Raises:
        Exception: The recorded one, where no response came.
    """
    if answer.response is None:
        raise _completed(unanswered(opened, answer), answer, request)
    recorded = _plain(answer.response) if decompress else answer.response
    response = _unstarted(request)
    body = RecordedBody(opened, answer, recorded)
    chunked = header(recorded.headers, "content-length") is None
    reader: StreamReader
    if request.method == "HEAD" or recorded.status in _NO_BODY:
        body.abandoned()
        reader = EMPTY_PAYLOAD
    else:
        reader = RecordedReader(body, limit, chunked=chunked)
    connection = _Connection(_Protocol(_message(recorded, chunked=chunked), reader))
    return await response.start(cast("Connection", connection))


def _plain(response: HttpResponse) -> HttpResponse:
    try:
        return decoded(response)
    except ValueError:
        return response


def _unstarted(request: ClientRequest) -> ClientResponse:
    return request.response_class(
        request.method,
        request.original_url,
        writer=None,
        continue100=None,
        timer=request._timer,  # noqa: SLF001 - as `ClientRequest.send` makes it
        request_info=request.request_info,
        traces=request._traces,  # noqa: SLF001
        loop=request.loop,
        session=request.session,
        stream_writer=cast("AbstractStreamWriter", _Unwritten()),
    )


def _message(response: HttpResponse, *, chunked: bool) -> RawResponseMessage:
    return RawResponseMessage(
        version=HttpVersion11,
        code=response.status,
        reason=response.reason,
        headers=CIMultiDictProxy(CIMultiDict(response.headers)),
        raw_headers=tuple(
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in response.headers
        ),
        should_close=False,
        compression=None,
        upgrade=False,
        chunked=chunked,
    )


class _Unwritten:
    """The writer of a request that is not sent."""

    output_size: Final = 0


class _Protocol:
    """As much of a connection's protocol as a response starts from."""

    upgraded: Final = False

    def __init__(self, message: RawResponseMessage, reader: StreamReader) -> None:
        self._read = (message, reader)

    async def read(self) -> tuple[RawResponseMessage, StreamReader]:
        return self._read


class _Connection:
    """As much of a connection as a response gives back."""

    transport: Final = None

    def __init__(self, protocol: _Protocol) -> None:
        self.protocol = protocol
        self._callbacks: list[Callable[[], None]] = []

    def add_callback(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    def release(self) -> None:
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    close = release


def _completed(error: Exception, answer: Outcome, request: ClientRequest) -> Exception:
    """Return aiohttp's exceptions as they are made, not only of their type."""
    if isinstance(error, ServerDisconnectedError):
        error.message = str(error)
    recorded = answer.error
    if recorded is None or isinstance(error, RecordedStreamEndedError):
        return error
    name = recorded.type_name.rpartition(":")[2]
    cls = getattr(client_exceptions, name, None)
    if not isinstance(cls, type):
        return error
    if (
        issubclass(cls, ClientConnectorError)
        and cls is not client_exceptions.UnixClientConnectorError
    ):
        return cls(request.connection_key, _os_error(recorded))
    found = _STATUS.search(recorded.message)
    if issubclass(cls, ClientResponseError) and found is not None:
        info = request.request_info
        return cls(info, (), status=int(found[1]), message=found[2])
    return error


def _os_error(recorded: RecordedException) -> OSError:
    inner = _OS_ERROR.search(recorded.message)
    number = _ERRNO.search(recorded.stacktrace)
    said = inner[1] if inner else recorded.message
    return OSError(int(number[1]) if number else 0, said)
