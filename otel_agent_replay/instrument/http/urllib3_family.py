"""urllib3 2.x on the seam, and with it requests and botocore.

A call is the outermost `HTTPConnectionPool.urlopen`: the attempts that it makes
itself belong to it. Redirects that a `PoolManager` or requests follows are calls of
their own. The body is noted where urllib3 takes it from `http.client`: still coded,
in the pieces that the reader asked for.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextvars import ContextVar
from types import ModuleType
from typing import Any, Final, cast

import urllib3
from urllib3.response import BaseHTTPResponse, HTTPResponse
from urllib3.util import parse_url

from otel_agent_replay import intercept
from otel_agent_replay.instrument.http.exchange import Plan, plan_for, resent_headers
from otel_agent_replay.instrument.http.patching import Patches
from otel_agent_replay.instrument.http.settings import in_force
from otel_agent_replay.instrument.http.stream import StreamRecorder
from otel_agent_replay.instrument.http.urllib3_answer import answered
from otel_agent_replay.intercept import OpenCall
from otel_agent_replay.model.payload import Headers, HttpResponse

__all__ = ["patch", "unpatch"]

_Pool = urllib3.HTTPConnectionPool
_Urlopen = Callable[..., BaseHTTPResponse]
_KEY: Final = "_agent_replay_tee"


class _Tee:
    """Notes one call's response while it is read.

    Attempts that urllib3 repeats by itself each have a response of their own; only
    the one that `urlopen` returns counts.
    """

    def __init__(self, recorder: StreamRecorder) -> None:
        self._recorder = recorder
        self._returned = False
        self._done = False
        self._reading = False

    def attach(self, response: BaseHTTPResponse) -> None:
        self._recorder.restart()
        self._done = False
        response.__dict__[_KEY] = self

    def read(self, data: bytes | None, *, last: bool) -> None:
        if data:
            self._recorder.chunk(data)
        if last:
            self.finished()

    def chunked(self, chunks: Generator[bytes]) -> Iterator[bytes]:
        with contextlib.closing(chunks):
            while (piece := self._pulled(chunks)) is not None:
                yield piece
        self.finished()

    def _pulled(self, chunks: Iterator[bytes]) -> bytes | None:
        # urllib3 closes a response that broke off before it raises.
        self._reading = True
        try:
            return next(chunks, None)
        except Exception as error:
            self.broke(error)
            raise
        finally:
            self._reading = False

    def finished(self) -> None:
        self._done = True
        if self._returned:
            self._recorder.complete()

    def broke(self, error: Exception) -> None:
        if self._returned:
            self._recorder.stopped(error)

    def closed(self) -> None:
        if self._returned and not self._reading:
            self._recorder.abandoned()

    def returned(self, response: BaseHTTPResponse) -> None:
        """Note the response that the caller gets."""
        if response.__dict__.get(_KEY) is not self:
            self.attach(response)
        self._recorder.responded(
            HttpResponse(
                status=response.status,
                reason=response.reason or "",
                headers=tuple(response.headers.items()),
            ),
        )
        self._returned = True
        weakref.finalize(response, self._recorder.abandoned)
        if not isinstance(response, HTTPResponse):
            # Another kind, such as that of HTTP/2, has its whole body already.
            self._recorder.chunk(response.data)
            self._done = True
        if self._done or response.length_remaining == 0:
            self._recorder.complete()


_sending: ContextVar[_Tee | None] = ContextVar("agent_replay_urllib3", default=None)


def _tee_of(response: BaseHTTPResponse) -> _Tee | None:
    tee: _Tee | None = response.__dict__.get(_KEY)
    if tee is None:
        # A body that is preloaded is read before `urlopen` returns its response.
        tee = _sending.get()
        if tee is not None:
            tee.attach(response)
    return tee


def _raw_read(original: Callable[..., bytes]) -> Callable[..., bytes]:
    @functools.wraps(original)
    def raw_read(self: HTTPResponse, *args: object, **kwargs: object) -> bytes:
        tee = _tee_of(self)
        if tee is None:
            return original(self, *args, **kwargs)
        try:
            data = original(self, *args, **kwargs)
        except Exception as error:
            tee.broke(error)
            raise
        tee.read(data, last=self.isclosed())
        return data

    return raw_read


def _handle_chunk(original: Callable[..., bytes]) -> Callable[..., bytes]:
    @functools.wraps(original)
    def handle_chunk(self: HTTPResponse, amt: int | None) -> bytes:
        data = original(self, amt)
        tee = _tee_of(self)
        if tee is not None:
            tee.read(data, last=False)
        return data

    return handle_chunk


def _read_chunked(
    original: Callable[..., Generator[bytes]],
) -> Callable[..., Iterator[bytes]]:
    @functools.wraps(original)
    def read_chunked(
        self: HTTPResponse, *args: object, **kwargs: object
    ) -> Iterator[bytes]:
        tee = _tee_of(self)
        chunks = original(self, *args, **kwargs)
        return chunks if tee is None else tee.chunked(chunks)

    return read_chunked


def _close(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def close(self: HTTPResponse) -> None:
        original(self)
        tee: _Tee | None = self.__dict__.get(_KEY)
        if tee is not None:
            tee.closed()

    return close


def _urlopen(original: _Urlopen) -> _Urlopen:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def urlopen(self: _Pool, *args: object, **kwargs: object) -> BaseHTTPResponse:
        settings = in_force()
        if settings is None or not intercept.active():
            return original(self, *args, **kwargs)
        bound = signature.bind(self, *args, **kwargs)
        asked = bound.arguments
        plan = plan_for(str(asked["method"]), _url(self, asked), settings)
        if plan is None:
            return original(self, *args, **kwargs)
        body = _whole_body(asked)
        opened = intercept.open_call(plan.call(_headers(self, asked), body))
        if opened.answer is not None:
            return answered(self, opened, opened.answer, asked)
        return _sent(original, bound, opened, plan)

    return urlopen


def _sent(
    original: _Urlopen,
    bound: inspect.BoundArguments,
    opened: OpenCall,
    plan: Plan,
) -> BaseHTTPResponse:
    recorder = StreamRecorder(opened, plan.settings)
    tee = _Tee(recorder)
    token = _sending.set(tee)
    try:
        _replace(bound.arguments, opened)
        with opened.running():
            response = original(*bound.args, **bound.kwargs)
    except BaseException as error:
        recorder.stopped(error)
        raise
    finally:
        _sending.reset(token)
    try:
        tee.returned(response)
    except Exception as error:  # noqa: BLE001 - the caller gets the response
        recorder.lost(error)
    return response


def _url(pool: _Pool, asked: Mapping[str, Any]) -> str:
    url = str(asked["url"])
    if not url.startswith("/"):
        return url.partition("#")[0]
    host = f"[{pool.host}]" if ":" in pool.host else pool.host
    default = {"http": 80, "https": 443}.get(pool.scheme or "")
    port = "" if pool.port in {None, default} else f":{pool.port}"
    return f"{pool.scheme}://{host}{port}{url}"


def _headers(pool: _Pool, asked: Mapping[str, Any]) -> Headers:
    headers: Mapping[object, object] | None = asked.get("headers")
    items = (pool.headers if headers is None else headers).items()
    return tuple((_text(name), _text(value)) for name, value in items)


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _whole_body(asked: dict[str, Any]) -> bytes:
    """Return the body, and let the request send what was read of it.

    What had no length of its own is sent as one chunk, in as many attempts as needed.
    """
    body: object = asked.get("body")
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if not hasattr(body, "read"):
        try:
            return bytes(memoryview(cast("bytes", body)))
        except TypeError:
            pass  # no buffer: an iterable of pieces
    _rewind(asked)
    whole = b"".join(_pieces(body))
    asked["body"] = (whole,)
    return whole


def _rewind(asked: dict[str, Any]) -> None:
    """Go to where a redirected upload starts, since the file itself is not sent."""
    position = asked.pop("body_pos", None)
    if isinstance(position, int):
        asked["body"].seek(position)


def _pieces(body: object) -> Iterator[bytes]:
    if hasattr(body, "read"):
        read = cast("io.RawIOBase", body).read()
        body = () if read is None else (read,)
    for piece in cast("Iterable[bytes | str]", body):
        yield piece.encode() if isinstance(piece, str) else bytes(piece)


def _replace(asked: dict[str, Any], opened: OpenCall) -> None:
    """Make the arguments those of the call that an interceptor put in."""
    request = opened.call.request
    if opened.call is opened.asked or request is None:
        return
    pool: _Pool = asked["self"]
    if not request.url.startswith(_url(pool, {"url": "/"})):
        asked["self"] = urllib3.connection_from_url(request.url)
    parts = parse_url(request.url)
    headers = urllib3.HTTPHeaderDict()
    for name, value in resent_headers(opened.call, opened.asked):
        headers.add(name, value)
    asked.update(
        method=request.method,
        url=parts.request_uri if str(asked["url"]).startswith("/") else request.url,
        headers=headers,
        body=request.body or None,
        chunked=False,
    )


_PATCHES: Final = Patches()


def patch(module: ModuleType) -> None:
    """Put urllib3's connection pools on the seam.

    Raises:
        AttributeError: It is a version whose inside is not known here, such as 1.26.
    """
    del module
    _PATCHES.apply(HTTPResponse, "_raw_read", _raw_read)
    _PATCHES.apply(HTTPResponse, "_handle_chunk", _handle_chunk)
    _PATCHES.apply(HTTPResponse, "read_chunked", _read_chunked)
    _PATCHES.apply(HTTPResponse, "close", _close)
    _PATCHES.apply(_Pool, "urlopen", _urlopen)


def unpatch() -> None:
    """Take them off again."""
    _PATCHES.remove()
