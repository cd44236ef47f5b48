"""aiohttp's client on the seam: the innermost of its client middlewares (3.12).

There each exchange passes once, redirects and aiohttp's own retries included, with
its headers and body final, before a connection is asked for. WebSockets pass on.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Final, cast

from aiohttp import ClientRequest, ClientResponse, ClientSession, hdrs
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import BytesPayload, Payload
from multidict import CIMultiDict
from yarl import URL

from otel_agent_replay import intercept
from otel_agent_replay.instrument.http.aiohttp_answer import answered
from otel_agent_replay.instrument.http.aiohttp_reader import TeeReader
from otel_agent_replay.instrument.http.coding import plain_headers
from otel_agent_replay.instrument.http.exchange import (
    Plan,
    opens_websocket,
    plan_for,
    resent_headers,
)
from otel_agent_replay.instrument.http.patching import Patches
from otel_agent_replay.instrument.http.settings import in_force
from otel_agent_replay.instrument.http.stream import StreamRecorder, until_cancelled
from otel_agent_replay.intercept import OpenCall
from otel_agent_replay.model.payload import HttpResponse, header

__all__ = ["patch", "unpatch"]

_Handler = Callable[[ClientRequest], Awaitable[ClientResponse]]
_Middlewares = Sequence[Callable[..., Awaitable[ClientResponse]]]
_DECODED: Final = frozenset({"gzip", "deflate", "br", "zstd"})
_LIMIT: Final = 2**16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seam:
    """The middleware of one `ClientSession._request`.

    Attributes:
        decompress: Whether the session takes content-codings off by itself.
        limit: The reader's buffer limit; a line may be twice as long.
    """

    decompress: bool
    limit: int

    async def __call__(
        self, request: ClientRequest, handler: _Handler
    ) -> ClientResponse:
        plan = _plan(request)
        if plan is None:
            return await handler(request)
        body = await _whole_body(request)
        opened = intercept.open_call(plan.call(tuple(request.headers.items()), body))
        answer = opened.answer
        if answer is not None:
            if answer.response is None:
                await until_cancelled(opened, answer)
            return await answered(
                opened,
                answer,
                request,
                decompress=self.decompress,
                limit=self.limit,
            )
        return await self._sent(request, handler, opened, plan)

    async def _sent(
        self,
        request: ClientRequest,
        handler: _Handler,
        opened: OpenCall,
        plan: Plan,
    ) -> ClientResponse:
        recorder = StreamRecorder(opened, plan.settings)
        try:
            await _replace(request, opened)
            with opened.running():
                response = await handler(request)
        except BaseException as error:
            recorder.stopped(error)
            raise
        try:
            self._note(response, recorder)
        except Exception as error:  # noqa: BLE001 - the caller gets the response
            recorder.lost(error)
        return response

    def _note(self, response: ClientResponse, recorder: StreamRecorder) -> None:
        headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in response.raw_headers
        )
        coding = (header(headers, "content-encoding") or "").lower()
        if self.decompress and coding in _DECODED:
            # aiohttp's reader gives decoded bytes; nobody sees the coded ones.
            headers = plain_headers(headers)
        reason = response.reason or ""
        recorder.responded(
            HttpResponse(status=response.status, reason=reason, headers=headers),
        )
        if response.content.at_eof():
            recorder.complete()
        else:
            response.content = TeeReader(response.content, recorder)


def _plan(request: ClientRequest) -> Plan | None:
    settings = in_force()
    if settings is None or opens_websocket(request.headers.get(hdrs.UPGRADE)):
        return None
    return plan_for(request.method, str(request.url), settings)


class _Memory:
    """Takes what a payload would write to the wire."""

    def __init__(self) -> None:
        self.written = bytearray()

    async def write(self, data: bytes) -> None:
        self.written += data


async def _whole_body(request: ClientRequest) -> bytes:
    """Return the body; one that can be read only once is replaced by its bytes."""
    payload = request.body
    if not isinstance(payload, Payload):
        return b""
    if isinstance(payload, BytesPayload):
        return await payload.as_bytes()
    memory = _Memory()
    await payload.write(cast("AbstractStreamWriter", memory))
    body = bytes(memory.written)
    await request.update_body(body)
    return body


async def _replace(request: ClientRequest, opened: OpenCall) -> None:
    """Make the request the one that an interceptor put in."""
    replacement = opened.call.request
    if opened.call is opened.asked or replacement is None:
        return
    request.method = replacement.method
    request.url = URL(replacement.url, encoded=True)
    request.headers = CIMultiDict(resent_headers(opened.call, opened.asked))
    if not request.compress:
        request.chunked = None
    await request.update_body(replacement.body or None)


def _request(original: Callable[..., object]) -> Callable[..., object]:
    @functools.wraps(original)
    def request(self: ClientSession, *args: object, **kwargs: object) -> object:
        if in_force() is None or not intercept.active():
            return original(self, *args, **kwargs)
        others = kwargs.get("middlewares")
        if others is None:
            others = getattr(self, "_middlewares", ())
        kwargs["middlewares"] = (*cast("_Middlewares", others), _seam(self, kwargs))
        return original(self, *args, **kwargs)

    return request


def _seam(session: ClientSession, asked: Mapping[str, object]) -> _Seam:
    decompress = asked.get("auto_decompress")
    limit = asked.get("read_bufsize") or getattr(session, "_read_bufsize", _LIMIT)
    return _Seam(
        decompress=session.auto_decompress if decompress is None else bool(decompress),
        limit=cast("int", limit),
    )


_PATCHES: Final = Patches()


def patch(module: ModuleType) -> None:
    """Put aiohttp's client sessions on the seam."""
    del module
    _PATCHES.apply(ClientSession, "_request", _request)


def unpatch() -> None:
    """Take them off again."""
    _PATCHES.remove()
