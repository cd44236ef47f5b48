"""WireServer gives bodies back to the byte, in the chunks asked for."""

from __future__ import annotations

import gzip
import socket

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agent_replay.model.payload import Chunk, HttpRequest, HttpResponse
from otel_agent_replay.testing import (
    INDEX_HEADER,
    WireInteraction,
    WireServer,
    cut_every,
    cut_lines,
    cut_sse_events,
)

STREAM = b'event: a\ndata: {"x": "\xc3\xa9"}\n\ndata: 2\r\n\r\ndata: [DONE]\n\n'
EVENTS = [
    b'event: a\ndata: {"x": "\xc3\xa9"}\n\n',
    b"data: 2\r\n\r\n",
    b"data: [DONE]\n\n",
]


def interaction(
    path: str = "/v1/x", body: bytes = b"", answer: bytes = b"", status: int = 200
) -> WireInteraction:
    return WireInteraction(
        request=HttpRequest(method="POST", url=f"https://api.test{path}", body=body),
        response=HttpResponse(
            status=status,
            headers=(("content-type", "text/event-stream"),),
            chunks=(Chunk(data=answer),) if answer else (),
        ),
    )


def raw_answer(server: WireServer, index: int = 0) -> bytes:
    """Fetch an interaction over a bare socket and return every byte after the head."""
    head = f"POST / HTTP/1.1\r\n{INDEX_HEADER}: {index}\r\nConnection: close\r\n\r\n"
    with (
        socket.create_connection(("127.0.0.1", server.port)) as connection,
        connection.makefile("rb") as stream,
    ):
        connection.sendall(head.encode())
        return stream.read().partition(b"\r\n\r\n")[2]


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in (*chunks, b""))


def test_a_request_is_told_by_path_query_and_body():
    """Each interaction is found again by what its request said, wherever it stands."""
    recorded = [
        interaction("/v1/a", b"1", b"first"),
        interaction("/v1/a", b"2", b"second"),
        interaction("/v1/a?q=%3A", b"1", b"third", status=404),
    ]

    with WireServer(recorded) as server:
        answers = [
            httpx.post(server.url_of(index), content=recorded[index].request.body)
            for index in (2, 1, 0)
        ]

    assert [a.content for a in answers] == [b"third", b"second", b"first"]
    assert answers[0].status_code == 404
    assert answers[0].headers["content-type"] == "text/event-stream"


def test_equal_requests_get_their_answers_in_order_and_the_last_for_ever():
    """Interactions that cannot be told apart are served one after the other."""
    recorded = [interaction(answer=b"1"), interaction(answer=b"2")]

    with WireServer(recorded) as server:
        answers = [httpx.post(server.url_of(0)).content for _ in range(3)]

    assert answers == [b"1", b"2", b"2"]


def test_the_index_header_picks_an_interaction():
    """An index wins over path and body; one out of range is not found."""
    recorded = [interaction(answer=b"1"), interaction(answer=b"2")]

    with WireServer(recorded) as server:
        second = httpx.post(server.url, headers={INDEX_HEADER: "1"})
        beyond = httpx.post(server.url_of(0), headers={INDEX_HEADER: "2"})

    assert second.content == b"2"
    assert beyond.status_code == 404


def test_what_was_not_recorded_is_not_found():
    """A request that fits no interaction gets status 404 and is still noted."""
    with WireServer([interaction(body=b"1")]) as server:
        response = httpx.post(server.url_of(0), content=b"2")

        assert response.status_code == 404
        assert [request.body for request in server.requests] == [b"2"]


@pytest.mark.parametrize(
    ("cut", "chunks"),
    [
        (cut_sse_events, EVENTS),
        (cut_lines, STREAM.splitlines(keepends=True)),
        (cut_every(25), [STREAM[:25], STREAM[25:50], STREAM[50:]]),
        (cut_every(1), [bytes([byte]) for byte in STREAM]),
    ],
)
def test_chunks_are_the_ones_of_the_cut(cut, chunks):
    """The HTTP chunks on the wire are the pieces of the cut, no more and no fewer."""
    with WireServer([interaction(answer=STREAM)], cut=cut) as server:
        assert raw_answer(server) == chunked(*chunks)
        assert httpx.post(server.url_of(0)).content == STREAM


@given(st.binary(max_size=200), st.integers(min_value=1, max_value=50))
def test_cuts_lose_nothing(body, size):
    """The pieces of every cut make up the body again, and none is empty."""
    for cut in (cut_sse_events, cut_lines, cut_every(size)):
        assert b"".join(cut(body)) == body
        assert all(cut(body))


@pytest.mark.parametrize("cut", [None, cut_sse_events])
@pytest.mark.parametrize("answer", [STREAM, b""])
def test_gzip_is_unpacked_by_the_client(cut, answer):
    """A compressed body arrives compressed and reads as the recorded one."""
    with WireServer([interaction(answer=answer)], cut=cut, gzip=True) as server:
        with httpx.stream("POST", server.url_of(0)) as response:
            packed = b"".join(response.iter_raw())
        read = httpx.post(server.url_of(0))

    assert gzip.decompress(packed) == answer
    assert read.headers["content-encoding"] == "gzip"
    assert read.content == answer


def test_a_gzipped_chunk_can_be_read_when_it_arrives():
    """Every chunk is flushed through the compressor, so streams stay streams."""
    recorded = [interaction(answer=STREAM)]
    with WireServer(recorded, cut=cut_sse_events, gzip=True) as server:
        framed = raw_answer(server)
    size, _, rest = framed.partition(b"\r\n")

    first = gzip.zlib.decompressobj(31).decompress(rest[: int(size, 16)])

    assert first == EVENTS[0]


@pytest.mark.parametrize("cut", [None, cut_every(3)])
@pytest.mark.parametrize("packed", [False, True])
def test_a_status_without_a_body_has_none(cut, packed):
    """Status 204 is sent with neither body nor length, and the connection lives on."""
    recorded = [interaction("/a", status=204), interaction("/b", answer=b"b")]
    with (
        WireServer(recorded, cut=cut, gzip=packed) as server,
        httpx.Client() as client,
    ):
        empty = client.post(server.url_of(0))
        after = client.post(server.url_of(1))

    assert (empty.status_code, empty.content) == (204, b"")
    assert "content-length" not in empty.headers
    assert after.content == b"b"
