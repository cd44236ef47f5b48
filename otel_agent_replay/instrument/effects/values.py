"""Values of reads as JSON, bit by bit, and back."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, TypeVar

from otel_agent_replay.errors import ResultTypeError
from otel_agent_replay.model.payload import JsonValue

__all__ = [
    "bytes_json",
    "json_as",
    "json_bytes",
    "json_float",
    "json_int",
    "json_number",
    "json_text",
    "number_json",
]

T = TypeVar("T")

_EXACT: Final = 2**53
"""From here on a JSON number is not read exactly by everybody."""
_NO_DIGITS: Final = frozenset({"nan", "inf", "-inf"})


def number_json(value: float) -> JsonValue:
    """Return a number as JSON: as text if it is a large whole one, NaN or infinite."""
    if isinstance(value, int):
        return hex(value) if abs(value) >= _EXACT else value
    return value if math.isfinite(value) else str(float(value))


def json_int(value: JsonValue) -> int:
    """Return the whole number that `number_json` was given."""
    if isinstance(value, str):
        return json_as("int", lambda text: int(text, 16), value)
    if isinstance(value, int):
        return value
    raise ResultTypeError("int", f"it is {value!r}")


def json_float(value: JsonValue) -> float:
    """Return the float that `number_json` was given."""
    return float(json_number(value))


def json_number(value: JsonValue) -> float:
    """Return the number, whole or not, that `number_json` was given."""
    if isinstance(value, str):
        read = float if value in _NO_DIGITS else json_int
        return json_as("number", read, value)
    if isinstance(value, int | float):
        return value
    raise ResultTypeError("number", f"it is {value!r}")


def bytes_json(value: bytes) -> JsonValue:
    """Return bytes as hexadecimal text."""
    return value.hex()


def json_bytes(value: JsonValue) -> bytes:
    """Return the bytes that `bytes_json` was given."""
    return json_as("bytes", bytes.fromhex, value)


def json_text(value: JsonValue) -> str:
    """Return a text."""
    if isinstance(value, str):
        return value
    raise ResultTypeError("str", f"it is {value!r}")


def json_as(type_name: str, made: Callable[[str], T], value: JsonValue) -> T:
    """Return what a text stands for.

    Raises:
        ResultTypeError: It stands for no such thing; it was redacted, for one.
    """
    try:
        return made(json_text(value))
    except ValueError as error:
        raise ResultTypeError(type_name, str(error)) from error
