"""HTTP clients behind one call, opened once a run, as an agent has them."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import httpx
import httpx2
import requests

from otel_agent_replay.model.payload import Headers, HttpRequest

NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing here is encrypted; reading certificates takes longer than a request."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a client's user saw of a response; a whole body is one piece."""

    status: int
    pieces: tuple[bytes, ...]

    @property
    def body(self) -> bytes:
        """The pieces joined."""
        return b"".join(self.pieces)


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request to make, and how to read its answer."""

    method: str
    url: str
    headers: Headers
    body: bytes
    stream: bool

    @classmethod
    def of(cls, request: HttpRequest, url: str, more: Headers, *, stream: bool) -> Ask:
        """Make a recorded request again, at another address."""
        return cls(
            method=request.method,
            url=url,
            headers=(*request.headers, *more),
            body=request.body,
            stream=stream,
        )


class _HttpxClient:
    def __init__(self, client) -> None:
        self.client = client

    async def __call__(self, ask: Ask) -> Seen:
        sent = {"headers": dict(ask.headers), "content": ask.body or None}
        if not ask.stream:
            answer = self.client.request(ask.method, ask.url, **sent)
            return Seen(status=answer.status_code, pieces=_whole(answer.content))
        with self.client.stream(ask.method, ask.url, **sent) as answer:
            pieces = tuple(answer.iter_bytes())
        return Seen(status=answer.status_code, pieces=pieces)


class _AsyncHttpxClient(_HttpxClient):
    async def __call__(self, ask: Ask) -> Seen:
        sent = {"headers": dict(ask.headers), "content": ask.body or None}
        if not ask.stream:
            answer = await self.client.request(ask.method, ask.url, **sent)
            return Seen(status=answer.status_code, pieces=_whole(answer.content))
        async with self.client.stream(ask.method, ask.url, **sent) as answer:
            pieces = tuple([piece async for piece in answer.aiter_bytes()])
        return Seen(status=answer.status_code, pieces=pieces)


class _RequestsClient:
    def __init__(self, session: requests.Session) -> None:
        self.session = session

    async def __call__(self, ask: Ask) -> Seen:
        with self.session.request(
            ask.method,
            ask.url,
            headers=dict(ask.headers),
            data=ask.body or None,
            stream=ask.stream,
            timeout=20,
        ) as answer:
            if not ask.stream:
                return Seen(status=answer.status_code, pieces=_whole(answer.content))
            pieces = tuple(filter(None, answer.iter_content(chunk_size=None)))
        return Seen(status=answer.status_code, pieces=pieces)


class _AiohttpClient:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def __call__(self, ask: Ask) -> Seen:
        async with self.session.request(
            ask.method, ask.url, headers=dict(ask.headers), data=ask.body or None
        ) as answer:
            if not ask.stream:
                return Seen(status=answer.status, pieces=_whole(await answer.read()))
            pieces = [piece async for piece, _ in answer.content.iter_chunks()]
        return Seen(status=answer.status, pieces=tuple(filter(None, pieces)))


def _whole(body: bytes) -> tuple[bytes, ...]:
    return (body,) if body else ()


@contextlib.asynccontextmanager
async def every_client() -> AsyncIterator[list]:
    """Open one client of each kind, sync and async."""
    async with contextlib.AsyncExitStack() as stack:
        enter, aenter = stack.enter_context, stack.enter_async_context
        yield [
            _HttpxClient(enter(httpx2.Client(verify=NO_CERTIFICATES))),
            _AsyncHttpxClient(await aenter(httpx2.AsyncClient(verify=NO_CERTIFICATES))),
            _HttpxClient(enter(httpx.Client(verify=NO_CERTIFICATES))),
            _AsyncHttpxClient(await aenter(httpx.AsyncClient(verify=NO_CERTIFICATES))),
            _RequestsClient(enter(requests.Session())),
            _AiohttpClient(await aenter(aiohttp.ClientSession())),
        ]
