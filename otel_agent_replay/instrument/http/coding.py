"""Content-codings taken off a recorded response, chunk by chunk."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, Protocol

from otel_agent_replay.model.payload import Chunk, Headers, HttpResponse

__all__ = ["decoded", "plain_headers"]

_CODING: Final = "content-encoding"
_TRANSFER: Final = frozenset({_CODING, "content-length", "transfer-encoding"})


def decoded(response: HttpResponse) -> HttpResponse:
    """Return the response without its content-codings.

    It has as many chunks, at the same times: each holds what the raw one made
    readable, which may be nothing. A body cut short gives what was readable of it.
    Headers that described the coded body are gone. A response without a
    content-coding comes back as it is.

    Raises:
        ValueError: The body is damaged, or its coding has no decoder here.
    """
    codings = _codings(response.headers)
    if not codings:
        return response
    chunks = response.chunks
    for coding in reversed(codings):
        chunks = _decode(chunks, coding)
    return replace(response, headers=plain_headers(response.headers), chunks=chunks)


def _codings(headers: Headers) -> list[str]:
    named = [
        each.strip().lower()
        for name, value in headers
        if len(name) == len(_CODING) and name.lower() == _CODING
        for each in value.split(",")
    ]
    # RFC 9110 8.4.1.3: x-gzip is gzip.
    return [each.removeprefix("x-") for each in named if each not in {"", "identity"}]


def plain_headers(headers: Headers) -> Headers:
    """Return headers without those that describe how a body was coded for the wire."""
    return tuple(each for each in headers if each[0].lower() not in _TRANSFER)


class _Decoder(Protocol):
    """What the decoders of all codings look like."""

    def decompress(self, data: bytes, /) -> bytes:
        """Return what the next bytes make readable."""


def _decode(chunks: tuple[Chunk, ...], coding: str) -> tuple[Chunk, ...]:
    decoder = _decoder(coding)
    try:
        return tuple(
            replace(chunk, data=decoder.decompress(chunk.data) if chunk.data else b"")
            for chunk in chunks
        )
    except Exception as error:  # each decoder has its own exceptions
        problem = f"The body is not {coding}: {error}"
        raise ValueError(problem) from error


def _decoder(coding: str) -> _Decoder:
    makers: dict[str, Callable[[], Iterator[_Decoder]]] = {
        "gzip": lambda: iter([_Members(lambda: zlib.decompressobj(31))]),
        "deflate": lambda: iter([_Deflate()]),
        "br": _brotli,
        "zstd": _zstd,
    }
    found = next(makers[coding](), None) if coding in makers else None
    if found is None:
        problem = f"No decoder for content-encoding {coding!r} is installed"
        raise ValueError(problem)
    return found


class _Member(_Decoder, Protocol):
    @property
    def eof(self) -> bool:
        """Whether the member has ended."""

    @property
    def unused_data(self) -> bytes:
        """What came after its end."""


class _Members:
    """Decodes a body of several members (gzip) or frames (zstd) in a row."""

    def __init__(self, make: Callable[[], _Member]) -> None:
        self._make = make
        self._member = make()

    def decompress(self, data: bytes, /) -> bytes:
        readable = b""
        while data:
            if self._member.eof:
                if not data.strip(b"\0"):  # padding after the last member
                    break
                self._member = self._make()
            readable += self._member.decompress(data)
            data = self._member.unused_data
        return readable


class _Deflate:
    """Decodes zlib, or the bare deflate that some servers send under its name."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj()
        self._begun = False

    def decompress(self, data: bytes, /) -> bytes:
        if self._begun:
            return self._zlib.decompress(data)
        self._begun = True
        bare = data[0] & 0x0F != zlib.DEFLATED
        if bare:
            self._zlib = zlib.decompressobj(-zlib.MAX_WBITS)
        return self._zlib.decompress(data)


def _brotli() -> Iterator[_Decoder]:
    for name in ("brotli", "brotlicffi"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        decoder = module.Decompressor()
        # brotlicffi and old brotli say `decompress`, brotli's newer `process`.
        yield decoder if hasattr(decoder, "decompress") else _Processed(decoder.process)


class _Processed:
    def __init__(self, process: Callable[[bytes], bytes]) -> None:
        self._process = process

    def decompress(self, data: bytes, /) -> bytes:
        return self._process(data)


def _zstd() -> Iterator[_Decoder]:
    for name in ("compression.zstd", "backports.zstd"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        yield _Members(module.ZstdDecompressor)
    try:
        zstandard = importlib.import_module("zstandard")
    except ImportError:
        return
    yield _Members(lambda: zstandard.ZstdDecompressor().decompressobj())
