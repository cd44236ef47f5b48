"""A server that can be switched off, two interceptors, and a driver a client."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import threading
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aiohttp
import httpx
import httpx2
import pytest
import requests
import urllib3

from otel_agent_replay import intercept
from otel_agent_replay.instrument.http import HttpSettings, install, uninstall
from otel_agent_replay.intercept import OpenCall
from otel_agent_replay.model.call import Call, Outcome

PIECES = (
    b"data: one\n\n",
    b"data: two\n\ndata: half",
    b" of three\n\n",
    b"data: four\n\n",
)
BIG = bytes(range(256)) * 20_480
TEXT = b"a text that compresses, compresses, compresses, and compresses " * 40


class Server:
    """A real HTTP/1.1 server on the loopback interface."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.permits = threading.Semaphore(0)
        self.together = threading.Barrier(8)
        self.closed = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self._http.owner = self
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}
        )
        self._thread.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._http.server_address[1]}"

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"

    def close(self) -> None:
        if not self.closed.is_set():
            self.closed.set()
            self.permits.release(100)
            self.together.abort()
            self._http.shutdown()
            self._http.server_close()
            self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args: object) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def do_GET(self) -> None:
        owner = self.server.owner
        body = self._read_body()
        owner.seen.append((self.command, self.path, dict(self.headers.items()), body))
        route = self.path.partition("?")[0].strip("/").split("/")
        getattr(self, f"_{route[0].replace('-', '_')}")(body, *route[1:])

    do_POST = do_PUT = do_HEAD = do_DELETE = do_GET

    def _read_body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", "0")))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _reply(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _begin_chunks(self, **headers: str) -> None:
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _plain(self, body: bytes) -> None:
        self._reply(b"plain text", Set_Cookie="crumb=1", X_Twice="a")

    def _echo(self, body: bytes) -> None:
        said = {"method": self.command, "path": self.path, "body": body.decode()}
        self._reply(json.dumps(said).encode(), Content_Type="application/json")

    def _echoed_later(self, body: bytes) -> None:
        self.server.owner.together.wait()
        self._echo(body)

    def _stream(self, body: bytes) -> None:
        """Each piece leaves when the test permits it."""
        self._begin_chunks(Content_Type="text/event-stream")
        for piece in PIECES:
            self.server.owner.permits.acquire()
            self._chunk(piece)
        self.wfile.write(b"0\r\n\r\n")

    def _done(self, body: bytes) -> None:
        """Events that end as OpenAI's do; the body's own end never comes."""
        self._begin_chunks(Content_Type="text/event-stream")
        self._chunk(b'data: {"a": 1}\n\n')
        self._chunk(b"data: [DONE]\n\n")
        self.server.owner.closed.wait(20)

    def _broken(self, body: bytes) -> None:
        self._begin_chunks()
        for piece in PIECES[:2]:
            self.server.owner.permits.acquire()
            self._chunk(piece)
        self.server.owner.permits.acquire()
        self.close_connection = True

    def _short(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"not a hundred bytes")
        self.close_connection = True

    def _gzip(self, body: bytes) -> None:
        self._reply(gzip.compress(TEXT), Content_Encoding="gzip")

    def _gzip_stream(self, body: bytes) -> None:
        coded = gzip.compress(TEXT)
        self._begin_chunks(Content_Encoding="gzip")
        for start in range(0, len(coded), 40):
            self._chunk(coded[start : start + 40])
        self.wfile.write(b"0\r\n\r\n")

    def _status(self, body: bytes, code: str) -> None:
        self._reply(b'{"error": "no"}' if int(code) != 204 else b"", int(code))

    def _redirect(self, body: bytes) -> None:
        self._reply(b"over there", 302, Location="/plain")

    def _big(self, body: bytes) -> None:
        self._reply(BIG)

    def _hang(self, body: bytes) -> None:
        self.server.owner.closed.wait(20)
        self.close_connection = True


@dataclass
class Recording:
    """Keeps every call with its outcome."""

    pairs: list[tuple[Call, Outcome]] = field(default_factory=list)
    parents: list[OpenCall | None] = field(default_factory=list)
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def before(self, opened: OpenCall) -> None:
        self.parents.append(opened.parent)

    def after(self, opened: OpenCall, outcome: Outcome) -> None:
        self.pairs.append((opened.call, outcome))
        self.ended.release()

    def scope(self, opened: OpenCall) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    @property
    def only(self) -> tuple[Call, Outcome]:
        assert len(self.pairs) == 1, self.pairs

        return self.pairs[0]


class NotRecordedError(BaseException):
    """What a replay stops the agent with."""


class Answering:
    """Answers each call as one equal to it ended."""

    def __init__(self, pairs: Iterable[tuple[Call, Outcome]]) -> None:
        self._known: dict[tuple[str, str, bytes], deque[Outcome]] = defaultdict(deque)
        self.closed: list[Outcome] = []
        for call, outcome in pairs:
            self._known[self._key(call)].append(outcome)

    def before(self, opened: OpenCall) -> Outcome:
        known = self._known[self._key(opened.call)]
        if not known:
            raise NotRecordedError(opened.call.name)
        return known.popleft()

    def after(self, opened: OpenCall, outcome: Outcome) -> None:
        self.closed.append(outcome)

    def scope(self, opened: OpenCall) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    @staticmethod
    def _key(call: Call) -> tuple[str, str, bytes]:
        assert call.request is not None

        return call.request.method, call.request.url, call.request.body


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


@pytest.fixture(params=DRIVERS, ids=lambda driver: driver.name)
def client(request):
    """Each HTTP client in turn."""
    return request.param


@pytest.fixture(
    params=[d for d in DRIVERS if hasattr(d, "afetch")], ids=lambda d: d.name
)
def async_client(request):
    """Each async HTTP client in turn."""
    return request.param


@pytest.fixture(params=[DRIVERS[0], DRIVERS[4], DRIVERS[5]], ids=lambda d: d.name)
def sync_client(request):
    """A sync client of each kind in turn."""
    return request.param


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def failures() -> list[tuple[str, Exception]]:
    """What the hooks said went wrong with themselves."""
    return []


@pytest.fixture
def hooks(failures) -> Iterator[Callable[..., None]]:
    """Put the clients on the seam; call with settings to replace them."""

    def put(**settings) -> None:
        put_failure = settings.pop("on_failure", lambda *said: failures.append(said))
        install(HttpSettings(on_failure=put_failure, **settings))

    put()
    yield put
    uninstall()
    intercept.install()


@pytest.fixture
def recording(hooks) -> Recording:
    """Record what every client does."""
    recorder = Recording()
    intercept.install(recorder)
    return recorder


@pytest.fixture
def replaying(recording, server, failures) -> Callable[[], Answering]:
    """Switch the server off and answer from what was recorded."""

    def switch() -> Answering:
        assert failures == []

        server.close()
        answering = Answering(recording.pairs)
        intercept.install(answering)
        return answering

    return switch


@pytest.fixture
def samples() -> type:
    """The bodies that the server sends."""

    class Samples:
        pieces = PIECES
        big = BIG
        text = TEXT

    return Samples


@pytest.fixture
def not_recorded() -> type[BaseException]:
    return NotRecordedError


@pytest.fixture
def answering_with() -> type[Answering]:
    return Answering


@pytest.fixture
def recorder_type() -> type[Recording]:
    return Recording
