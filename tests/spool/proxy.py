"""A TCP proxy before an HTTP server that breaks what passes through it."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Final, Literal, Self

__all__ = ["Fault", "Proxy"]

Fault = Literal["before", "middle", "after", "refused", "hang"]
"""What becomes of an insert: its connection is cut before the server sees any of it,
in the middle of it, or after the server has answered it; it is answered with 503;
or nothing comes back at all until the client gives up, or the proxy is closed.
"""

_HEAD_END: Final = b"\r\n\r\n"
_CHUNKS_END: Final = b"0\r\n\r\n"
_REFUSAL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n"
    b"connection: close\r\n\r\nbusy"
)


class _CutError(Exception):
    """The connection is to be ended."""


class _Reader:
    """Reads whole HTTP messages from a socket."""

    def __init__(self, source: socket.socket) -> None:
        self._source = source
        self._rest = b""

    def _more(self) -> None:
        found = self._source.recv(1 << 16)
        if not found:
            raise _CutError
        self._rest += found

    def _upto(self, mark: bytes) -> bytes:
        while mark not in self._rest:
            self._more()
        found, _, self._rest = self._rest.partition(mark)
        return found + mark

    def _exactly(self, size: int) -> bytes:
        while len(self._rest) < size:
            self._more()
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def message(self) -> tuple[bytes, bytes]:
        """Return the head and the body of the next message, as they came."""
        head = self._upto(_HEAD_END)
        low = head.lower()
        if b"transfer-encoding: chunked" in low:
            body = b""
            while True:
                line = self._upto(b"\r\n")
                size = int(line.split(b";")[0], 16)
                body += line + self._exactly(size + 2)
                if not size:
                    return head, body
        length = re.search(rb"content-length: *(\d+)", low)
        return head, self._exactly(int(length[1])) if length else b""


class Proxy:
    """Passes HTTP through to a port of this machine, as a context manager.

    Args:
        port: Where the server listens.
        choose: Says what becomes of an insert; None lets it through.
    """

    def __init__(self, port: int, choose: Callable[[], Fault | None]) -> None:
        self.faults: Counter[str] = Counter()
        """How often each thing happened; `passed` is an insert that got through."""
        self.down = threading.Event()
        self._server_port = port
        self._choose = choose
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def away(self, seconds: float) -> None:
        """Be down for a while: connections are ended, and new ones refused."""
        self.down.set()
        self._listener.close()
        self._end_all()
        self._closed.wait(seconds)
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.down.clear()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Free the port and end every connection."""
        self._closed.set()
        self._listener.close()
        self._end_all()

    def _end_all(self) -> None:
        with self._lock:
            found, self._open = self._open, set()
        for each in found:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        listener = self._listener
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, _CutError):
            server = socket.create_connection(("127.0.0.1", self._server_port))
            with server:
                with self._lock:
                    self._open |= {client, server}
                requests, answers = _Reader(client), _Reader(server)
                while not self.down.is_set():
                    self._exchange(requests, answers, client, server)

    def _exchange(
        self,
        requests: _Reader,
        answers: _Reader,
        client: socket.socket,
        server: socket.socket,
    ) -> None:
        head, body = requests.message()
        insert = b"insert_deduplication_token" in head
        fault = self._choose() if insert else None
        if fault is not None:
            self.faults[fault] += 1
        elif insert:
            self.faults["passed"] += 1
        match fault:
            case "before":
                raise _CutError
            case "refused":
                client.sendall(_REFUSAL)
                raise _CutError
            case "hang":
                self._closed.wait(60.0)
                raise _CutError
            case "middle":
                server.sendall(head + body[: len(body) // 2])
                time.sleep(0.05)  # so that the server has read what came
                raise _CutError
            case _:
                server.sendall(head + body)
        answer = b"".join(answers.message())
        if fault == "after":
            raise _CutError
        client.sendall(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
