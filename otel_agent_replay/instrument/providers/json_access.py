"""Reading JSON of unknown shape: what is not as expected is left out, never raised."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeAlias

from otel_agent_replay.model.payload import JsonObject, JsonValue, dump_json, parse_json

__all__ = [
    "RequestBody",
    "at_path",
    "count",
    "json_or_none",
    "json_text",
    "object_of",
    "objects_of",
    "request_object",
    "rest",
    "scalar_text",
    "sequence",
    "text",
    "without_blanks",
]

RequestBody: TypeAlias = "bytes | JsonObject"
"""A request as it was sent, or as the JSON object that it is."""


def request_object(body: RequestBody) -> JsonObject:
    """Return the JSON object of a request, an empty one if it is none."""
    return body if isinstance(body, dict) else object_of(json_or_none(body))


def object_of(value: JsonValue) -> JsonObject:
    """Return the object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def sequence(value: JsonValue) -> list[JsonValue]:
    """Return the list, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def objects_of(value: JsonValue) -> list[JsonObject]:
    """Return the objects of a list, in order."""
    return [item for item in sequence(value) if isinstance(item, dict)]


def text(value: JsonValue) -> str | None:
    """Return the string, or None for anything else."""
    return value if isinstance(value, str) else None


def scalar_text(value: JsonValue) -> str:
    """Return a string as it is, anything else as JSON text, None as no text."""
    if isinstance(value, str):
        return value
    return "" if value is None else json_text(value)


def count(value: JsonValue) -> int | None:
    """Return a whole number, or None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else None


def at_path(value: JsonValue, path: tuple[str, ...]) -> JsonValue:
    """Return what stands at a path of keys; None where there is nothing."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def rest(wire: Mapping[str, JsonValue], known: Collection[str]) -> JsonObject:
    """Return the members whose keys are not known, without null and empty ones."""
    return {
        key: value
        for key, value in wire.items()
        if key not in known
        and (value or not (value is None or isinstance(value, (list, dict))))
    }


def without_blanks(wire: Mapping[str, JsonValue]) -> JsonObject:
    """Return the members that are neither null nor empty."""
    return rest(wire, ())


def json_or_none(content: bytes | str) -> JsonValue:
    """Return the JSON value of a text; None also where it is none."""
    try:
        return parse_json(content)
    except (ValueError, RecursionError):
        return None


def json_text(value: JsonValue) -> str:
    """Return compact JSON text; empty for a value nested beyond what can be written."""
    try:
        return dump_json(value)
    except RecursionError:
        return ""
