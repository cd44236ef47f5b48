"""Values in one form: two that mean the same become equal, no others do.

What is made alike: the order of an object's keys; whole numbers (1 and 1.0); the
Unicode form of strings and of keys (composed and decomposed). Everything else stays
apart: 1, True and "1"; 0 and -0.0; null and an absent key; NaN and its name.
"""

from __future__ import annotations

import json
from math import copysign, isfinite
from typing import Final
from unicodedata import is_normalized, normalize

import orjson

from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.model.untrusted import parse_payload

__all__ = ["canonical_text", "one_form", "with_plain_arguments"]

_FORM: Final = "NFC"
_CALL_ITEMS: Final = frozenset({"function_call", "mcp_call"})


def canonical_text(value: JsonValue) -> bytes:
    """Return one text for values that mean the same."""
    odd: list[float] = []
    plain = _plain(value, odd)
    if not odd:
        try:
            return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)
        except TypeError:
            pass  # integers beyond 64 bits, lone surrogates
    # orjson writes null for NaN and infinities.
    text = json.dumps(plain, separators=(",", ":"), sort_keys=True)  # noqa: TID251
    return text.encode()


def one_form(value: JsonValue) -> JsonValue:
    """Return the value that stands for all that mean the same; key order is kept."""
    return _plain(value, [])


def _plain(value: JsonValue, odd: list[float]) -> JsonValue:
    if isinstance(value, str):
        return _composed(value)
    if isinstance(value, dict):
        made = {_composed(key): _plain(item, odd) for key, item in value.items()}
        if len(made) == len(value):
            return made
        # Two keys that only differ in their form are two keys.
        return {key: _plain(item, odd) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, odd) for item in value]
    return _number(value, odd) if isinstance(value, float) else value


def _composed(text: str) -> str:
    if text.isascii() or is_normalized(_FORM, text):
        return text
    return normalize(_FORM, text)


def _number(value: float, odd: list[float]) -> int | float:
    if value.is_integer():
        return int(value) if value or copysign(1, value) > 0 else value
    if not isfinite(value):
        odd.append(value)
    return value


def with_plain_arguments(body: JsonValue) -> JsonValue:
    """Return a model request with the arguments of its tool calls in one form.

    Where a wire format says that a string is JSON, as for the calls that a model made
    earlier in the conversation, models and SDKs space it each in their own way. These
    places are taken, and no other text that happens to look like JSON:
    `messages[].tool_calls[].function.arguments`, `messages[].function_call.arguments`,
    and `input[].arguments` of the items that are calls. A string stays a string.
    """
    if not isinstance(body, dict):
        return body
    messages, items = body.get("messages"), body.get("input")
    if isinstance(messages, list):
        body = {**body, "messages": [_message(each) for each in messages]}
    if isinstance(items, list):
        body = {**body, "input": [_item(each) for each in items]}
    return body


def _message(message: JsonValue) -> JsonValue:
    if not isinstance(message, dict):
        return message
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        made = [_with_function(each, "function") for each in calls]
        message = {**message, "tool_calls": made}
    return _with_function(message, "function_call")


def _with_function(value: JsonValue, name: str) -> JsonValue:
    if not isinstance(value, dict) or not isinstance(value.get(name), dict):
        return value
    return {**value, name: _with_arguments(value[name])}


def _item(item: JsonValue) -> JsonValue:
    if isinstance(item, dict) and item.get("type") in _CALL_ITEMS:
        return _with_arguments(item)
    return item


def _with_arguments(value: JsonValue) -> JsonValue:
    text = value.get("arguments") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(text, str):
        return value
    try:
        said = parse_payload(text)
    except ValueError:
        return value
    return {**value, "arguments": canonical_text(said).decode()}
