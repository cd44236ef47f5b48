"""JSON values, their canonical text, and the bytes of an HTTP exchange.

Everything here is immutable and pure; nothing reads the world.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Final, TypeAlias

import orjson

__all__ = [
    "Chunk",
    "Headers",
    "HttpRequest",
    "HttpResponse",
    "JsonObject",
    "JsonValue",
    "canonical_json",
    "content_hash",
    "dump_json",
    "header",
    "parse_json",
]

JsonValue: TypeAlias = (
    "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
)
JsonObject: TypeAlias = "dict[str, JsonValue]"
Headers: TypeAlias = tuple[tuple[str, str], ...]

_LONG_NUMBER: Final = b"0" * 19
_ALL_DIGITS_ALIKE: Final = bytes.maketrans(b"123456789", b"000000000")


def parse_json(text: bytes | str) -> JsonValue:
    """Return the JSON value of a text.

    Integers of any size keep their value.

    Raises:
        ValueError: The text is not JSON.
    """
    try:
        if _has_long_number(text):
            # orjson turns integers beyond 64 bits into floats without a word.
            long: JsonValue = json.loads(text)
            return long
        value: JsonValue = orjson.loads(text)
    except orjson.JSONDecodeError:
        # What orjson refuses and json takes: lone surrogates, NaN.
        value = json.loads(text)
    return value


def _has_long_number(text: bytes | str) -> bool:
    # Ten times as fast as a regular expression; requests have megabytes.
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return _LONG_NUMBER in raw.translate(_ALL_DIGITS_ALIKE)


def dump_json(value: JsonValue) -> str:
    """Return compact JSON text; key order is kept."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        # orjson refuses integers beyond 64 bits and lone surrogates.
        return json.dumps(value, separators=(",", ":"))  # noqa: TID251


def canonical_json(value: JsonValue) -> bytes:
    """Return one text for equal values: keys sorted, 1.0 written as 1.

    Strings are left as they are: different text stays different.
    """
    plain = _whole_numbers(value)
    try:
        return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        text = json.dumps(plain, separators=(",", ":"), sort_keys=True)  # noqa: TID251
        return text.encode()


def _whole_numbers(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: _whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole_numbers(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def content_hash(content: bytes) -> str:
    """Return the hash that names a stored content: SHA-256, 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def header(headers: Headers, name: str) -> str | None:
    """Return the first value of a header, its name in any case, or None."""
    wanted = name.lower()
    return next((value for key, value in headers if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A piece of a response body as it came in.

    Attributes:
        data: The bytes.
        at_ns: Nanoseconds after the request was sent.
    """

    data: bytes
    at_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """What was sent. `body` is whole; a streamed upload is read first."""

    method: str
    url: str
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """What came back, with the boundaries and times of its chunks."""

    status: int
    reason: str = ""
    headers: Headers = ()
    chunks: tuple[Chunk, ...] = ()

    @property
    def body(self) -> bytes:
        """The chunks joined."""
        if len(self.chunks) == 1:
            return self.chunks[0].data
        return b"".join(chunk.data for chunk in self.chunks)
