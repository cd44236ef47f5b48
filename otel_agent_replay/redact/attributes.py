"""Attributes of spans, ours and those of other instrumentations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from otel_agent_replay import semconv
from otel_agent_replay.model.payload import JsonObject, JsonValue
from otel_agent_replay.redact.documents import Documents
from otel_agent_replay.redact.edits import applied
from otel_agent_replay.redact.names import secret_header
from otel_agent_replay.redact.rules import Find
from otel_agent_replay.redact.urls import parameters, url_secrets
from otel_agent_replay.redact.walk import ROOT, Place

__all__ = ["AttrValue", "as_json", "redacted_attributes"]

AttrValue: TypeAlias = (
    "str | bool | int | float | bytes | Sequence[AttrValue]"
    " | Mapping[str, AttrValue] | None"
)
"""A value of a span, event, link or resource attribute."""

_KEPT: Final = frozenset(
    {
        semconv.AGENT_ID,
        semconv.OPERATION_NAME,
        semconv.POLICY_NAME,
        semconv.POLICY_VERSION,
        semconv.PROVIDER_NAME,
        semconv.REQUEST_MODEL,
        semconv.REQUEST_PREVIOUS_RESPONSE_ID,
        semconv.RESPONSE_FINISH_REASONS,
        semconv.RESPONSE_ID,
        semconv.RESPONSE_MODEL,
        semconv.RUN_ID,
        semconv.RUN_PARENT_ID,
        semconv.TOOL_CALL_ID,
    },
)
_KEPT_PREFIXES: Final = ("gen_ai.usage.", "llm.token_count.", "telemetry.sdk.")
_URL_PARTS: Final[Mapping[str, Find]] = {
    "url.path": lambda text: url_secrets(text, 0),
    "url.query": parameters,
    "url.fragment": parameters,
    "http.target": lambda text: url_secrets(text, 0),
}
"""What a URL's parts are to be searched with; a whole URL is known by its look."""
_HEADER_PREFIXES: Final = ("http.request.header.", "http.response.header.")


def redacted_attributes(
    documents: Documents,
    attributes: Mapping[str, AttrValue],
) -> dict[str, AttrValue]:
    """Return attributes redacted; names too.

    The last segment of a dotted name says what a value is. Ids and token counts
    of the conventions stay as they are.
    """
    tool = attributes.get(semconv.TOOL_NAME)
    made: dict[str, AttrValue] = {}
    for name, value in attributes.items():
        takes = name == semconv.TOOL_CALL_ARGUMENTS and isinstance(tool, str)
        place = Place(tool=str(tool)) if takes else ROOT
        made[documents.text(name)] = _attribute(documents, name, value, place)
    return made


def _attribute(
    documents: Documents,
    name: str,
    value: AttrValue,
    place: Place,
) -> AttrValue:
    if value is None or isinstance(value, bool) or _kept(name):
        return value
    if isinstance(value, bytes):
        return _bytes(documents, value)
    key = name.rpartition(".")[2]
    if name.startswith(_HEADER_PREFIXES):
        header = secret_header(key)
        key = "authorization" if header is not None else key
    if isinstance(value, str):
        find = _URL_PARTS.get(name)
        if find is not None:
            return applied(value, documents.found_edits(value, find))
        return applied(value, documents.string_edits(value, key, place))
    plain = _plain(value)
    if place is not ROOT:
        new = documents.value(plain, place)
    else:
        named = documents.value({key: plain})
        new = named[key] if isinstance(named, dict) and key in named else plain
    return value if new == plain else new


def _kept(name: str) -> bool:
    return name in _KEPT or name.startswith(_KEPT_PREFIXES)


def _bytes(documents: Documents, value: bytes) -> bytes:
    """Bytes that are no text cannot be searched, so they go whole."""
    try:
        return documents.text(value.decode()).encode()
    except UnicodeDecodeError:
        return documents.pseudonym("bytes", value.decode("latin-1")).encode()


def _plain(value: AttrValue) -> JsonValue:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    return value


def as_json(value: object) -> JsonObject:
    """Return what was a JSON object before its redaction, as one.

    Raises:
        TypeError: It no longer is.
    """
    if not isinstance(value, dict):
        raise TypeError
    return value
