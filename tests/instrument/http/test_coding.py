"""Content-codings come off; chunks and times stay."""

from __future__ import annotations

import gzip
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from otel_agent_replay.instrument.http.coding import decoded
from otel_agent_replay.model.payload import Chunk, HttpResponse

TEXT = b"some text that is long enough to be worth compressing, " * 20


def _bare_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


CODERS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": _bare_deflate,
    "zstd": zstandard.ZstdCompressor().compress,
}


def _response(coding: str, body: bytes, size: int = 40) -> HttpResponse:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return HttpResponse(
        status=200,
        headers=(
            ("Content-Encoding", coding),
            ("content-length", str(len(body))),
            ("Transfer-Encoding", "chunked"),
            ("X-Kept", "1"),
        ),
        chunks=tuple(
            Chunk(data=piece, at_ns=number) for number, piece in enumerate(pieces)
        ),
    )


@pytest.mark.parametrize("coding", CODERS)
def test_codings(coding):
    """Each coding is taken off, with as many chunks at the same times."""
    coded = _response(coding, CODERS[coding](TEXT))

    plain = decoded(coded)

    assert plain.body == TEXT
    assert [c.at_ns for c in plain.chunks] == [c.at_ns for c in coded.chunks]
    assert plain.headers == (("X-Kept", "1"),)


@given(content=st.binary(max_size=2000), size=st.integers(1, 300))
def test_any_content_in_any_pieces(content, size):
    """Whatever the content and wherever it was cut, it comes back."""
    assert decoded(_response("gzip", gzip.compress(content), size)).body == content


def test_several_codings():
    """Codings applied one after the other come off in reverse."""
    body = gzip.compress(zlib.compress(TEXT))

    assert decoded(_response("deflate, gzip", body)).body == TEXT


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_several_members(coding):
    """Members one after the other are one body, wherever they were cut."""
    body = CODERS[coding](TEXT) + CODERS[coding](b"more")

    assert decoded(_response(coding, body, 7)).body == TEXT + b"more"
    assert decoded(_response(coding, body, len(body))).body == TEXT + b"more"


def test_cut_short():
    """Of a body that broke off, what was readable is kept."""
    body = gzip.compress(TEXT, compresslevel=0)

    plain = decoded(_response("gzip", body[: len(body) // 2]))

    assert TEXT.startswith(plain.body)
    assert plain.body


def test_no_coding():
    """A response without a coding is left as it is."""
    response = HttpResponse(status=200, headers=(("Content-Length", "3"),))

    assert decoded(response) is response


def test_no_body():
    """An answer to HEAD names a coding and has nothing to decode."""
    assert decoded(_response("gzip", b"")).body == b""


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd", "unheard-of"])
def test_undecodable(coding):
    """A damaged body and an unknown coding are refused."""
    with pytest.raises(ValueError, match=coding):
        decoded(_response(coding, b"\x78 this is no such thing"))
