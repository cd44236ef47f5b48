"""Where the peers' telemetry goes: dropped, kept to be read, or sent over OTLP.

Run as a program it is the receiver, which takes everything and keeps nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

__all__ = ["Sink", "receiver", "strings_in"]


class Sink:
    """An exporter, of spans or of log records, that can be switched."""

    def __init__(self) -> None:
        self.mode: Literal["drop", "keep", "send"] = "drop"
        self.texts: set[str] = set()
        self.sender: Any = None

    def export(self, batch: Sequence[Any], **_: object) -> Any:  # noqa: ANN401 - of two kinds
        """Take a batch."""
        from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415

        if self.mode == "send":
            return self.sender.export(batch)
        if self.mode == "keep":
            for each in batch:
                self.texts.update(strings_in(json.loads(each.to_json())))
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Do nothing."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002
        """Do nothing."""
        return True


def strings_in(value: object) -> Iterator[str]:
    """Yield the texts of a value, also those inside texts that are JSON."""
    if isinstance(value, str):
        yield value
        if value[:1] in {"{", "["}:
            try:
                yield from strings_in(json.loads(value))
            except ValueError:
                return
    elif isinstance(value, dict):
        for key, each in value.items():
            yield str(key)
            yield from strings_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from strings_in(each)


@contextmanager
def receiver() -> Iterator[str]:
    """Run a receiver in a process of its own; give its URL."""
    with subprocess.Popen(  # noqa: S603 - this file
        [sys.executable, __file__], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


class _Null(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take a request."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Null)
    print(server.server_address[1], flush=True)
    server.serve_forever()
