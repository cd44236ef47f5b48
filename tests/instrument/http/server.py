"""A server of every kind of answer, on the loopback interface."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECES = (
    b"data: one\n\n",
    b"data: two\n\ndata: half",
    b" of three\n\n",
    b"data: four\n\n",
)
BIG = bytes(range(256)) * 20_480
TEXT = b"a text that compresses, compresses, compresses, and compresses " * 40

OPENAI_ANSWER = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Hello there"},
        }
    ],
}
OPENAI_EVENTS = [
    {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": end}],
    }
    for word, end in [("Hel", None), ("lo ", None), ("there", "stop")]
]
ANTHROPIC_EVENTS = [
    (
        "message_start",
        {
            "type": "message_start",
            "message": {
                "id": "m1",
                "type": "message",
                "role": "assistant",
                "model": "m",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": 1, "output_tokens": 1},
            },
        },
    ),
    (
        "content_block_start",
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": ""},
        },
    ),
    *(
        (
            "content_block_delta",
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": word},
            },
        )
        for word in ("Hel", "lo ", "there")
    ),
    ("content_block_stop", {"type": "content_block_stop", "index": 0}),
    (
        "message_delta",
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 3},
        },
    ),
    ("message_stop", {"type": "message_stop"}),
]
GEMINI_EVENTS = [
    {"candidates": [{"content": {"role": "model", "parts": [{"text": word}]}}]}
    for word in ("Hel", "lo ", "there")
]


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
        self.sent = self._read_body()
        headers = dict(self.headers.items())
        owner.seen.append((self.command, self.path, headers, self.sent))
        route = self.path.partition("?")[0].strip("/").split("/")
        getattr(self, f"_{route[0].replace('-', '_')}")(*route[1:])

    do_POST = do_HEAD = do_GET  # noqa: N815 - the names are http.server's

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

    def _plain(self) -> None:
        self._reply(b"plain text", Set_Cookie="crumb=1", X_Twice="a")

    def _echo(self) -> None:
        said = {"method": self.command, "path": self.path, "body": self.sent.decode()}
        self._reply(json.dumps(said).encode(), Content_Type="application/json")

    def _echoed_later(self) -> None:
        self.server.owner.together.wait()
        self._echo()

    def _stream(self) -> None:
        """Each piece leaves when the test permits it."""
        self._begin_chunks(Content_Type="text/event-stream")
        for piece in PIECES:
            self.server.owner.permits.acquire()
            self._chunk(piece)
        self.wfile.write(b"0\r\n\r\n")

    def _done(self) -> None:
        """Events that end as OpenAI's do; the body's own end never comes."""
        self._begin_chunks(Content_Type="text/event-stream")
        self._chunk(b'data: {"a": 1}\n\n')
        self._chunk(b"data: [DONE]\n\n")
        self.server.owner.closed.wait(20)

    def _v1(self, *path: str) -> None:
        if path[0] == "messages":
            self._events(ANTHROPIC_EVENTS)
        elif path[0] == "models":
            self._events([("", event) for event in GEMINI_EVENTS])
        elif json.loads(self.sent).get("stream"):
            self._events([*(("", e) for e in OPENAI_EVENTS), ("", "[DONE]")])
        else:
            answer = json.dumps(OPENAI_ANSWER).encode()
            self._reply(answer, Content_Type="application/json")

    def _events(self, events: Iterable[tuple[str, object]]) -> None:
        self._begin_chunks(Content_Type="text/event-stream")
        for name, event in events:
            head = f"event: {name}\n" if name else ""
            text = event if isinstance(event, str) else json.dumps(event)
            self._chunk(f"{head}data: {text}\n\n".encode())
        self.wfile.write(b"0\r\n\r\n")

    def _broken(self) -> None:
        self._begin_chunks()
        for piece in PIECES[:2]:
            self.server.owner.permits.acquire()
            self._chunk(piece)
        self.server.owner.permits.acquire()
        self.close_connection = True

    def _short(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"not a hundred bytes")
        self.close_connection = True

    def _gzip(self) -> None:
        self._reply(gzip.compress(TEXT), Content_Encoding="gzip")

    def _gzip_stream(self) -> None:
        coded = gzip.compress(TEXT)
        self._begin_chunks(Content_Encoding="gzip")
        for start in range(0, len(coded), 40):
            self._chunk(coded[start : start + 40])
        self.wfile.write(b"0\r\n\r\n")

    def _status(self, code: str) -> None:
        self._reply(b'{"error": "no"}' if int(code) != 204 else b"", int(code))

    def _redirect(self) -> None:
        self._reply(b"over there", 302, Location="/plain")

    def _big(self) -> None:
        self._reply(BIG)

    def _hang(self) -> None:
        self.server.owner.closed.wait(20)
        self.close_connection = True
