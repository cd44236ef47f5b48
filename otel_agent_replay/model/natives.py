"""Python values as JSON and back.

JSON values stay as they are. Others become an object with a `$type`:

| `$type` | stands for | other keys |
|---|---|---|
| `tuple`, `set`, `frozenset` | that collection | `items` |
| `bytes` | bytes, bytearray, memoryview | `base64` |
| `datetime`, `date`, `time`, `timedelta`, `decimal`, `uuid`, `path`, `complex` | that type | `value` |
| `float`, `int`, `str` | NaN, infinities; beyond 64 bits; lone surrogates | `value` |
| `dict` | a mapping with other keys than strings, or with a key `$type` | `items` |
| `object` | a dataclass, Pydantic model, named tuple, enum member | `class`, `value` |
| `unserialisable` | anything else, cycles, what nests deeper than 64 | `class` |

Nothing is ever imported by a stored name: an `object` comes back only as a
class that the caller's type annotation names.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import decimal
import enum
import pathlib
import sys
import traceback
import typing
import uuid
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

from otel_agent_replay.errors import RecordedError, ResultTypeError
from otel_agent_replay.model.call import RecordedException
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = [
    "class_name",
    "from_json",
    "rebuild_exception",
    "record_exception",
    "to_json",
]

_TYPE: Final = "$type"
_MAX_DEPTH: Final = 64
_INT64: Final = 2**63


def class_name(cls: type) -> str:
    """Return `module:qualified.Name` of a class."""
    return f"{cls.__module__}:{cls.__qualname__}"


def to_json(value: object) -> JsonValue:
    """Return a value as JSON; never raises, never keeps a reference to it."""
    try:
        return _encode(value, (), 0)
    except Exception:  # noqa: BLE001 - an agent's object may do anything when asked
        return _unserialisable(value)


def _unserialisable(value: object) -> JsonObject:
    return {_TYPE: "unserialisable", "class": class_name(type(value))}


def _encode(value: object, above: tuple[int, ...], depth: int) -> JsonValue:
    if value is None or value is True or value is False:
        return value
    scalar = _SCALARS.get(type(value))
    if scalar is not None:
        return scalar(value)
    if depth >= _MAX_DEPTH or id(value) in above:
        return _unserialisable(value)
    inside = (*above, id(value))

    def nested(item: object) -> JsonValue:
        return _encode(item, inside, depth + 1)

    if type(value) is list:
        return [nested(item) for item in value]
    if type(value) is dict:
        return _mapping(value, nested)
    return _rich(value, nested)


def _text(value: str) -> JsonValue:
    try:
        value.encode()
    except UnicodeEncodeError:
        raw = value.encode("utf-8", "surrogatepass")
        return {_TYPE: "str", "value": base64.b64encode(raw).decode()}
    return value


def _whole(value: int) -> JsonValue:
    if -_INT64 <= value < _INT64:
        return value
    return {_TYPE: "int", "value": str(value)}


def _real(value: float) -> JsonValue:
    if value - value == 0:  # neither NaN nor infinite
        return value
    return {_TYPE: "float", "value": repr(value)}


def _tagged(name: str, text: Callable[[Any], str]) -> Callable[[Any], JsonValue]:
    return lambda value: {_TYPE: name, "value": text(value)}


_SCALARS: Final[dict[type, Callable[[Any], JsonValue]]] = {
    str: _text,
    int: _whole,
    float: _real,
    dt.datetime: _tagged("datetime", dt.datetime.isoformat),
    dt.date: _tagged("date", dt.date.isoformat),
    dt.time: _tagged("time", dt.time.isoformat),
    dt.timedelta: _tagged(
        "timedelta",
        lambda v: f"{v.days} {v.seconds} {v.microseconds}",
    ),
    decimal.Decimal: _tagged("decimal", str),
    uuid.UUID: _tagged("uuid", str),
    complex: _tagged("complex", str),
}


def _mapping(
    value: Mapping[Any, object],
    nested: Callable[[object], JsonValue],
) -> JsonValue:
    plain = all(type(key) is str for key in value) and _TYPE not in value
    if plain and not any(key.isascii() is False and _text(key) != key for key in value):
        return {key: nested(item) for key, item in value.items()}
    pairs: list[JsonValue] = [[nested(k), nested(v)] for k, v in value.items()]
    return {_TYPE: "dict", "items": pairs}


def _rich(value: object, nested: Callable[[object], JsonValue]) -> JsonValue:
    fields = _object_fields(value)
    if fields is not None:
        body = nested(fields)
        return {_TYPE: "object", "class": class_name(type(value)), "value": body}
    if isinstance(value, bytes | bytearray | memoryview):
        return {_TYPE: "bytes", "base64": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, pathlib.PurePath):
        return {_TYPE: "path", "value": str(value)}
    if isinstance(value, Mapping):
        return _mapping(value, nested)
    return _collection(value, nested)


def _collection(value: object, nested: Callable[[object], JsonValue]) -> JsonValue:
    if isinstance(value, AbstractSet):
        name = "frozenset" if isinstance(value, frozenset) else "set"
        items = sorted((nested(item) for item in value), key=repr)
        return {_TYPE: name, "items": items}
    if isinstance(value, tuple):
        return {_TYPE: "tuple", "items": [nested(item) for item in value]}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [nested(item) for item in value]
    return _subclassed(value)


def _subclassed(value: object) -> JsonValue:
    """A subclass of a scalar type is kept as that type."""
    for scalar in (str, int, float):
        if isinstance(value, scalar):
            return _SCALARS[scalar](scalar(value))
    return _unserialisable(value)


def _object_fields(value: object) -> object | None:
    """Return what a structured object is made of, or None if it is none."""
    if isinstance(value, enum.Enum):
        return value.name
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    dump = getattr(type(value), "model_dump", None)
    if dump is not None:
        return typing.cast("object", dump(value, mode="json"))
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return typing.cast("object", value._asdict())
    return None


# --- back ------------------------------------------------------------------


def from_json(value: JsonValue, annotation: object = None) -> object:
    """Return the Python value of its JSON form.

    Args:
        value: What `to_json` gave.
        annotation: The type annotation whose classes `object` values may become.

    Raises:
        ResultTypeError: The value was no JSON and its class is not named by the
            annotation, or it was unserialisable.
    """
    return _decode(value, _classes(annotation))


def _decode(value: JsonValue, classes: Mapping[str, type]) -> object:
    if isinstance(value, list):
        return [_decode(item, classes) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get(_TYPE)
    if kind is None:
        return {key: _decode(item, classes) for key, item in value.items()}
    if kind in _COLLECTIONS:
        items = value.get("items")
        decoded = (
            [_decode(i, classes) for i in items] if isinstance(items, list) else []
        )
        return _COLLECTIONS[str(kind)](decoded)
    if kind == "object":
        return _build(value, classes)
    return _decode_scalar(str(kind), value)


_COLLECTIONS: Final[dict[JsonValue, Callable[[list[Any]], object]]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": lambda pairs: {_hashable(key): item for key, item in pairs},
}


def _hashable(key: object) -> object:
    return tuple(key) if isinstance(key, list) else key


def _decode_scalar(kind: str, value: JsonObject) -> object:
    if kind == "bytes":
        return base64.b64decode(str(value.get("base64", "")))
    read = _READERS.get(kind)
    if read is None:
        raise ResultTypeError(
            str(value.get("class", kind)),
            "it was not serialisable when it was recorded",
        )
    return read(str(value.get("value", "")))


_READERS: Final[dict[str, Callable[[str], object]]] = {
    "datetime": dt.datetime.fromisoformat,
    "date": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
    "timedelta": lambda text: dt.timedelta(*(int(part) for part in text.split())),
    "decimal": decimal.Decimal,
    "uuid": uuid.UUID,
    "path": pathlib.Path,
    "complex": complex,
    "float": float,
    "int": int,
    "str": lambda text: base64.b64decode(text).decode("utf-8", "surrogatepass"),
}


def _build(value: JsonObject, classes: Mapping[str, type]) -> object:
    name = str(value.get("class", ""))
    cls = classes.get(name)
    if cls is None:
        raise ResultTypeError(name, "the return annotation does not name this class")
    body = value.get("value")
    if issubclass(cls, enum.Enum):
        return cls[str(body)]
    validate = getattr(cls, "model_validate", None)
    if validate is not None:
        return typing.cast("object", validate(body))
    fields = _decode(body, classes)
    if not isinstance(fields, dict):
        raise ResultTypeError(name, "its fields are damaged")
    return cls(**fields)


def _classes(annotation: object) -> dict[str, type]:
    """Return the classes an annotation names, and those their fields name."""
    found: dict[str, type] = {}
    waiting = [annotation]
    while waiting:
        current = waiting.pop()
        waiting.extend(typing.get_args(current))
        if not isinstance(current, type) or class_name(current) in found:
            continue
        found[class_name(current)] = current
        if dataclasses.is_dataclass(current) or hasattr(current, "_fields"):
            waiting.extend(_hints(current).values())
    return found


def _hints(cls: type) -> dict[str, object]:
    try:
        return typing.get_type_hints(cls)
    except Exception:  # noqa: BLE001 - an annotation that cannot be read names nothing
        return {}


# --- exceptions --------------------------------------------------------------


def record_exception(error: BaseException) -> RecordedException:
    """Return an exception as data; never raises."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - the agent's own __str__ may fail
        message = ""
    encoded = [to_json(arg) for arg in error.args]
    plain = all(
        arg is None or isinstance(arg, bool | int | float | str) for arg in encoded
    )
    return RecordedException(
        type_name=class_name(type(error)),
        message=message,
        args=tuple(encoded) if plain else None,
        stacktrace="".join(traceback.format_exception(error)),
    )


def rebuild_exception(recorded: RecordedException) -> BaseException:
    """Return an exception of the recorded class, or a `RecordedError`.

    Only classes of modules that are loaded already are used, and their
    `__init__` does not run: stored text never runs code.
    """
    cls = _loaded_class(recorded.type_name)
    if cls is None or not issubclass(cls, BaseException):
        return RecordedError(recorded.type_name, recorded.message)
    args = (recorded.message,) if recorded.args is None else recorded.args
    try:
        error = cls.__new__(cls, *args)
        error.args = args
        same = str(error) == recorded.message
    except Exception:  # noqa: BLE001 - a class that cannot be made without its __init__
        return RecordedError(recorded.type_name, recorded.message)
    if not same:
        error.args = (recorded.message,)
    return error


def _loaded_class(name: str) -> type | None:
    module_name, _, qualified = name.partition(":")
    found: object = sys.modules.get(module_name)
    for part in qualified.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) else None
