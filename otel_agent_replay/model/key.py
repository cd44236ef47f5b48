"""What makes two calls the same call, for replay and comparison.

Headers are not in the key: they carry dates, versions and credentials. The host is
not either, so that a recording of one host can be compared with another; who needs
it asks `host_of`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from otel_agent_replay.model.call import Call
from otel_agent_replay.model.canonical import (
    canonical_text,
    one_form,
    with_plain_arguments,
)
from otel_agent_replay.model.payload import (
    HttpRequest,
    JsonValue,
    content_hash,
    header,
)
from otel_agent_replay.model.untrusted import parse_payload

__all__ = [
    "address_of",
    "asked_for",
    "has_one_host",
    "host_of",
    "key_of",
    "without_modules",
]

_DIGITS: Final = 20
_BYTES: Final = "latin-1"
"""Reads each percent-encoded byte as a letter, so that none is lost."""
_CREDENTIALS: Final = frozenset({"key", "api_key", "api-key", "access_token"})
_BOUNDARY: Final = re.compile(r'boundary="?([^";,]+)"?', re.IGNORECASE)
_CONTEXT: Final = frozenset({"traceparent", "tracestate", "baggage"})
_TYPE: Final = "$type"


def key_of(call: Call) -> str:
    """Return one text for calls that ask for the same: `kind name digest`.

    Of a wire call the name is method, path and query, and the digest that of its
    body, canonical where it is JSON; a multipart boundary and the trace context that
    MCP sends inside its messages do not count. Of any other call the digest is that of
    its arguments; objects count by the name of their class inside its module, since a
    script's module is `__main__` or not. What counts as the same value is told in
    `model.canonical`.
    """
    request = call.request
    if request is None:
        plain = canonical_text(without_modules(call.inputs))
        return f"{call.kind} {call.name} {_digest(plain)}"
    route = _route(request, model=call.kind == "model")
    return f"{call.kind} {route} {_digest(_canonical_body(call, request))}"


def asked_for(call: Call) -> JsonValue:
    """Return what of a call is in its key besides kind and name, to be compared.

    Of a wire call that is its body, as JSON or else as text.
    """
    if call.request is None:
        return one_form(without_modules(call.inputs))
    body = _body(call, call.request)
    if isinstance(body, bytes):
        return body.decode(errors="backslashreplace")
    return one_form(body)


def address_of(call: Call, *, host: bool = True) -> str | None:
    """Return method and URL of a wire call to be read, as far as its key looks.

    Its percent-encoding is taken off; None for any other call.
    """
    request = call.request
    if request is None:
        return None
    route = unquote(_route(request, model=call.kind == "model"))
    method, _, path = route.partition(" ")
    return f"{method} {host_of(call) or ''}{path}" if host else route


def host_of(call: Call) -> str | None:
    """Return host and port that a wire call goes to, in lower case; else None."""
    if call.request is None:
        return None
    return _split(call.request.url).netloc.rpartition("@")[2].lower()


def has_one_host(calls: Iterable[Call]) -> bool:
    """Return whether all model calls go to one host, which so tells nothing apart."""
    return len({host_of(call) for call in calls if call.kind == "model"}) <= 1


def _digest(content: bytes) -> str:
    return content_hash(content)[:_DIGITS]


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        # Such as an unclosed bracket in the host; the whole text is then its path.
        return SplitResult("", "", url, "", "")


def _route(request: HttpRequest, *, model: bool) -> str:
    """Return method, path and query, in one way of percent-encoding.

    A model API's key may stand in the query; it says who asks, not what.
    """
    # A client sends ASCII; in a stored call may stand anything.
    parts = _split(request.url.encode("utf-8", "surrogatepass").decode(_BYTES))
    segments = [unquote(each, _BYTES) for each in (parts.path or "/").split("/")]
    path = "/".join(quote(each, safe="", encoding=_BYTES) for each in segments)
    query = _pairs_again(parts.query, without=_CREDENTIALS if model else frozenset())
    tail = f"?{query}" if query else ""
    return f"{request.method.upper()} {path}{tail}"


def _pairs_again(text: str, *, without: frozenset[str] = frozenset()) -> str:
    """Return `name=value&…` in one way of percent-encoding."""
    pairs = parse_qsl(text, keep_blank_values=True, encoding=_BYTES)
    kept = [pair for pair in pairs if pair[0] not in without]
    return urlencode(kept, encoding=_BYTES)


def _canonical_body(call: Call, request: HttpRequest) -> bytes:
    body = _body(call, request)
    return body if isinstance(body, bytes) else canonical_text(body)


def _body(call: Call, request: HttpRequest) -> JsonValue | bytes:
    """Return what counts of a body: its JSON, where it is JSON, else its bytes."""
    kind = header(request.headers, "content-type") or ""
    if kind.lower().startswith("multipart/"):
        return _without_boundary(request.body, kind)
    if kind.lower().startswith("application/x-www-form-urlencoded"):
        return _pairs_again(request.body.decode(_BYTES)).encode()
    if request.body.lstrip()[:1] in {b"{", b"["}:
        try:
            value = _without_context(parse_payload(request.body))
        except ValueError:
            return request.body
        return with_plain_arguments(value) if call.kind == "model" else value
    return request.body


def _without_context(value: JsonValue) -> JsonValue:
    """Return a message of MCP without the trace that it belongs to."""
    if not isinstance(value, dict) or "jsonrpc" not in value:
        return value
    params = value.get("params")
    about = params.get("_meta") if isinstance(params, dict) else None
    if not isinstance(params, dict) or not isinstance(about, dict):
        return value
    kept = {name: item for name, item in about.items() if name not in _CONTEXT}
    return {**value, "params": {**params, "_meta": kept}}


def _without_boundary(body: bytes, content_type: str) -> bytes:
    found = _BOUNDARY.search(content_type)
    if found is None:
        return body
    return body.replace(found[1].encode(), b"boundary")


def without_modules(value: JsonValue) -> JsonValue:
    """Return a value whose objects are named by their class inside its module.

    The pairs of a mapping stand in one order, as its keys do where they are strings.
    """
    if isinstance(value, list):
        return [without_modules(item) for item in value]
    if not isinstance(value, dict):
        return value
    plain = {name: without_modules(item) for name, item in value.items()}
    cls, items = plain.get("class"), plain.get("items")
    if _TYPE in plain and isinstance(cls, str):
        plain["class"] = cls.rpartition(":")[2]
    if plain.get(_TYPE) == "dict" and isinstance(items, list):
        plain["items"] = sorted(items, key=canonical_text)
    return plain
