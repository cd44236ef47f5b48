"""Each HTTP client behind the same few calls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

import aiohttp
import httpx
import httpx2
import requests
import urllib3


@dataclass(frozen=True)
class Seen:
    """What a client's user saw of a response."""

    status: int
    headers: dict[str, str]
    body: bytes
    pieces: tuple[bytes, ...] = ()

    @property
    def json(self) -> dict[str, str]:
        return json.loads(self.body)


OnPiece = Callable[[bytes], object]


class HttpxDriver:
    def __init__(self, library) -> None:
        self.library = library
        self.name = library.__name__
        self.refused = library.ConnectError
        self.broken = library.RemoteProtocolError

    def fetch(self, method, url, *, follow=False, pieces=None, **sent) -> Seen:
        if pieces is not None:
            sent["content"] = (piece for piece in pieces)
        with self.library.Client(follow_redirects=follow) as client:
            response = client.request(method, url, **sent)
        return Seen(response.status_code, dict(response.headers), response.content)

    def stream(self, url, on_piece: OnPiece) -> None:
        with self.library.Client() as client, client.stream("GET", url) as response:
            for piece in response.iter_raw():
                if on_piece(piece) is False:
                    return


class AsyncHttpxDriver(HttpxDriver):
    def __init__(self, library) -> None:
        super().__init__(library)
        self.name = f"async {library.__name__}"

    def fetch(self, method, url, **sent) -> Seen:
        return asyncio.run(self.afetch(method, url, **sent))

    async def afetch(self, method, url, *, follow=False, pieces=None, **sent) -> Seen:
        if pieces is not None:
            sent["content"] = _async(pieces)
        async with self.library.AsyncClient(follow_redirects=follow) as client:
            response = await client.request(method, url, **sent)
        return Seen(response.status_code, dict(response.headers), response.content)

    def stream(self, url, on_piece: OnPiece) -> None:
        asyncio.run(self.astream(url, on_piece))

    async def astream(self, url, on_piece: OnPiece) -> None:
        async with (
            self.library.AsyncClient() as client,
            client.stream("GET", url) as response,
        ):
            async for piece in response.aiter_raw():
                if on_piece(piece) is False:
                    return


class RequestsDriver:
    name = "requests"
    refused = requests.ConnectionError
    broken = requests.exceptions.ChunkedEncodingError

    def fetch(self, method, url, *, follow=False, pieces=None, **sent) -> Seen:
        if pieces is not None:
            sent["data"] = (piece for piece in pieces)
        elif "content" in sent:
            sent["data"] = sent.pop("content")
        with requests.Session() as session:
            response = session.request(method, url, allow_redirects=follow, **sent)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Seen(response.status_code, headers, response.content)

    def stream(self, url, on_piece: OnPiece) -> None:
        with requests.get(url, stream=True, timeout=20) as response:
            for piece in response.iter_content(chunk_size=None):
                if on_piece(piece) is False:
                    return


class Urllib3Driver:
    name = "urllib3"
    refused = urllib3.exceptions.MaxRetryError
    broken = urllib3.exceptions.ProtocolError

    def fetch(self, method, url, *, follow=False, pieces=None, **sent) -> Seen:
        if pieces is not None:
            sent["body"] = (piece for piece in pieces)
        elif "content" in sent:
            sent["body"] = sent.pop("content")
        with urllib3.PoolManager(retries=urllib3.Retry(3, backoff_factor=0)) as pool:
            response = pool.request(method, url, redirect=follow, **sent)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Seen(response.status, headers, response.data)

    def stream(self, url, on_piece: OnPiece) -> None:
        with urllib3.PoolManager() as pool:
            response = pool.request("GET", url, preload_content=False)
            try:
                for piece in response.stream():
                    if on_piece(piece) is False:
                        return
            finally:
                response.close()


class AiohttpDriver:
    name = "aiohttp"
    refused = aiohttp.ClientConnectorError
    broken = aiohttp.ClientPayloadError

    def fetch(self, method, url, **sent) -> Seen:
        return asyncio.run(self.afetch(method, url, **sent))

    async def afetch(self, method, url, *, follow=False, pieces=None, **sent) -> Seen:
        if pieces is not None:
            sent["data"] = _async(pieces)
        elif "content" in sent:
            sent["data"] = sent.pop("content")
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, allow_redirects=follow, **sent) as response,
        ):
            body = await response.read()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Seen(response.status, headers, body)

    def stream(self, url, on_piece: OnPiece) -> None:
        asyncio.run(self.astream(url, on_piece))

    async def astream(self, url, on_piece: OnPiece) -> None:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            async for piece in response.content.iter_any():
                if on_piece(piece) is False:
                    return


async def _async(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


DRIVERS = (
    HttpxDriver(httpx2),
    AsyncHttpxDriver(httpx2),
    HttpxDriver(httpx),
    AsyncHttpxDriver(httpx),
    RequestsDriver(),
    Urllib3Driver(),
    AiohttpDriver(),
)
