"""An HTTP/1.1 server on the loopback interface that a test can switch off.

`LocalServer` holds what `ScriptedProvider` and `WireServer` share: sockets,
threads, keep-alive, and bodies that leave chunk by chunk.
"""

from __future__ import annotations

import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from otel_agent_replay.model.payload import Headers, JsonObject, header, parse_json

__all__ = ["NO_BODY", "LocalServer", "Reply", "ScriptedRequest"]

NO_BODY: Final = frozenset({204, 304})
"""Statuses whose replies have no body and no length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedRequest:
    """A request that came in.

    Attributes:
        ordinal: Its place in the order of arrival, from 0.
        method: `GET`, `POST`, …
        path: The path, without the query.
        query: The query, without the question mark.
        headers: The headers in the order sent.
        body: The bytes of the body.
    """

    ordinal: int
    method: str
    path: str
    query: str = ""
    headers: Headers = ()
    body: bytes = b""

    @property
    def target(self) -> str:
        """Path and query as they stood in the request line."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def json(self) -> JsonObject:
        """The body as a JSON object; empty where it is none."""
        try:
            value = parse_json(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    def header(self, name: str) -> str | None:
        """Return the first value of a header, its name in any case, or None."""
        return header(self.headers, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server sends back.

    Attributes:
        status: The HTTP status.
        headers: Headers besides the ones that frame the body.
        body: Bytes are sent whole with their length; an iterator's items are sent
            and flushed one by one, each as an HTTP chunk of its own.
        broken: The body is not finished: of bytes only the first half is sent,
            chunks get no end mark; then the connection is closed.
    """

    status: int = 200
    headers: Headers = ()
    body: bytes | Iterator[bytes] = b""
    broken: bool = False


@dataclass(slots=True)
class _Connections:
    """The open connections, so that closing the server can end them."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    sockets: set[socket.socket] = field(default_factory=set)

    def add(self, connection: socket.socket) -> None:
        with self.lock:
            self.sockets.add(connection)

    def discard(self, connection: socket.socket) -> None:
        with self.lock:
            self.sockets.discard(connection)

    def end_all(self) -> None:
        with self.lock:
            for connection in self.sockets:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the other side was faster


class _TcpServer(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    # A thread that waits in a script must not keep `server_close` from returning.
    block_on_close = False
    request_queue_size = 128

    def __init__(self, owner: LocalServer, port: int) -> None:
        self.owner = owner
        self.connections = _Connections()
        super().__init__(("127.0.0.1", port), _Exchange)

    def process_request(
        self,
        request: socket.socket | tuple[bytes, socket.socket],
        client_address: object,
    ) -> None:
        # On the accepting thread: once it has ended, no connection is unknown.
        if isinstance(request, socket.socket):
            self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(
        self, request: socket.socket | tuple[bytes, socket.socket]
    ) -> None:
        if isinstance(request, socket.socket):
            self.connections.discard(request)
        super().shutdown_request(request)


class LocalServer(ABC):
    """A server on 127.0.0.1 at a free port, running from creation to `close`.

    Requests are answered in parallel, a thread a connection. After `close`
    returns, the port refuses connections and every open one is ended. Use it as a
    context manager.

    Args:
        port: The port to take; 0 takes a free one. That of a closed server makes
            another appear in its place.
    """

    def __init__(self, *, port: int = 0) -> None:
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._requests: list[ScriptedRequest] = []
        self._tcp = _TcpServer(self, port)
        self._thread = threading.Thread(
            target=self._tcp.serve_forever,
            kwargs={"poll_interval": 0.05},
            name=f"{type(self).__name__}-accept",
            daemon=True,
        )
        self._thread.start()

    @abstractmethod
    def respond(self, request: ScriptedRequest) -> Reply:
        """Return what to send back; called in the connection's thread."""

    def serve(self, method: str, target: str, headers: Headers, body: bytes) -> Reply:
        """Note a request and return the reply to it."""
        parts = urlsplit(target)
        with self._lock:
            request = ScriptedRequest(
                ordinal=len(self._requests),
                method=method,
                path=parts.path,
                query=parts.query,
                headers=headers,
                body=body,
            )
            self._requests.append(request)
        return self.respond(request)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._tcp.server_address[1])

    @property
    def url(self) -> str:
        """The address without a path, such as `http://127.0.0.1:40123`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> tuple[ScriptedRequest, ...]:
        """Everything that came in so far, in the order of arrival."""
        with self._lock:
            return tuple(self._requests)

    def close(self) -> None:
        """Free the port and end every connection; closing twice is harmless."""
        self._tcp.shutdown()
        self._thread.join()
        self._tcp.server_close()
        self._tcp.connections.end_all()
        # Last, so that an answer held until now finds its connection ended.
        self._closed.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _Exchange(BaseHTTPRequestHandler):
    """One connection: requests in, replies out, until either side ends it."""

    server: _TcpServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True  # the other side, or `close`, ended it

    def do_POST(self) -> None:
        headers = tuple(self.headers.items())
        if self.headers.get("transfer-encoding"):
            self.close_connection = True
            self._send(Reply(status=411, body=b"A body needs a Content-Length."))
            return
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        owner = self.server.owner
        self._send(owner.serve(self.command, self.path, headers, body))

    do_GET = do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815 - http.server's

    def _send(self, reply: Reply) -> None:
        # `send_response` would add the date: replies are the same every time.
        self.send_response_only(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("connection", "close")
        self.close_connection |= reply.broken
        if isinstance(reply.body, bytes):
            whole = reply.body
            if reply.status not in NO_BODY:
                self.send_header("content-length", str(len(whole)))
            self.end_headers()
            self.wfile.write(whole[: len(whole) // 2] if reply.broken else whole)
        else:
            self._send_chunks(reply.body, broken=reply.broken)

    def _send_chunks(self, chunks: Iterator[bytes], *, broken: bool) -> None:
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for chunk in chunks:
            # One write a chunk; an empty one would end the body.
            if chunk:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        if not broken:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay quiet: a test reads `requests` instead."""
