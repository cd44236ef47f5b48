"""JSON that anyone may have written: values that are safe to walk."""

from __future__ import annotations

from typing import Final

from otel_agent_replay.model.payload import JsonValue, parse_json

__all__ = ["parse_list", "parse_payload"]

_MAX_DEPTH: Final = 256


def parse_payload(text: bytes | str) -> JsonValue:
    """Return the JSON value of a payload text or body.

    Raises:
        ValueError: It is no JSON, or nested deeper than any that capture writes;
            walking it could then end in a RecursionError anywhere.
    """
    try:
        value = parse_json(text)
    except RecursionError:
        raise ValueError(_MAX_DEPTH) from None
    if _brackets(text) > _MAX_DEPTH and _is_deep(value):
        raise ValueError(_MAX_DEPTH)
    return value


def parse_list(text: str) -> list[JsonValue]:
    """Return the JSON list of a payload text.

    Raises:
        ValueError: As `parse_payload`; or it is no list.
    """
    value = parse_payload(text)
    if not isinstance(value, list):
        raise ValueError(text)  # noqa: TRY004 - a damaged text, not a wrong argument
    return value


def _brackets(text: bytes | str) -> int:
    if isinstance(text, str):
        return text.count("[") + text.count("{")
    return text.count(b"[") + text.count(b"{")


def _is_deep(value: JsonValue) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        inner: list[JsonValue] = []
        for each in level:
            if isinstance(each, dict):
                inner.extend(each.values())
            elif isinstance(each, list):
                inner.extend(each)
        level = inner
    return bool(level)
