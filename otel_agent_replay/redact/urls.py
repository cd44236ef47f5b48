"""Built-in rule for URLs: credentials before the host, parameters after `?`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, unquote_plus

from otel_agent_replay.redact.names import secret_parameter
from otel_agent_replay.redact.rules import Found, Gate, Rule

__all__ = ["URL_RULE", "parameters", "url_secrets"]

_REST: Final = re.compile(r"[^\s\"'<>\\^`{|}]*")
_AUTHORITY: Final = re.compile(r"[^/?#]*")
_STEP: Final = rb"[^\s\"'<>\\^`{|}@?%#:]*+"
_TELLING: Final = re.compile(
    rb"://" + _STEP + rb"(?::(?!//)" + _STEP + rb")*+[@?%#]",
)
"""What is no more than host and path holds no secret."""
_CLOSING: Final = ".,;:!?)]*"


def _urls(text: str) -> Iterator[Found]:
    starts = [match.end() for match in re.finditer("://", text)]
    for start, limit in zip(starts, [*starts[1:], len(text) + 3], strict=False):
        match = _REST.match(text, start, limit - 3)
        rest = match.group().rstrip(_CLOSING) if match else ""
        if "@" in rest or "?" in rest or "%" in rest or "#" in rest:
            yield from url_secrets(rest, start)


def url_secrets(rest: str, offset: int) -> Iterator[Found]:
    """Find the secrets of what follows `://`, as positions from an offset."""
    authority = _AUTHORITY.match(rest)
    length = authority.end() if authority else 0
    yield from _credentials(rest[:length], offset)
    path_end = next((i for i in range(length, len(rest)) if rest[i] in "?#"), len(rest))
    yield from _segments(rest[length:path_end], offset + length)
    if path_end < len(rest):
        yield from parameters(rest[path_end + 1 :], offset + path_end + 1)


def _credentials(authority: str, offset: int) -> Iterator[Found]:
    """Find the password, or all before the `@` where there is none."""
    users, at, _ = authority.rpartition("@")
    if not at or not users:
        return
    name, colon, password = users.partition(":")
    start = offset + len(name) + len(colon) if password else offset
    value = password or name
    if value and not value.startswith(("$", "{", "<", "*")):
        decoded = unquote(value)
        yield Found(start, start + len(value), "secret", decoded, "query", named=True)


def _segments(path: str, offset: int) -> Iterator[Found]:
    """Give each percent-encoded segment as a text of its own."""
    if "%" not in path:
        return
    for segment in re.finditer(r"[^/]+", path):
        raw = segment.group()
        if "%" in raw:
            start = offset + segment.start()
            yield Found(start, start + len(raw), "", unquote(raw), "query")


def parameters(query: str, offset: int = 0) -> Iterator[Found]:
    """Find the secrets of `name=value&…`, as positions from an offset."""
    for pair in re.finditer(r"[^&;#?]+", query):
        name, equals, raw = pair.group().partition("=")
        start = offset + pair.start()
        if "%" in name or "+" in name:
            yield Found(start, start + len(name), "", unquote_plus(name), "query")
        if not equals or not raw:
            continue
        start += len(name) + 1
        value = unquote_plus(raw)
        meaning = secret_parameter(unquote_plus(name))
        if meaning is not None and meaning.covers(value):
            span = start, start + len(raw)
            yield Found(*span, meaning.kind, value, "query", named=True)
        elif "%" in raw or "+" in raw:
            yield Found(start, start + len(raw), "", value, "query")


URL_RULE: Final = Rule(
    name="url",
    kind="secret",
    definition=f"url {_REST.pattern} 1",
    find=_urls,
    by_name=True,
    gate=Gate(("://",), pattern=_TELLING),
)
