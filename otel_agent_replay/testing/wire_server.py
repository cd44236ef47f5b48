"""A server that gives recorded HTTP answers back, byte for byte."""

from __future__ import annotations

import re
import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias
from urllib.parse import unquote, urlsplit

from otel_agent_replay.model.payload import Headers, HttpRequest, HttpResponse
from otel_agent_replay.testing.local_server import (
    NO_BODY,
    LocalServer,
    Reply,
    ScriptedRequest,
)

__all__ = [
    "INDEX_HEADER",
    "Cut",
    "WireInteraction",
    "WireServer",
    "cut_every",
    "cut_lines",
    "cut_sse_events",
]

INDEX_HEADER: Final = "x-wire-index"
"""A request that carries it gets that interaction, whatever else it says."""

Cut: TypeAlias = Callable[[bytes], Sequence[bytes]]
"""Divides a body into the chunks to send it in; joined they are the body."""

_GZIP: Final = 16 + zlib.MAX_WBITS
_END_OF_EVENT: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class WireInteraction:
    """A recorded request and the response to it."""

    request: HttpRequest
    response: HttpResponse

    @property
    def target(self) -> str:
        """Path and query of the request, without its host."""
        parts = urlsplit(self.request.url)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path


class WireServer(LocalServer):
    """Serves recorded interactions on 127.0.0.1, their bodies to the byte.

    A request gets the answer of the interaction with its method, path, query and
    body; interactions that are equal in all four answer in the order given, the
    last of them for ever. `INDEX_HEADER` picks one by its place instead. Anything
    else is answered with status 404.

    Example::

        with WireServer(interactions, cut=cut_sse_events) as server:
            first = interactions[0]
            answer = httpx.post(server.url_of(0), content=first.request.body)
            assert answer.content == first.response.body

    Args:
        interactions: What to serve.
        cut: Bodies are sent in these chunks, each flushed on its own; None sends
            them whole with their length.
        gzip: Bodies are compressed; every chunk can be unpacked when it arrives.
    """

    def __init__(
        self,
        interactions: Sequence[WireInteraction],
        *,
        cut: Cut | None = None,
        gzip: bool = False,
    ) -> None:
        self._interactions = tuple(interactions)
        self._cut = cut
        self._gzip = gzip
        self._waiting: defaultdict[tuple[str, str, bytes], deque[WireInteraction]]
        self._waiting = defaultdict(deque)
        for each in self._interactions:
            method, body = each.request.method, each.request.body
            self._waiting[_key(method, each.target, body)].append(each)
        super().__init__()

    def url_of(self, index: int) -> str:
        """Return the address here of the interaction at this place."""
        return self.url + self._interactions[index].target

    def respond(self, request: ScriptedRequest) -> Reply:
        """Return the recorded answer, or status 404 if there is none."""
        found = self._find(request)
        if found is None:
            text = f"No recorded answer to {request.method} {request.target}"
            return Reply(status=404, body=text.encode())
        response = found.response
        return Reply(
            status=response.status,
            headers=self._headers(response),
            body=self._body(response),
        )

    def _find(self, request: ScriptedRequest) -> WireInteraction | None:
        index = request.header(INDEX_HEADER)
        if index is not None:
            known = index.isdecimal() and int(index) < len(self._interactions)
            return self._interactions[int(index)] if known else None
        key = _key(request.method, request.target, request.body)
        with self._lock:
            waiting = self._waiting.get(key)
            if not waiting:
                return None
            return waiting.popleft() if len(waiting) > 1 else waiting[0]

    def _headers(self, response: HttpResponse) -> Headers:
        if self._gzip and response.status not in NO_BODY:
            return (*response.headers, ("content-encoding", "gzip"))
        return response.headers

    def _body(self, response: HttpResponse) -> bytes | Iterator[bytes]:
        if response.status in NO_BODY:
            return b""
        chunks = [response.body] if self._cut is None else self._cut(response.body)
        sent = _gzipped(chunks) if self._gzip else chunks
        return b"".join(sent) if self._cut is None else iter(sent)


def cut_every(size: int) -> Cut:
    """Return a cut into chunks of so many bytes, the last one shorter."""

    def cut(body: bytes) -> list[bytes]:
        return [body[start : start + size] for start in range(0, len(body), size)]

    return cut


def cut_sse_events(body: bytes) -> list[bytes]:
    """Return the body cut behind every server-sent event."""
    ends = [match.end() for match in _END_OF_EVENT.finditer(body)]
    return _cut_at(body, ends)


def cut_lines(body: bytes) -> list[bytes]:
    """Return the body cut behind every line."""
    return body.splitlines(keepends=True)


def _cut_at(body: bytes, ends: Sequence[int]) -> list[bytes]:
    bounds = [0, *ends, len(body)]
    return [body[start:end] for start, end in pairwise(bounds) if start < end]


def _gzipped(chunks: Sequence[bytes]) -> list[bytes]:
    packer = zlib.compressobj(wbits=_GZIP)
    packed = [
        packer.compress(chunk) + packer.flush(zlib.Z_SYNC_FLUSH) for chunk in chunks
    ]
    return [*packed, packer.flush()]


def _key(method: str, target: str, body: bytes) -> tuple[str, str, bytes]:
    # Clients differ in what they percent-encode.
    return method.upper(), unquote(target), body
