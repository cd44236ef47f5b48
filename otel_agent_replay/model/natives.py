"""Python values as JSON and back.

JSON values stay as they are. Others become an object with a `$type`:

| `$type` | stands for | other keys |
|---|---|---|
| `tuple`, `set`, `frozenset` | that collection | `items` |
| `bytes` | bytes, bytearray, memoryview | `base64` |
| `datetime`, `date`, `time`, `timedelta`, `decimal`, `uuid`, `path`, `complex` | that type | `value` |
| `float`, `int`, `str` | NaN, infinities; beyond 64 bits; lone surrogates | `value` |
| `dict` | a mapping with other keys than strings, or with a key `$type` | `items` |
| `object` | a dataclass, Pydantic or attrs object, named tuple, enum member, NumPy array | `class`, `value` |
| `awaitable` | what a plain function returned to be awaited (see `awaited`) | `value` |
| `exception` | an exception among the arguments of another one (see `exceptions`) | as there |
| `unserialisable` | anything else, cycles, what nests deeper than 64, all of a value of more than 200 000 containers | `class` |

A subclass of a collection or scalar type is kept as that type, a NumPy scalar as the
Python one. Nothing is ever imported by a stored name: an `object` comes back only as
a class that the caller's type annotation names, or a subclass of one.
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import pathlib
import uuid
from collections import UserString
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

from otel_agent_replay.errors import ResultTypeError
from otel_agent_replay.model.native_classes import (
    build,
    class_name,
    classes_in,
    classes_of,
    fields_of,
    find_class,
    numpy_scalar,
)
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = ["awaited", "from_json", "is_whole", "to_json", "what_is_awaited"]

_TYPE: Final = "$type"
_MAX_DEPTH: Final = 64
_MAX_CONTAINERS: Final = 200_000
"""A graph of objects has more paths than any memory holds; lists of numbers do not
count by length."""
_INT64: Final = 2**63


def to_json(value: object) -> JsonValue:
    """Return a value as JSON; never raises, never keeps a reference to it.

    What part of it cannot be read alone is unserialisable.
    """
    encoder = _Encoder()
    found = encoder.encode(value, (), 0)
    return _unserialisable(value) if encoder.left < 0 else found


def is_whole(value: JsonValue) -> bool:
    """Return whether nothing in what `to_json` gave is unserialisable."""
    if isinstance(value, list):
        return all(map(is_whole, value))
    if not isinstance(value, dict):
        return True
    return value.get(_TYPE) != "unserialisable" and all(map(is_whole, value.values()))


def awaited(value: JsonValue) -> JsonValue:
    """Return the JSON of what a plain function returned to be awaited."""
    return {_TYPE: "awaitable", "value": value}


def what_is_awaited(value: JsonValue) -> tuple[JsonValue] | None:
    """Return what a value that `awaited` gave holds, None for any other value."""
    if isinstance(value, dict) and value.get(_TYPE) == "awaitable":
        return (value.get("value"),)
    return None


def _unserialisable(value: object) -> JsonObject:
    return {_TYPE: "unserialisable", "class": class_name(type(value))}


class _Encoder:
    """Encodes one value; `left` is below 0 once it turned out to be too large."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = _MAX_CONTAINERS

    def encode(self, value: object, above: tuple[int, ...], depth: int) -> JsonValue:
        if value is None or value is True or value is False:
            return value
        try:
            scalar = _SCALARS.get(type(value))
            if scalar is not None:
                return scalar(value)
            self.left -= 1
            if depth >= _MAX_DEPTH or self.left < 0 or id(value) in above:
                return _unserialisable(value)
            return self._container(value, (*above, id(value)), depth + 1)
        except Exception:  # noqa: BLE001 - an agent's object may do anything when asked
            return _unserialisable(value)

    def _container(
        self, value: object, above: tuple[int, ...], depth: int
    ) -> JsonValue:
        def nested(item: object) -> JsonValue:
            return self.encode(item, above, depth)

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
    # Its digits cost time quadratic in their number, and Python has a limit on them.
    return {_TYPE: "int", "value": hex(value)}


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
    decimal.Decimal: _tagged("decimal", decimal.Decimal.__str__),
    uuid.UUID: _tagged("uuid", uuid.UUID.__str__),
    complex: _tagged("complex", complex.__repr__),
}
_PLAIN: Final[dict[type, Callable[[Any], Any]]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
}
"""What gives the value of a subclass's instance, whatever it makes of itself."""


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
    fields = fields_of(value)
    if fields is not None:
        body = nested(fields[0])
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
    if isinstance(value, Sequence) and not isinstance(value, str | UserString):
        return [nested(item) for item in value]
    return _subclassed(value, nested)


def _subclassed(value: object, nested: Callable[[object], JsonValue]) -> JsonValue:
    """A subclass of a scalar type is kept as that type."""
    if isinstance(value, UserString):
        return nested(value.data)
    for scalar, encode in _SCALARS.items():
        if isinstance(value, scalar):
            plain = _PLAIN.get(scalar)
            return encode(value if plain is None else plain(value))
    item = numpy_scalar(value)
    if item is not None:
        return nested(item[0])
    return _unserialisable(value)


# --- back ------------------------------------------------------------------


class _ClassesAskedError(Exception):
    """A value holds an object, so that it matters which classes may be made."""


class _NotAsked(Mapping[str, type]):
    """Stands for the classes until one is looked up: to know them takes a while."""

    def __getitem__(self, name: str) -> type:
        raise _ClassesAskedError(name)

    def __iter__(self) -> Iterator[str]:
        raise _ClassesAskedError

    def __len__(self) -> int:
        raise _ClassesAskedError


_NOT_ASKED: Final = _NotAsked()


def from_json(
    value: JsonValue,
    annotation: object = None,
    *,
    like: object = None,
) -> object:
    """Return the Python value of its JSON form.

    Args:
        value: What `to_json` gave.
        annotation: The type annotation whose classes `object` values may become.
        like: A value whose classes they may become too.

    Raises:
        ResultTypeError: The value was no JSON and its class is not named by the
            annotation, or it was unserialisable, or it is damaged.
    """
    if not isinstance(value, dict | list):
        return value
    try:
        try:
            return _decode(value, _NOT_ASKED)
        except _ClassesAskedError:
            return _decode(value, {**classes_in(like), **classes_of(annotation)})
    except ResultTypeError:
        raise
    except Exception as error:  # stored values may be damaged in any way
        kind = value.get(_TYPE) if isinstance(value, dict) else None
        raise ResultTypeError(str(kind or "JSON"), f"it is damaged: {error}") from error


def _decode(value: JsonValue, classes: Mapping[str, type]) -> object:
    if isinstance(value, list):
        return [_decode(item, classes) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get(_TYPE)
    if kind is None:
        return {key: _decode(item, classes) for key, item in value.items()}
    if kind == "object":
        return _object(value, classes)
    collection = _COLLECTIONS.get(str(kind))
    if collection is None:
        return _decode_scalar(str(kind), value)
    items = value["items"]
    if not isinstance(items, list):
        raise TypeError("no items")
    return collection([_decode(item, classes) for item in items])


_COLLECTIONS: Final[dict[str, Callable[[list[Any]], object]]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": lambda pairs: {_hashable(key): item for key, item in pairs},
}


def _hashable(key: object) -> object:
    return tuple(key) if isinstance(key, list) else key


def _decode_scalar(kind: str, value: JsonObject) -> object:
    if kind == "bytes":
        return base64.b64decode(str(value["base64"]), validate=True)
    read = _READERS.get(kind)
    if read is None:
        raise ResultTypeError(
            str(value.get("class", kind)),
            "it was not serialisable when it was recorded",
        )
    return read(str(value["value"]))


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
    "int": lambda text: int(text, 0),
    "str": lambda text: base64.b64decode(text).decode("utf-8", "surrogatepass"),
}


def _object(value: JsonObject, classes: Mapping[str, type]) -> object:
    name = str(value.get("class", ""))
    cls = find_class(name, classes)
    if cls is None:
        raise ResultTypeError(name, "the return annotation does not name this class")
    body = _decode(value.get("value"), classes)
    try:
        return build(cls, body)
    except Exception as error:
        raise ResultTypeError(name, f"{type(error).__name__}: {error}") from error
