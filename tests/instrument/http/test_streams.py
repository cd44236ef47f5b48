"""Streams read elsewhere, cut off, forgotten, and at their ends."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import threading

import aiohttp
import httpx2
import pytest
import requests
import urllib3

from otel_agent_replay import intercept
from otel_agent_replay.instrument.http import close_streams
from otel_agent_replay.instrument.http.stream import is_last_event
from otel_agent_replay.model.call import Call


def _open_httpx(url):
    client = httpx2.Client()
    response = client.send(client.build_request("GET", url), stream=True)
    return response.iter_raw(), client.close


def _open_requests(url):
    response = requests.get(url, stream=True, timeout=20)
    return response.iter_content(None), response.close


def _open_urllib3(url):
    pool = urllib3.PoolManager()
    response = pool.request("GET", url, preload_content=False)
    return response.stream(), pool.clear


@pytest.mark.parametrize("open_stream", [_open_httpx, _open_requests, _open_urllib3])
def test_read_in_another_thread(server, recording, replaying, samples, open_stream):
    """A stream that is opened here and read by another thread is complete there."""
    url = server.url("/stream")
    server.permits.release(4)

    live = _read_in_thread(open_stream, url)
    answering = replaying()
    again = _read_in_thread(open_stream, url)

    assert b"".join(live) == b"".join(samples.pieces)
    assert again == live
    assert recording.only[1].ended == "complete"
    assert len(answering.closed) == 1


def _read_in_thread(open_stream, url):
    got = []
    pieces, close = open_stream(url)
    # A thread starts with an empty context: nothing of the opener's is there.
    thread = threading.Thread(target=lambda: got.extend(pieces))
    thread.start()
    thread.join(20)
    close()
    return got


async def test_httpx_read_in_another_task(server, recording, replaying, samples):
    """The same for a response that is handed to another task."""
    url = server.url("/stream")
    server.permits.release(4)

    async def opened_here_read_there():
        async with httpx2.AsyncClient() as client:
            asked = client.build_request("GET", url)
            response = await client.send(asked, stream=True)
            reading = asyncio.create_task(
                _all(response.aiter_raw()), context=contextvars.Context()
            )
            return await reading

    live = await opened_here_read_there()
    replaying()

    assert await opened_here_read_there() == live
    assert b"".join(live) == b"".join(samples.pieces)
    assert recording.only[1].ended == "complete"


async def test_aiohttp_read_in_another_task(server, recording, replaying, samples):
    """The same for aiohttp."""
    url = server.url("/stream")
    server.permits.release(4)

    async def opened_here_read_there():
        async with aiohttp.ClientSession() as session:
            response = await session.get(url)
            reading = asyncio.create_task(
                _all(response.content.iter_any()), context=contextvars.Context()
            )
            return await reading

    live = await opened_here_read_there()
    replaying()

    assert await opened_here_read_there() == live
    assert b"".join(live) == b"".join(samples.pieces)
    assert recording.only[1].ended == "complete"


async def _all(pieces):
    return [piece async for piece in pieces]


async def test_generator_finalised_elsewhere(server, recording, samples):
    """A generator over a stream may be closed in another context than it ran in."""
    server.permits.release()
    client = httpx2.AsyncClient()

    async def lines():
        async with client.stream("GET", server.url("/stream")) as response:
            async for piece in response.aiter_raw():
                yield piece

    generator = lines()
    first = await anext(generator)
    await asyncio.create_task(generator.aclose(), context=contextvars.Context())
    await client.aclose()

    assert first == samples.pieces[0]
    assert recording.only[1].ended == "abandoned"


async def test_cancelled_while_reading(
    async_client, server, recording, replaying, samples
):
    """A reader that is cancelled while it waits is answered by waiting likewise."""
    url = server.url("/stream")
    server.permits.release()

    live = await _cancelled_after_first(async_client, url)
    _, outcome = recording.only
    answering = replaying()
    again = await _cancelled_after_first(async_client, url)

    assert live == again == [samples.pieces[0]]
    assert outcome.ended == "abandoned"
    assert outcome.error.type_name.endswith("CancelledError")
    assert answering.closed == [outcome]


async def _cancelled_after_first(client, url):
    got, first = [], asyncio.Event()

    def on_piece(piece):
        got.append(piece)
        first.set()

    task = asyncio.create_task(client.astream(url, on_piece))
    await first.wait()
    # The reader is in its next wait once the loop has turned.
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return got


async def test_cancelled_before_the_response(
    async_client, server, recording, replaying
):
    """A request cancelled before its answer came is not answered at once either."""
    url = server.url("/hang")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await async_client.afetch("GET", url)
    _, outcome = recording.only
    answering = replaying()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await async_client.afetch("GET", url)

    assert (outcome.ended, outcome.response) == ("abandoned", None)
    assert answering.closed == [outcome]


def test_forgotten_response(server, recording):
    """A response that nobody reads or closes is abandoned when it is collected."""
    pool = urllib3.PoolManager()
    response = pool.request("GET", server.url("/big"), preload_content=False)
    assert recording.pairs == []

    del response
    gc.collect()

    assert recording.only[1].ended == "abandoned"
    pool.clear()


def test_last_event_is_the_end(server, recording):
    """An SDK that stops at OpenAI's last event, not at the body's end, has read all."""
    with httpx2.Client() as client, client.stream("GET", server.url("/done")) as answer:
        for line in answer.iter_lines():
            if line == "data: [DONE]":
                break

    assert recording.only[1].ended == "complete"


def test_streams_that_nobody_closes(server, recording):
    """Streams left open end with the call they are in, if read, or with recording."""
    root = intercept.open_call(Call(kind="agent", name="agent"))
    with root.running():
        pool = urllib3.PoolManager()
        read = pool.request("GET", server.url("/done"), preload_content=False)
        pieces = read.stream()
        while b"[DONE]" not in next(pieces):
            pass
        unread = pool.request("GET", server.url("/done?2"), preload_content=False)
        next(unread.stream())
    outside = pool.request("GET", server.url("/done?3"), preload_content=False)
    next(outside.stream())

    before = list(recording.pairs)
    close_streams(root)
    inside = [(call.request.url, outcome.ended) for call, outcome in recording.pairs]
    close_streams()
    every = [(call.request.url, outcome.ended) for call, outcome in recording.pairs]

    assert before == []
    assert inside == [(server.url("/done"), "complete")]
    assert every[1:] == [
        (server.url("/done?2"), "abandoned"),
        (server.url("/done?3"), "abandoned"),
    ]
    for response in (read, unread, outside):
        response.close()
    pool.clear()


@pytest.mark.parametrize(
    ("event", "ended"),
    [
        (b'data: {"delta":{"stop_reason":"end_turn"}}\n\n', ["abandoned"]),
        (b'data: {"choices":[{"finish_reason": "stop"}]}\n\n', ["abandoned"]),
        (b'data: {"candidates":[{"finishReason":"STOP"}]}\n\n', ["abandoned"]),
        (b'data: {"choices":[{"finish_reason":null}]}\n\n', []),
    ],
)
def test_streams_that_are_read_to_the_reason_of_their_end(event, ended, recording):
    """Some SDKs read no further; then the stream ends with the call it is in."""
    last = b"event: message_stop\ndata: {}\n\n"
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(200, content=iter([event, last]))
    )
    root = intercept.open_call(Call(kind="agent", name="agent"))
    with httpx2.Client(transport=transport) as client:
        with root.running():
            asked = client.build_request("POST", "http://api.test/v1/messages")
            response = client.send(asked, stream=True)
            pieces = response.iter_raw()
            next(pieces)
        close_streams(root)
        found = [outcome.ended for _, outcome in recording.pairs]
        response.close()

    assert found == ended


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forked_child(server, recording):
    """A stream that was open at a fork is its parent's to end, not the child's."""
    pool = urllib3.PoolManager()
    response = pool.request("GET", server.url("/done"), preload_content=False)

    child = os.fork()
    if child == 0:
        close_streams()
        os._exit(len(recording.pairs))
    _, status = os.waitpid(child, 0)
    close_streams()
    response.close()
    pool.clear()

    assert os.waitstatus_to_exitcode(status) == 0
    assert len(recording.pairs) == 1


@pytest.mark.parametrize(
    ("tail", "last"),
    [
        (b"data: {}\n\ndata: [DONE]\n\n", True),
        (b"data: {}\r\n\r\ndata: [DONE]\r\n\r\n", True),
        (b"data: [DONE]", False),
        (b'event: message_stop\ndata: {"type":"message_stop"}\n\n', True),
        (b'data: {"text": "data: [DONE]"}\n\n', False),
        (b"data: [DONE]\n\ndata: {}\n\n", False),
        (b"", False),
    ],
)
def test_last_events(tail, last):
    """The last event of OpenAI and of Anthropic is told from one that quotes it."""
    assert is_last_event(tail) is last
