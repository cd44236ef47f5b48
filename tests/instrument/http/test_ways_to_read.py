"""Each way to read a body gives what it gives without us."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
import requests


@pytest.mark.parametrize(
    "read",
    [
        lambda response: list(response.iter_lines()),
        lambda response: list(response.iter_content(7)),
        lambda response: list(response.iter_content(None)),
        lambda response: [response.raw.read(9), response.raw.read(), b""],
        lambda response: list(iter(lambda: response.raw.read1(11), b"")),
        lambda response: list(response.raw.stream(5)),
        lambda response: list(response.raw),
        lambda response: response.text.splitlines(),
    ],
    ids=["lines", "sized", "any", "read", "read1", "stream", "iter", "text"],
)
@pytest.mark.parametrize("path", ["/stream", "/plain"])
def test_ways_to_read_requests(server, recording, replaying, read, path):
    """Each way to read a response of requests gives the same live and answered."""
    url = server.url(path)
    server.permits.release(4)

    with requests.get(url, stream=True, timeout=20) as response:
        live = read(response)
    replaying()
    with requests.get(url, stream=True, timeout=20) as response:
        again = read(response)

    assert live
    assert again == live


async def _pieces(response):
    return [piece async for piece in response.content.iter_any()]


async def _chunks(response):
    # Whether the end of a chunk comes with its data or alone is the network's timing.
    return [piece async for piece, _ in response.content.iter_chunks() if piece]


async def _sized(response):
    return [piece async for piece in response.content.iter_chunked(6)]


async def _lines(response):
    return [line async for line in response.content]


async def _line_by_line(response):
    got = []
    while not response.content.at_eof():
        got.append(await response.content.readline())
    return [line for line in got if line]


async def _exactly(response):
    return [await response.content.readexactly(5), await response.content.read()]


async def _whole(response):
    return [await response.read(), await response.text()]


_ALL_WAYS = [_pieces, _chunks, _sized, _lines, _line_by_line, _exactly, _whole]


@pytest.mark.parametrize(
    ("path", "read"),
    [
        *((p, r) for p in ("/stream", "/plain", "/gzip-stream") for r in _ALL_WAYS),
        *(("/big", read) for read in (_pieces, _chunks, _exactly)),
    ],
)
async def test_ways_to_read_aiohttp(server, recording, replaying, path, read):
    """Each way to read a response of aiohttp gives the same live and answered."""
    url = server.url(path)
    server.permits.release(4)

    async with aiohttp.ClientSession() as session, session.get(url) as response:
        live = await read(response)
    replaying()
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        again = await read(response)

    assert live
    assert again == live


async def test_aiohttp_read_again_after_a_timeout(
    server, recording, replaying, samples
):
    """A wait that timed out does not end an aiohttp stream; it may be read on."""
    url = server.url("/stream")
    got = []

    async with aiohttp.ClientSession() as session, session.get(url) as response:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await response.content.readany()
        server.permits.release(4)
        async for piece in response.content.iter_any():
            got.append(piece)  # noqa: PERF401

    assert b"".join(got) == b"".join(samples.pieces)
    assert recording.only[1].ended == "complete"


async def test_aiohttp_release_wakes_a_waiting_reader(server, recording):
    """Closing a response ends the wait of a task that reads it."""
    async with aiohttp.ClientSession() as session:
        response = await session.get(server.url("/stream"))
        reader = asyncio.create_task(response.content.readany())
        await asyncio.sleep(0)
        response.close()
        with pytest.raises(aiohttp.ClientConnectionError):
            await reader

    assert recording.only[1].ended in {"abandoned", "failed"}


def test_short_body_of_requests(server, recording, replaying):
    """A body shorter than its length fails as it did."""
    url = server.url("/short")

    with pytest.raises(requests.RequestException) as live:
        requests.get(url, timeout=20)
    replaying()
    with pytest.raises(requests.RequestException) as again:
        requests.get(url, timeout=20)

    assert type(again.value) is type(live.value)
