"""httpx and httpx2 on the seam: a transport around each client's own.

Whatever transport a client uses (custom ones, mounts, proxies, `MockTransport`),
it gets it from `_transport_for_url`, once for each request, redirect and step of an
authentication. So the seam goes there.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
)
from dataclasses import dataclass
from types import ModuleType
from typing import Final, Protocol

from otel_agent_replay import intercept
from otel_agent_replay.instrument.http.coding import plain_headers
from otel_agent_replay.instrument.http.exchange import (
    Plan,
    opens_websocket,
    plan_for,
    resent_headers,
)
from otel_agent_replay.instrument.http.patching import Patches
from otel_agent_replay.instrument.http.settings import in_force
from otel_agent_replay.instrument.http.stream import (
    RecordedBody,
    StreamRecorder,
    unanswered,
    until_cancelled,
)
from otel_agent_replay.intercept import OpenCall
from otel_agent_replay.model.call import Outcome
from otel_agent_replay.model.payload import Headers, HttpResponse

__all__ = ["patch", "unpatch"]

_RawHeaders = list[tuple[bytes, bytes]]


class _NativeHeaders(Protocol):
    @property
    def raw(self) -> _RawHeaders: ...

    def get(self, name: str, /) -> str | None: ...


class _Request(Protocol):
    @property
    def method(self) -> str: ...
    @property
    def url(self) -> object: ...
    @property
    def headers(self) -> _NativeHeaders: ...
    @property
    def extensions(self) -> Mapping[str, object]: ...

    def read(self) -> bytes: ...
    def aread(self) -> Awaitable[bytes]: ...


class _SyncStream(Protocol):
    def __iter__(self) -> Iterator[bytes]: ...
    def close(self) -> None: ...


class _AsyncStream(Protocol):
    def __aiter__(self) -> AsyncIterator[bytes]: ...
    def aclose(self) -> Awaitable[None]: ...


class _Stream(_SyncStream, _AsyncStream, Protocol):
    """What a client gets is one of the two; which is the client's to know."""


class _Response(Protocol):
    stream: _Stream

    @property
    def status_code(self) -> int: ...
    @property
    def reason_phrase(self) -> str: ...
    @property
    def headers(self) -> _NativeHeaders: ...
    @property
    def is_closed(self) -> bool: ...
    @property
    def content(self) -> bytes: ...


class _Transport(Protocol):
    def handle_request(self, request: _Request, /) -> _Response: ...
    def handle_async_request(self, request: _Request, /) -> Awaitable[_Response]: ...


class _Tee:
    """A live response's stream, noted while it is read."""

    def __init__(self, stream: _SyncStream, recorder: StreamRecorder) -> None:
        self._stream = stream
        self._recorder = recorder
        weakref.finalize(self, recorder.abandoned)

    def __iter__(self) -> Iterator[bytes]:
        recorder = self._recorder
        try:
            for data in self._stream:
                recorder.chunk(data)
                yield data
        except GeneratorExit:
            raise  # the reader is gone; `close` or the collector will say so
        except BaseException as error:
            recorder.stopped(error)
            raise
        recorder.complete()

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._recorder.abandoned()


class _AsyncTee:
    """The same for an async client."""

    def __init__(self, stream: _AsyncStream, recorder: StreamRecorder) -> None:
        self._stream = stream
        self._recorder = recorder
        weakref.finalize(self, recorder.abandoned)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        recorder = self._recorder
        try:
            async for data in self._stream:
                recorder.chunk(data)
                yield data
        except GeneratorExit:
            raise
        except BaseException as error:
            recorder.stopped(error)
            raise
        recorder.complete()

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._recorder.abandoned()


class _Answer:
    """A recorded response's stream, for either kind of client."""

    def __init__(self, body: RecordedBody) -> None:
        self._body = body
        weakref.finalize(self, body.abandoned)

    def __iter__(self) -> Iterator[bytes]:
        while (data := self._body.next()) is not None:
            yield data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (data := await self._body.anext()) is not None:
            yield data

    def close(self) -> None:
        self._body.abandoned()

    async def aclose(self) -> None:
        self._body.abandoned()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Library:
    """What httpx and httpx2 have each of their own."""

    request: Callable[..., _Request]
    response: Callable[..., _Response]
    byte_stream: type
    tee: Callable[[_SyncStream, StreamRecorder], _Stream]
    async_tee: Callable[[_AsyncStream, StreamRecorder], _Stream]
    answer: Callable[[RecordedBody], _Stream]

    @classmethod
    def of(cls, module: ModuleType) -> _Library:
        sync, unsync = module.SyncByteStream, module.AsyncByteStream
        return cls(
            request=module.Request,
            response=module.Response,
            byte_stream=module.ByteStream,
            # The clients check that a stream is one of theirs.
            tee=type("RecordedStream", (_Tee, sync), {}),
            async_tee=type("RecordedStream", (_AsyncTee, unsync), {}),
            answer=type("AnsweredStream", (_Answer, sync, unsync), {}),
        )

    def replaced(self, request: _Request, opened: OpenCall) -> _Request:
        """Return the request to send: the caller's, or an interceptor's."""
        call = opened.call
        if call is opened.asked or call.request is None:
            return request
        return self.request(
            call.request.method,
            call.request.url,
            headers=_raw(resent_headers(call, opened.asked)),
            content=call.request.body,
            extensions=request.extensions,
        )

    def answered(
        self, opened: OpenCall, answer: Outcome, request: _Request
    ) -> _Response:
        """Return the native response of an answer.

        Raises:
            Exception: The recorded one, where no response came.
        """
        if answer.response is None:
            error = unanswered(opened, answer)
            if hasattr(error, "_request") or hasattr(type(error), "request"):
                error.request = request  # type: ignore[attr-defined]
            raise error
        recorded = answer.response
        return self.response(
            recorded.status,
            headers=_raw(recorded.headers),
            stream=self.answer(RecordedBody(opened, answer, recorded)),
            request=request,
            extensions={
                "http_version": b"HTTP/1.1",
                "reason_phrase": recorded.reason.encode("ascii", "ignore"),
            },
        )

    def note(self, response: _Response, recorder: StreamRecorder) -> bool:
        """Note a live response's head; return whether its body is still to come."""
        headers = _text(response.headers.raw)
        if response.is_closed and not isinstance(response.stream, self.byte_stream):
            # A transport that read the response itself left the decoded bytes only.
            headers = plain_headers(headers)
        recorder.responded(
            HttpResponse(
                status=response.status_code,
                reason=response.reason_phrase,
                headers=headers,
            ),
        )
        if not response.is_closed:
            return True
        stream = response.stream
        raw = isinstance(stream, self.byte_stream)
        recorder.chunk(b"".join(stream) if raw else response.content)
        recorder.complete()
        return False


def _text(raw: _RawHeaders) -> Headers:
    return tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in raw
    )


def _raw(headers: Headers) -> _RawHeaders:
    return [
        (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
        for name, value in headers
    ]


class _Seam:
    """Stands around a client's transport for one request."""

    def __init__(self, transport: _Transport, library: _Library) -> None:
        self._transport = transport
        self._library = library

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)

    def handle_request(self, request: _Request) -> _Response:
        plan = _plan(request)
        if plan is None:
            return self._transport.handle_request(request)
        call = plan.call(_text(request.headers.raw), request.read())
        opened = intercept.open_call(call)
        library = self._library
        if opened.answer is not None:
            return library.answered(opened, opened.answer, request)
        recorder = StreamRecorder(opened, plan.settings)
        try:
            live = library.replaced(request, opened)
            with opened.running():
                response = self._transport.handle_request(live)
        except BaseException as error:
            recorder.stopped(error)
            raise
        try:
            if library.note(response, recorder):
                response.stream = library.tee(response.stream, recorder)
        except Exception as error:  # noqa: BLE001 - the caller gets the response
            recorder.lost(error)
        return response

    async def handle_async_request(self, request: _Request) -> _Response:
        plan = _plan(request)
        if plan is None:
            return await self._transport.handle_async_request(request)
        call = plan.call(_text(request.headers.raw), await request.aread())
        opened = intercept.open_call(call)
        library = self._library
        if opened.answer is not None:
            if opened.answer.response is None:
                await until_cancelled(opened, opened.answer)
            return library.answered(opened, opened.answer, request)
        recorder = StreamRecorder(opened, plan.settings)
        try:
            live = library.replaced(request, opened)
            with opened.running():
                response = await self._transport.handle_async_request(live)
        except BaseException as error:
            recorder.stopped(error)
            raise
        try:
            if library.note(response, recorder):
                response.stream = library.async_tee(response.stream, recorder)
        except Exception as error:  # noqa: BLE001 - the caller gets the response
            recorder.lost(error)
        return response


def _plan(request: _Request) -> Plan | None:
    settings = in_force()
    if settings is None or opens_websocket(request.headers.get("upgrade")):
        return None
    return plan_for(request.method, str(request.url), settings)


def _around(
    library: _Library,
) -> Callable[[Callable[..., _Transport]], Callable[..., object]]:
    def wrap(original: Callable[..., _Transport]) -> Callable[..., object]:
        @functools.wraps(original)
        def transport_for_url(client: object, url: object) -> object:
            transport = original(client, url)
            if in_force() is None or not intercept.active():
                return transport
            return _Seam(transport, library)

        return transport_for_url

    return wrap


_PATCHES: Final = Patches()


def patch(module: ModuleType) -> None:
    """Put the clients of `httpx` or `httpx2` on the seam."""
    wrap = _around(_Library.of(module))
    _PATCHES.apply(module.Client, "_transport_for_url", wrap)
    _PATCHES.apply(module.AsyncClient, "_transport_for_url", wrap)


def unpatch() -> None:
    """Take them off again."""
    _PATCHES.remove()
