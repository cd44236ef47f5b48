"""Classes of structured values: what they are made of, and how they are made again."""

from __future__ import annotations

import dataclasses
import enum
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol, cast

from otel_agent_replay.model.payload import JsonValue

__all__ = [
    "build",
    "class_name",
    "classes_in",
    "classes_of",
    "fields_of",
    "find_class",
    "numpy_scalar",
    "same_class",
]

_MAX_LOOKED_AT: Final = 10_000
_SCRIPT: Final = frozenset({"__main__", "__mp_main__"})
"""What a script is called as a module while it runs; imported it has its own name."""


def class_name(cls: type) -> str:
    """Return `module:qualified.Name` of a class."""
    return f"{cls.__module__}:{cls.__qualname__}"


def same_class(one: str, other: str) -> bool:
    """Return whether two class names mean one class, of a script run or imported."""
    module, _, name = one.partition(":")
    other_module, _, other_name = other.partition(":")
    script = bool({module, other_module} & _SCRIPT)
    return one == other or (script and name == other_name)


class _Attribute(Protocol):
    """A field of an attrs class."""

    name: str
    alias: str
    init: bool


# --- what a value is made of ---------------------------------------------------


def fields_of(value: object) -> tuple[object] | None:
    """Return what a structured object is made of, or None if it is none.

    Raises:
        Exception: Whatever the object raises when it is asked.
    """
    cls = type(value)
    if isinstance(value, enum.Enum):
        return (value.value if isinstance(value, enum.Flag) else value.name,)
    if dataclasses.is_dataclass(cls):
        return ({f.name: getattr(value, f.name) for f in dataclasses.fields(cls)},)
    if hasattr(cls, "model_dump"):
        return (_dumped(value),)
    if hasattr(cls, "__attrs_attrs__"):
        return ({a.name: getattr(value, a.name) for a in _attributes(cls)},)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return (value._asdict(),)
    return _array(value)


def _dumped(model: Any) -> object:  # noqa: ANN401 - any Pydantic model
    # What was computed from the fields is left out: it could not be given back.
    dump = model.model_dump
    try:
        return cast("object", dump(mode="json", round_trip=True, warnings=False))
    except TypeError:  # something else that has a method of this name
        return cast("object", dump(mode="json"))


def _attributes(cls: type) -> tuple[_Attribute, ...]:
    return cast("tuple[_Attribute, ...]", getattr(cls, "__attrs_attrs__", ()))


_ARRAY: Final = "numpy:ndarray"
_ARRAY_KINDS: Final = frozenset("biufcSU")


def _array(value: Any) -> tuple[object] | None:  # noqa: ANN401 - NumPy may be absent
    if class_name(type(value)) != _ARRAY or value.dtype.kind not in _ARRAY_KINDS:
        return None
    return ({"dtype": value.dtype.str, "items": value.tolist()},)


def numpy_scalar(value: Any) -> tuple[object] | None:  # noqa: ANN401 - NumPy may be absent
    """Return the Python scalar that a NumPy scalar holds, None for anything else."""
    if type(value).__module__ != "numpy" or not hasattr(value, "dtype"):
        return None
    if value.ndim or value.dtype.kind not in _ARRAY_KINDS:
        return None
    return (value.item(),)


# --- which classes may be made ---------------------------------------------------


def classes_of(annotation: object) -> dict[str, type]:
    """Return the classes an annotation names, and those their fields name."""
    found: dict[str, type] = {}
    seen: dict[int, object] = {}
    waiting = [annotation]
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen[id(current)] = current
        waiting.extend(_named_in(current))
        if isinstance(current, type):
            found[class_name(current)] = current
            if _has_fields(current):
                waiting.extend(_hints(current).values())
    return found


def _named_in(annotation: object) -> list[object]:
    found = [*typing.get_args(annotation), typing.get_origin(annotation)]
    if type(annotation).__name__ == "TypeAliasType":
        found.append(getattr(annotation, "__value__", None))
    if isinstance(annotation, enum.Enum):  # in a `Literal`
        found.append(type(annotation))
    return found


def _has_fields(cls: type) -> bool:
    marks = ("__dataclass_fields__", "_fields", "__attrs_attrs__", "__total__")
    return any(hasattr(cls, mark) for mark in marks)


def _hints(cls: type) -> dict[str, object]:
    try:
        return typing.get_type_hints(cls)
    except Exception:  # noqa: BLE001 - an annotation that cannot be read names nothing
        return {}


def classes_in(value: object) -> dict[str, type]:
    """Return the classes of the structured objects in a value."""
    found: dict[str, type] = {}
    seen: set[int] = set()
    waiting: list[object] = [value]
    while waiting and len(seen) < _MAX_LOOKED_AT:
        current = waiting.pop()
        if isinstance(current, str | bytes | int | float) or id(current) in seen:
            if isinstance(current, enum.Enum):
                found[class_name(type(current))] = type(current)
            continue
        seen.add(id(current))
        cls = type(current)
        if _has_fields(cls) or hasattr(cls, "model_dump") or _is_enum(cls):
            found[class_name(cls)] = cls
            found |= classes_of(cls)
        waiting.extend(_members(current))
    return found


def _is_enum(cls: type) -> bool:
    return issubclass(cls, enum.Enum)


def _members(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        yield from value
    elif _has_fields(type(value)):
        names = _hints(type(value))
        yield from (getattr(value, name, None) for name in names)


def find_class(name: str, classes: Mapping[str, type]) -> type | None:
    """Return the class of a name: one of these, or a loaded subclass of one."""
    found = classes.get(name)
    if found is not None:
        return found
    named = [cls for cls in classes.values() if cls is not object]
    known = [*named, *_below(named)]
    return next((cls for cls in known if same_class(class_name(cls), name)), None)


def _below(classes: Iterable[type]) -> Iterator[type]:
    waiting = [*classes]
    seen: set[type] = set()
    while waiting:
        below: list[type] = type.__subclasses__(waiting.pop())
        for cls in below:
            if cls not in seen:
                seen.add(cls)
                waiting.append(cls)
                yield cls


# --- made again ------------------------------------------------------------------


def build(cls: type, body: object) -> object:
    """Return an object of a class, made of what `fields_of` gave.

    Raises:
        Exception: It cannot be made of that.
    """
    if issubclass(cls, enum.Enum):
        return cls(body) if issubclass(cls, enum.Flag) else cls[str(body)]
    if hasattr(cls, "model_validate"):
        return _validated(cls, body)
    fields = cast("dict[str, Any]", body)
    if class_name(cls) == _ARRAY:
        return _made_array(fields)
    if dataclasses.is_dataclass(cls):
        given = {f.name: f.name for f in dataclasses.fields(cls) if f.init}
        return _made(cls, fields, given)
    if hasattr(cls, "__attrs_attrs__"):
        given = {a.name: a.alias for a in _attributes(cls) if a.init}
        return _made(cls, fields, given)
    return cls(**fields)


def _validated(cls: Any, body: object) -> object:  # noqa: ANN401 - any Pydantic model
    validate: Callable[..., object] = cls.model_validate
    try:
        return validate(body, by_alias=True, by_name=True)
    except TypeError:  # Pydantic before 2.11
        return validate(body)


def _made(cls: type, fields: Mapping[str, Any], given: Mapping[str, str]) -> object:
    """Give the constructor what it takes, and set the rest as it was."""
    made: object = cls(
        **{given[name]: fields[name] for name in fields if name in given}
    )
    for name in fields.keys() - given.keys():
        object.__setattr__(made, name, fields[name])
    return made


def _made_array(fields: Mapping[str, JsonValue]) -> object:
    kind = str(fields["dtype"])
    if kind.lstrip("<>|=")[:1] not in _ARRAY_KINDS:
        raise TypeError(kind)
    # Who names the class in an annotation has imported it.
    return cast("object", sys.modules["numpy"].array(fields["items"], dtype=kind))
