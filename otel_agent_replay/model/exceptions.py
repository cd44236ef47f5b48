"""Exceptions as data and back.

Only classes of modules that are loaded already are used, nothing is asked of a
module that could answer with code, and no `__init__` runs but those of Python's own
exceptions: stored text never runs code.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, Final, cast

from otel_agent_replay.errors import RecordedError, ResultTypeError
from otel_agent_replay.model.call import RecordedException
from otel_agent_replay.model.native_classes import class_name, same_class
from otel_agent_replay.model.natives import from_json, to_json
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = ["rebuild_exception", "record_exception"]

_TYPE: Final = "$type"
_MAX_DEPTH: Final = 8
_FRAMES: Final = 100
"""The innermost: an exception that leaves many calls is written down by each."""
_HEAP_TYPE: Final = 1 << 9
"""`Py_TPFLAGS_HEAPTYPE`: set for all classes but those that Python is built of."""
_OWN_FIELDS: Final[Mapping[type, tuple[str, ...]]] = {
    ImportError: ("name", "path"),
    AttributeError: ("name",),
    NameError: ("name",),
}
"""What Python's own exceptions hold that is neither an argument nor in `__dict__`."""


# --- as data -------------------------------------------------------------------


def record_exception(error: BaseException) -> RecordedException:
    """Return an exception as data; never raises."""
    return _recorded(error, 0)


def _recorded(error: BaseException, depth: int) -> RecordedException:
    stands_for = error if isinstance(error, RecordedError) else None
    return RecordedException(
        type_name=stands_for.type_name if stands_for else class_name(type(error)),
        message=stands_for.message if stands_for else _message(error),
        args=None if stands_for else _arguments(error, depth),
        attributes={} if stands_for else _attributes(error),
        stacktrace=_stacktrace(error) if depth == 0 else "",
    )


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the agent's own __str__ may fail
        return ""


def _stacktrace(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error, limit=-_FRAMES))
    except Exception:  # noqa: BLE001 - it asks the agent's objects, and may be deep
        return ""


def _arguments(error: BaseException, depth: int) -> tuple[JsonValue, ...] | None:
    """Return what the exception can be made of again; None if it cannot."""
    try:
        found = [_argument(each, depth) for each in _made_of(error)]
    except Exception:  # noqa: BLE001 - the agent's own attributes may fail
        return None
    return tuple(found) if all(_comes_back(each) for each in found) else None


def _made_of(error: BaseException) -> Sequence[object]:
    if hasattr(type(error), "from_exception_data"):
        return _validation_errors(error)
    args = BaseException.__getattribute__(error, "args")
    if isinstance(error, OSError) and error.filename is not None and len(args) == 2:  # noqa: PLR2004 - number and text
        more = (None, error.filename2) if error.filename2 is not None else ()
        return (*args, error.filename, *more)
    return cast("tuple[object, ...]", args)


def _argument(value: object, depth: int) -> JsonValue:
    """Return an argument as JSON; the exceptions of a group are arguments too."""
    if isinstance(value, BaseException) and depth < _MAX_DEPTH:
        recorded = _recorded(value, depth + 1)
        return {_TYPE: "exception", "error": _nested_json(recorded)}
    if isinstance(value, list | tuple) and _has_exceptions(value):
        return [_argument(each, depth) for each in value]
    if isinstance(value, dict) and _has_exceptions(value.values()):
        return {str(name): _argument(each, depth) for name, each in value.items()}
    return to_json(value)


def _has_exceptions(values: Iterable[object]) -> bool:
    return any(isinstance(each, BaseException | _Lines) for each in values)


def _nested_json(recorded: RecordedException) -> JsonObject:
    return {
        "type": recorded.type_name,
        "message": recorded.message,
        "args": None if recorded.args is None else list(recorded.args),
        "attributes": recorded.attributes,
    }


def _attributes(error: BaseException) -> JsonObject:
    """Return what else the exception holds, as far as it can be given back."""
    try:
        held = dict(vars(error))
    except Exception:  # noqa: BLE001 - a class may answer for `__dict__` itself
        held = {}
    for cls, names in _OWN_FIELDS.items():
        if isinstance(error, cls):
            held |= {name: getattr(error, name, None) for name in names}
    encoded = {str(name): to_json(value) for name, value in held.items()}
    return {
        name: value
        for name, value in encoded.items()
        if value is not None and _comes_back(value)
    }


def _comes_back(value: JsonValue) -> bool:
    try:
        _native(value)
    except ResultTypeError:
        return False
    return True


# --- back ------------------------------------------------------------------------


def rebuild_exception(recorded: RecordedException) -> BaseException:
    """Return an exception of the recorded class, or a `RecordedError`.

    It has the recorded message, arguments, and those attributes that are values. A
    `RecordedError` that stands for it is of the nearest of Python's own classes too,
    such as `ValueError`.
    """
    cls = _loaded_class(recorded.type_name)
    if cls is None:
        return RecordedError(recorded.type_name, recorded.message)
    try:
        return _rebuilt(cls, recorded)
    except Exception:  # noqa: BLE001 - a class that cannot be made without its __init__
        return _stand_in(cls, recorded)


def _rebuilt(cls: type[BaseException], recorded: RecordedException) -> BaseException:
    args = (
        (recorded.message,)
        if recorded.args is None
        else tuple(_native(each) for each in recorded.args)
    )
    if hasattr(cls, "from_exception_data"):
        return _validation_error(cls, args)
    error = _made(cls, args, recorded.attributes)
    if _message(error) == recorded.message:
        return error
    saying = _saying(cls, recorded.message)
    if saying is not None:
        return _made(saying, args, recorded.attributes)
    error.args = (recorded.message,)
    # Such as Trio's `Cancelled`, which only Trio can make.
    return error if _message(error) else _stand_in(cls, recorded)


def _own_classes(cls: type) -> Iterator[type[BaseException]]:
    """Yield those of Python's own exceptions that a class is one of, nearest first."""
    own = (each for each in cls.__mro__ if not each.__flags__ & _HEAP_TYPE)
    yield from (each for each in own if issubclass(each, BaseException))


def _made(
    cls: type[BaseException],
    args: Sequence[object],
    attributes: JsonObject,
) -> BaseException:
    own: Any = next(_own_classes(cls))
    error: BaseException = own.__new__(cls, *args)
    own.__init__(error, *args)
    fields = [
        n for cls, ns in _OWN_FIELDS.items() if isinstance(error, cls) for n in ns
    ]
    for name, value in attributes.items():
        if name in fields:
            BaseException.__setattr__(error, name, _native(value))
        else:
            vars(error)[name] = _native(value)
    return error


def _saying(cls: type[BaseException], message: str) -> type[BaseException] | None:
    """Return the class with a fixed message, whatever its own `__str__` makes of it.

    None where making a subclass would run code.
    """
    names = {name for each in cls.__mro__[:-1] for name in vars(each)}
    if type(cls) is not type or "__init_subclass__" in names:
        return None
    own = {
        "__str__": lambda _: message,
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
    }
    return type(cls.__name__, (cls,), own)


def _stand_in(cls: type[BaseException], recorded: RecordedException) -> RecordedError:
    for own in _own_classes(cls):
        if issubclass(own, Exception) and own is not Exception:
            try:
                made: Any = type("RecordedError", (RecordedError, own), {})
                return cast("RecordedError", made(recorded.type_name, recorded.message))
            except TypeError:  # this one needs more than a message
                continue
    return RecordedError(recorded.type_name, recorded.message)


def _native(value: JsonValue) -> object:
    if isinstance(value, dict) and value.get(_TYPE) == "exception":
        return rebuild_exception(_nested(value.get("error")))
    if isinstance(value, list):
        return [_native(each) for each in value]
    if isinstance(value, dict) and _TYPE not in value:
        return {name: _native(each) for name, each in value.items()}
    return from_json(value)


def _nested(value: JsonValue) -> RecordedException:
    told = value if isinstance(value, dict) else {}
    args, attributes = told.get("args"), told.get("attributes")
    return RecordedException(
        type_name=str(told.get("type")),
        message=str(told.get("message")),
        args=tuple(args) if isinstance(args, list) else None,
        attributes=attributes if isinstance(attributes, dict) else {},
    )


def _loaded_class(name: str) -> type[BaseException] | None:
    module, _, qualified = name.partition(":")
    found = _class_in(sys.modules.get(module), qualified)
    if found is not None:
        return found
    # A script's own class is in another module where the script is imported.
    alike = [each for each in _loaded() if same_class(class_name(each), name)]
    return alike[0] if len(alike) == 1 else None


def _class_in(module: object, qualified: str) -> type[BaseException] | None:
    found = module
    for part in qualified.split("."):
        # Asking the module itself could make it import what it does not have.
        if isinstance(found, ModuleType):
            names = object.__getattribute__(found, "__dict__")
        elif isinstance(found, type):
            names = type.__getattribute__(found, "__dict__")
        else:
            return None
        found = names.get(part)
    if isinstance(found, type) and issubclass(found, BaseException):
        return found
    return None


def _loaded() -> Iterator[type[BaseException]]:
    waiting: list[type[BaseException]] = [BaseException]
    while waiting:
        below = type.__subclasses__(waiting.pop())
        waiting += below
        yield from below


# --- Pydantic's ------------------------------------------------------------------


class _Lines(dict[str, object]):
    """An error of a validation; exceptions may stand in its context."""


def _validation_errors(error: Any) -> Sequence[object]:  # noqa: ANN401 - Pydantic may be absent
    """Return title and errors of a `pydantic.ValidationError`; it has no arguments."""
    return (error.title, [_line(each) for each in error.errors(include_url=False)])


def _line(line: Mapping[str, object]) -> _Lines:
    given = line.get("input")
    kept = given if _comes_back(to_json(given)) else None
    context = cast("Mapping[str, object]", line.get("ctx") or {})
    return _Lines({**line, "input": kept, "ctx": _Lines(context)})


def _validation_error(cls: Any, args: Sequence[object]) -> BaseException:  # noqa: ANN401 - Pydantic may be absent
    title, lines = cast("tuple[str, list[dict[str, Any]]]", args)
    custom = sys.modules["pydantic_core"].PydanticCustomError
    details = []
    for line in lines:
        detail = {name: line[name] for name in ("type", "loc", "input", "ctx")}
        try:
            cls.from_exception_data(title, [detail])
        except (KeyError, TypeError):  # a type of the application's own
            own = custom(line["type"], line["msg"], line["ctx"] or None)
            detail = {"type": own, "loc": line["loc"], "input": line["input"]}
        details.append(detail)
    error: BaseException = cls.from_exception_data(title, details)
    error.args = ()
    return error
