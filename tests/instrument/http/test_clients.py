"""Every client: recorded as it is, answered as it was."""

from __future__ import annotations

import asyncio
import gc
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from otel_agent_replay.instrument.http.coding import decoded


def _again(client, replaying, *args, **kwargs):
    replaying()
    return client.fetch(*args, **kwargs)


def test_plain_get(client, server, recording, replaying):
    """A GET is a read named by its route; its answer is the same response."""
    url = server.url("/plain?key=secret")

    live = client.fetch("GET", url)
    call, outcome = recording.only

    assert (call.kind, call.effect) == ("http", "read")
    assert call.name == "GET 127.0.0.1/plain"
    assert "secret" not in json.dumps(call.attributes)
    assert call.request.url == url
    assert (outcome.response.status, outcome.response.body) == (200, b"plain text")
    assert outcome.ended == "complete"
    assert live == _again(client, replaying, "GET", url)


def test_post_json(client, server, recording, replaying):
    """A POST is a write; its body is the bytes that went out."""
    url = server.url("/echo")

    live = client.fetch("POST", url, json={"question": "why?"})
    call, _ = recording.only

    assert call.effect == "write"
    assert json.loads(call.request.body) == {"question": "why?"}
    assert call.request.body == server.seen[0][3]
    assert live == _again(client, replaying, "POST", url, json={"question": "why?"})


def test_stream(client, server, recording, replaying, samples):
    """A stream is answered in the pieces that the live reader got."""
    url = server.url("/stream")
    live, again = [], []
    server.permits.release()

    def read(piece):
        live.append(piece)
        server.permits.release()

    client.stream(url, read)
    _, outcome = recording.only
    answering = replaying()
    client.stream(url, again.append)

    assert live == list(samples.pieces)
    assert again == live
    chunks = outcome.response.chunks
    assert [chunk.data for chunk in chunks] == live
    times = [chunk.at_ns for chunk in chunks]
    assert times == sorted(times)
    assert times[0] > 0
    assert outcome.ended == "complete"
    assert answering.closed == [outcome]


@pytest.mark.parametrize("path", ["/gzip", "/gzip-stream"])
def test_coded_body(client, server, recording, replaying, samples, path):
    """A compressed body reaches the caller decoded, live and answered."""
    live = client.fetch("GET", server.url(path))
    call, outcome = recording.only
    plain = decoded(outcome.response)
    recording.pairs.append((call, type(outcome)(response=plain)))
    replaying()
    raw = client.fetch("GET", server.url(path))
    from_plain = client.fetch("GET", server.url(path))

    assert live.body == samples.text
    assert plain.body == samples.text
    assert len(plain.chunks) == len(outcome.response.chunks)
    assert raw.body == samples.text
    assert from_plain.body == samples.text


@pytest.mark.parametrize("status", [204, 404, 503])
def test_status(client, server, recording, replaying, status):
    """A status that is no success is an answer like any other."""
    url = server.url(f"/status/{status}")

    live = client.fetch("GET", url)
    _, outcome = recording.only

    assert live.status == status
    assert outcome.response.status == status
    assert (outcome.ended, outcome.error) == ("complete", None)
    assert live == _again(client, replaying, "GET", url)


def test_head(client, server, recording, replaying):
    """A HEAD has the length of a body and none."""
    url = server.url("/plain")

    live = client.fetch("HEAD", url)
    _, outcome = recording.only

    assert live.headers["content-length"] == "10"
    assert (live.body, outcome.ended) == (b"", "complete")
    assert live == _again(client, replaying, "HEAD", url)


def test_big_body(client, server, recording, replaying, samples):
    """Five megabytes are kept and given back whole."""
    live = client.fetch("GET", server.url("/big"))
    replaying()
    again = client.fetch("GET", server.url("/big"))

    assert live.body == samples.big
    assert again == live
    assert recording.only[1].ended == "complete"


def test_refused_connection(client, server, recording, replaying):
    """A connection that is refused is recorded and raised again, server up or down."""
    url = server.url("/plain")
    server.close()

    with pytest.raises(client.refused) as live:
        client.fetch("GET", url)
    call, outcome = recording.only
    replaying()
    with pytest.raises(client.refused) as again:
        client.fetch("GET", url)

    assert outcome.response is None
    assert outcome.error.message
    assert type(again.value) is type(live.value)
    assert call.name == "GET 127.0.0.1/plain"


def test_broken_stream(client, server, recording, replaying, samples):
    """A stream that the server breaks off breaks at the same place when answered."""
    url = server.url("/broken")
    live, again = [], []
    server.permits.release()

    def read(piece):
        live.append(piece)
        server.permits.release()

    with pytest.raises(client.broken):
        client.stream(url, read)
    _, outcome = recording.only
    answering = replaying()
    with pytest.raises(client.broken):
        client.stream(url, again.append)

    assert live == list(samples.pieces[:2])
    assert again == live
    assert outcome.ended == "failed"
    assert [chunk.data for chunk in outcome.response.chunks] == live
    assert answering.closed == [outcome]


def test_abandoned_stream(client, server, recording, replaying, samples):
    """A stream that the caller closes early is abandoned with what had come."""
    url = server.url("/stream")
    live, again = [], []
    server.permits.release()

    def first(piece):
        live.append(piece)
        return False

    def first_again(piece):
        again.append(piece)
        return False

    client.stream(url, first)
    gc.collect()
    _, outcome = recording.only
    answering = replaying()
    client.stream(url, first_again)
    gc.collect()

    assert live == [samples.pieces[0]]
    assert again == live
    assert (outcome.ended, outcome.error) == ("abandoned", None)
    assert outcome.response.body == samples.pieces[0]
    assert answering.closed == [outcome]


def test_reading_past_an_abandoned_stream(client, server, recording, replaying):
    """Who reads further than the recorded caller is told, not given a false end."""
    url = server.url("/stream")
    server.permits.release()
    client.stream(url, lambda _: False)
    gc.collect()
    answering = replaying()
    again = []

    with pytest.raises(Exception, match="stopped reading here"):
        client.stream(url, again.append)

    assert len(again) == 1
    assert "RecordedStreamEndedError" in answering.closed[0].error.type_name


def test_redirects(client, server, recording, replaying):
    """Each exchange of a redirect is a call of its own."""
    url = server.url("/redirect")

    live = client.fetch("GET", url, follow=True)
    names = [call.name for call, _ in recording.pairs]
    again = _again(client, replaying, "GET", url, follow=True)

    assert sorted(names) == ["GET 127.0.0.1/plain", "GET 127.0.0.1/redirect"]
    assert live.body == b"plain text"
    assert again == live


def test_upload_of_pieces(client, server, recording, replaying):
    """An upload in pieces is recorded whole and reaches the server whole."""
    url = server.url("/echo")

    live = client.fetch("POST", url, pieces=[b"one, ", b"two"])
    call, _ = recording.only
    replaying()
    again = client.fetch("POST", url, pieces=[b"one, ", b"two"])

    assert call.request.body == b"one, two"
    assert live.json["body"] == "one, two"
    assert again == live


def test_parallel_calls(client, server, recording, replaying):
    """Eight calls at once get each its own answer."""
    urls = [server.url(f"/echoed-later?{number}") for number in range(8)]

    live = _all_at_once(client, urls)
    replaying()
    again = _all_at_once(client, list(reversed(urls)))

    assert [seen.json["path"] for seen in live] == [
        f"/echoed-later?{number}" for number in range(8)
    ]
    assert list(reversed(again)) == live
    assert len(recording.pairs) == 8


def _all_at_once(client, urls):
    if hasattr(client, "afetch"):

        async def gathered():
            return await asyncio.gather(*(client.afetch("GET", url) for url in urls))

        return asyncio.run(gathered())
    with ThreadPoolExecutor(len(urls)) as pool:
        return list(pool.map(lambda url: client.fetch("GET", url), urls))


def test_unknown_call(client, server, recording, replaying, not_recorded):
    """What an interceptor stops leaves through the client, and nothing is sent."""
    client.fetch("GET", server.url("/plain"))
    replaying()

    with pytest.raises(not_recorded):
        client.fetch("POST", server.url("/echo"), content=b"new")

    assert len(server.seen) == 1
