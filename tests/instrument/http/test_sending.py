"""What is seen, what is sent, and what passes untouched."""

from __future__ import annotations

import copy
import gzip
import json
import pickle
from dataclasses import replace

import aiohttp
import httpx
import httpx2
import pytest
import requests
import urllib3

from otel_agent_replay import intercept, semconv
from otel_agent_replay.instrument.http import HttpSettings, install, uninstall


def test_nothing_on_the_seam(client, server, hooks):
    """With no interceptor a request goes out as without the hooks."""
    assert client.fetch("GET", server.url("/plain")).body == b"plain text"
    assert len(server.seen) == 1


def test_suppressed(client, server, recording):
    """Telemetry's own traffic is not seen."""
    with intercept.suppressed():
        client.fetch("GET", server.url("/plain"))

    assert recording.pairs == []
    assert len(server.seen) == 1


def test_uninstalled(client, server, recording):
    """After `uninstall` nothing is seen; `install` twice sees each request once."""
    uninstall()
    client.fetch("GET", server.url("/plain"))
    before = list(recording.pairs)
    install(HttpSettings())
    install(HttpSettings())
    client.fetch("GET", server.url("/plain"))

    assert before == []
    assert len(recording.pairs) == 1


def test_own_endpoint(client, server, recording, hooks):
    """An endpoint of telemetry itself is never seen."""
    hooks(own_endpoints=frozenset({server.host}))

    client.fetch("GET", server.url("/plain"))

    assert recording.pairs == []


@pytest.mark.parametrize(
    ("allow", "deny", "seen"),
    [
        ((), (), True),
        (("127.*",), (), True),
        (("*.example.com",), (), False),
        ((), ("127.0.0.1",), False),
        (("*",), ("127.*",), False),
    ],
)
def test_lists_of_hosts(server, recording, hooks, allow, deny, seen):
    """Plain exchanges are seen by host; what is denied passes unseen."""
    hooks(allow_hosts=allow, deny_hosts=deny)

    body = httpx2.get(server.url("/plain")).content

    assert body == b"plain text"
    assert bool(recording.pairs) is seen


def test_model_request(client, server, recording, hooks):
    """A model request is a read of kind `model`, whatever the lists of hosts say."""
    hooks(
        is_model=lambda _, url: "chat" if url.endswith("/echo") else None,
        peek_model=lambda _, body: json.loads(body)["model"],
        deny_hosts=("*",),
    )

    client.fetch("POST", server.url("/echo"), json={"model": "m-1"})
    call, _ = recording.only

    assert (call.kind, call.effect) == ("model", "read")
    assert call.name == "POST 127.0.0.1/echo"
    assert call.attributes == {
        semconv.OPERATION_NAME: "chat",
        semconv.REQUEST_MODEL: "m-1",
        semconv.SERVER_ADDRESS: "127.0.0.1",
        semconv.SERVER_PORT: int(server.host.rpartition(":")[2]),
    }


def test_failing_settings(client, server, recording, hooks):
    """When recognising a model fails, the request is a plain one, and it is said."""
    said = []

    def no(*_):
        raise LookupError

    hooks(is_model=no, on_failure=lambda what, _: said.append(what))

    body = client.fetch("GET", server.url("/plain")).body

    assert body == b"plain text"
    assert recording.only[0].kind == "http"
    assert said == ["Recognising a model API"]


def test_failing_settings_are_asked_again(client, server, recording, hooks):
    """A failure is told of each time it costs something, and is not kept for good."""
    said = []
    answers = iter([LookupError, LookupError, "chat", "chat"])

    def now_and_then(*_):
        answer = next(answers)
        if answer is LookupError:
            raise LookupError
        return answer

    hooks(is_model=now_and_then, on_failure=lambda what, _: said.append(what))

    for _ in range(3):
        client.fetch("GET", server.url("/plain"))

    assert said == ["Recognising a model API"] * 2
    assert [call.kind for call, _ in recording.pairs] == ["http", "http", "model"]


def test_new_settings_hold_for_known_urls(client, server, recording, hooks):
    """What is known of a URL is forgotten with the settings that said so."""
    hooks(is_model=lambda *_: "chat")
    client.fetch("GET", server.url("/plain"))
    hooks(deny_hosts=("*",))
    client.fetch("GET", server.url("/plain"))
    hooks()
    client.fetch("GET", server.url("/plain"))

    assert [call.kind for call, _ in recording.pairs] == ["model", "http"]


def test_failing_interceptor(client, server, recording, hooks, monkeypatch):
    """When an interceptor fails to take an outcome, the caller gets the response."""
    said = []
    hooks(on_failure=lambda _, error: said.append(str(error)))

    def fail(*_):
        problem = "disk full"
        raise OSError(problem)

    monkeypatch.setattr(recording, "after", fail)

    assert client.fetch("GET", server.url("/plain")).body == b"plain text"
    assert said == ["disk full"]


class Replacing:
    """Sends another request than the one that was asked for."""

    def __init__(self, recorder, **changes):
        self.recorder, self.changes = recorder, changes

    def before(self, opened):
        request = replace(opened.call.request, **self.changes)
        return replace(opened.call, request=request)

    def after(self, opened, outcome):
        self.recorder.after(opened, outcome)

    def scope(self, opened):
        return self.recorder.scope(opened)


def test_replaced_call(client, server, recording):
    """What an interceptor puts in place of a call is what is sent."""
    body = b'{"model": "another and longer"}'
    headers = (("content-type", "application/json"), ("x-mine", "1"))
    url = server.url("/echo?changed")
    replacing = Replacing(recording, url=url, body=body, headers=headers)
    intercept.install(replacing)

    seen = client.fetch("POST", server.url("/echo"), json={"model": "m"})

    method, path, sent, arrived = server.seen[0]
    assert (method, path, arrived) == ("POST", "/echo?changed", body)
    assert {name.lower(): value for name, value in sent.items()}["x-mine"] == "1"
    assert seen.json["body"] == body.decode()
    assert recording.only[0].request.body == body


def test_replaced_host(client, server, recording):
    """A call may be sent to another host than was asked for."""
    replacing = Replacing(recording, url=server.url("/plain"))
    intercept.install(replacing)

    seen = client.fetch("GET", "http://localhost:9/never")

    assert seen.body == b"plain text"
    sent = {name.lower(): value for name, value in server.seen[0][2].items()}
    assert sent["host"] == server.host


def test_interceptor_that_stops(client, server, recording, not_recorded, hooks):
    """A call that an interceptor stops is not sent, and not swallowed."""

    class Stopping:
        def before(self, opened):
            raise not_recorded(opened.call.name)

        def after(self, *_):
            raise AssertionError

        scope = after

    intercept.install(Stopping())

    with pytest.raises(not_recorded):
        client.fetch("POST", server.url("/echo"), content=b"x")

    assert server.seen == []


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize(
    "sent",
    [
        {"content": b"whole"},
        {"json": {"a": 1}},
        {"stream": [b"wh", b"ole"]},
        {"content": gzip.compress(b"whole"), "headers": {"content-encoding": "gzip"}},
    ],
    ids=["bytes", "json", "pieces", "gzip"],
)
def test_custom_transport(library, sent, recording, answering_with):
    """A client's own transport is on the seam too; it is not asked in a replay."""
    asked = []

    def respond(request):
        asked.append(request)
        pieces = sent.get("stream")
        given = {"content": iter(pieces)} if pieces else sent
        return library.Response(200, **given)

    def fetch():
        with library.Client(transport=library.MockTransport(respond)) as client:
            return client.get("https://nowhere.example/x")

    live = fetch()
    _, outcome = recording.only
    intercept.install(answering_with(recording.pairs))
    again = fetch()

    assert again.content == live.content
    assert len(asked) == 1
    assert outcome.ended == "complete"


async def test_one_client_on_another(server, recording, replaying):
    """A transport that sends with another client is one exchange, recorded once."""

    class OverAiohttp(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            async with (
                aiohttp.ClientSession() as session,
                session.request(request.method, str(request.url)) as response,
            ):
                return httpx.Response(response.status, content=await response.read())

    async def fetch():
        async with httpx.AsyncClient(transport=OverAiohttp()) as client:
            return (await client.get(server.url("/plain"))).content

    live = await fetch()
    call, _ = recording.only
    replaying()

    assert live == await fetch() == b"plain text"
    assert call.name == "GET 127.0.0.1/plain"


def test_calls_of_a_reader(server, recording):
    """A call made between two pieces of a stream is not inside the stream's call."""
    server.permits.release(4)

    with httpx2.Client() as client, client.stream("GET", server.url("/stream")) as one:
        for _ in one.iter_raw():
            requests.get(server.url("/plain"), timeout=20)

    assert recording.parents == [None] * len(recording.parents)
    assert len(recording.pairs) > 1


def test_websocket_passes(server, recording):
    """The request that opens a WebSocket is none of ours."""
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}

    httpx2.get(server.url("/plain"), headers=headers)

    assert recording.pairs == []


def test_uploads_of_files(server, recording, tmp_path):
    """Files and forms are read whole and arrive whole, by every client."""
    path = tmp_path / "upload.txt"
    path.write_text("from a file")

    with path.open("rb") as file:
        requests.post(server.url("/echo"), data=file, timeout=20)
    with path.open("rb") as file:
        urllib3.request("POST", server.url("/echo"), body=file)
    with path.open("rb") as file:
        httpx2.post(server.url("/echo"), files={"f": file})

    bodies = [call.request.body for call, _ in recording.pairs]
    assert bodies == [body for *_, body in server.seen]
    assert bodies[:2] == [b"from a file"] * 2
    assert b"from a file" in bodies[2]


async def test_uploads_of_aiohttp(server, recording, tmp_path):
    """The same for aiohttp: a form with a file, a file, text."""
    path = tmp_path / "upload.txt"
    path.write_text("from a file")
    form = aiohttp.FormData({"name": "value"})
    form.add_field("f", path.read_bytes(), filename="f")

    async with aiohttp.ClientSession() as session:
        for body in (form, path.open("rb"), "text", {"a": "b"}):
            async with session.post(server.url("/echo"), data=body) as response:
                await response.read()

    bodies = [call.request.body for call, _ in recording.pairs]
    assert bodies == [body for *_, body in server.seen]
    assert bodies[1:] == [b"from a file", b"text", b"a=b"]


def test_clients_can_be_copied(server, recording):
    """Clients and responses pickle and copy as without the hooks."""
    with requests.Session() as session:
        twin = pickle.loads(pickle.dumps(session))  # noqa: S301
    with twin:
        response = twin.get(server.url("/plain"))
        assert pickle.loads(pickle.dumps(response)).content == b"plain text"  # noqa: S301
    with copy.copy(httpx2.Client()) as client:
        answer = client.get(server.url("/plain"))
        assert pickle.loads(pickle.dumps(answer)).content == b"plain text"  # noqa: S301

    assert len(recording.pairs) == 2


def test_wrapped_by_somebody_else(server, recording, monkeypatch):
    """Another wrapper around ours survives `uninstall`, and ours is not doubled."""
    ours = httpx2.Client._transport_for_url

    def theirs(client, url):
        return ours(client, url)

    monkeypatch.setattr(httpx2.Client, "_transport_for_url", theirs)
    uninstall()
    httpx2.get(server.url("/plain"))
    assert recording.pairs == []
    install(HttpSettings())
    httpx2.get(server.url("/plain"))

    assert len(recording.pairs) == 1
