"""A function as the seam sees it: its calls, and what it gives back of a recorded one."""

from __future__ import annotations

import functools
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from otel_agent_replay.errors import ResultTypeError
from otel_agent_replay.model.call import Call, Effect, Kind
from otel_agent_replay.model.natives import from_json, to_json
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = ["Subject", "return_annotation", "signature_of"]

if sys.version_info >= (3, 14):
    from annotationlib import Format

    # A name that only type checkers import must not cost the names of parameters.
    _READING: Final[Mapping[str, Any]] = {"annotation_format": Format.FORWARDREF}
else:
    _READING: Final[Mapping[str, Any]] = {}

T = TypeVar("T")
_FUNCTIONS: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A function as the seam sees it.

    Attributes:
        function: The function.
        signature: Its signature; None where it has none.
        receiver: Name of the parameter that takes the object or class of a method.
        kind, name, effect, attributes: As its calls have them.
    """

    function: Callable[..., Any]
    signature: inspect.Signature | None
    receiver: str | None
    kind: Kind
    name: str
    effect: Effect
    attributes: JsonObject

    def call(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Call:
        """Return the call with these arguments, as they are now."""
        return Call(
            kind=self.kind,
            name=self.name,
            inputs=self._inputs(args, kwargs),
            effect=self.effect,
            attributes=self.attributes,
        )

    def _inputs(
        self, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> JsonObject:
        """Return the arguments by parameter name, defaults filled in."""
        bound = self._bound(args, kwargs)
        if bound is None:
            return {"args": to_json(list(args)), "kwargs": to_json(kwargs)}
        found: JsonObject = {}
        for name, value in bound.arguments.items():
            kind = bound.signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                found |= _further(name, value, bound.signature)
            elif kind is inspect.Parameter.VAR_POSITIONAL:
                found[name] = to_json(list(value))
            elif name != self.receiver:
                found[name] = to_json(value)
        return found

    def _bound(
        self, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> inspect.BoundArguments | None:
        if self.signature is None:
            return None
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError:  # the call itself will say what is wrong with it
            return None
        bound.apply_defaults()
        return bound

    def arguments(
        self, call: Call, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> tuple[tuple[object, ...], dict[str, object]]:
        """Return the arguments of a call that stands for the one with these.

        What is alike in both stays the object that it is.

        Raises:
            ResultTypeError: They cannot be had.
        """
        inputs, bound = dict(call.inputs or {}), self._bound(args, kwargs)
        if bound is None:
            named = _decoded(inputs.get("kwargs"), dict)
            return tuple(_decoded(inputs.get("args"), list)), named
        asked, hints = self._inputs(args, kwargs), _hints(self.function)
        for name, parameter in bound.signature.parameters.items():
            if name == self.receiver:
                continue
            if parameter.kind is parameter.VAR_KEYWORD:
                more = inputs.pop(name, inputs)
                bound.arguments[name] = _decoded(more, dict, hints.get(name))
                continue
            value = inputs.pop(name, asked.get(name))
            if repr(asked.get(name)) == repr(value):
                continue
            if parameter.kind is parameter.VAR_POSITIONAL:
                value = _decoded(value, list, hints.get(name))
                bound.arguments[name] = tuple(value)
            else:
                bound.arguments[name] = from_json(value, hints.get(name))
        return bound.args, bound.kwargs

    def native(self, value: JsonValue) -> Any:  # noqa: ANN401 - whatever it returns
        """Return a recorded value as what the function returns.

        Raises:
            ResultTypeError: It cannot be had.
        """
        if not isinstance(value, dict | list):
            return value
        return from_json(value, return_annotation(self.function))


def _decoded(value: JsonValue, kind: type[T], annotation: object = None) -> T:
    found = from_json(value, annotation)
    if not isinstance(found, kind):
        raise ResultTypeError(kind.__name__, "it is damaged")
    return found


def _further(
    name: str, more: Mapping[str, object], signature: inspect.Signature
) -> JsonObject:
    """Return what `**kwargs` took, each under its own name.

    Under the parameter's if one of them is called like a parameter: no two different
    calls may look the same.
    """
    if any(each in signature.parameters for each in more):
        return {name: to_json(dict(more))}
    return {each: to_json(value) for each, value in more.items()}


def signature_of(
    function: Callable[..., Any],
) -> tuple[inspect.Signature | None, str | None]:
    """Return a function's signature, and which parameter takes a method's object."""
    try:
        signature = inspect.signature(function, **_READING)
    except (TypeError, ValueError):  # some built-in functions have none
        return None, None
    first = next(iter(signature.parameters.values()), None)
    if first is None or first.kind in {first.KEYWORD_ONLY, first.VAR_KEYWORD}:
        return signature, None
    inside = getattr(function, "__qualname__", "").rpartition("<locals>.")[2]
    is_receiver = first.name == "self" or (first.name == "cls" and "." in inside)
    return signature, first.name if is_receiver else None


def return_annotation(function: object) -> object:
    """Return a function's return annotation; None where none can be read."""
    return _hints(function).get("return")


def _hints(function: object) -> dict[str, object]:
    while isinstance(function, functools.partial):
        function = function.func
    if not hasattr(function, "__annotations__"):
        function = getattr(type(function), "__call__", None)  # noqa: B004 - which, not whether
    try:
        return _read_hints(function)
    except Exception:  # noqa: BLE001 - an annotation that cannot be read names nothing
        return {}


@functools.lru_cache(maxsize=_FUNCTIONS)
def _read_hints(function: Callable[..., Any]) -> dict[str, object]:
    """Read them once; those that cannot be read yet are tried again."""
    return typing.get_type_hints(function)
