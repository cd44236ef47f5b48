"""Randomness of numpy, where it is there: unseeded generators, and the global one."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from otel_agent_replay.errors import ResultTypeError
from otel_agent_replay.instrument.effects.randomness import picked, taken
from otel_agent_replay.instrument.effects.reading import Read, asked_by, read
from otel_agent_replay.instrument.effects.swapping import swap, swap_in_modules
from otel_agent_replay.instrument.effects.values import (
    bytes_json,
    json_bytes,
    json_number,
    number_json,
)
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = ["install"]

_SEED: Final = 16
"""Bytes of entropy that numpy takes for a generator."""
_LEGACY_SEED: Final = 4
_VALUES: Final = (
    "rand",
    "randn",
    "randint",
    "random",
    "random_sample",
    "ranf",
    "sample",
    "uniform",
    "normal",
    "standard_normal",
    "beta",
    "binomial",
    "exponential",
    "gamma",
    "poisson",
    "lognormal",
)
_PLAIN: Final = frozenset("?bhilqBHILQefdg")
"""Type codes of arrays that are nothing but numbers."""


def install(module: ModuleType) -> None:
    """Take reads of numpy's randomness."""
    codec = (_array_json, functools.partial(_json_array, sys.modules["numpy"]))
    swapped = swap(module, "default_rng", _seeding(module.default_rng, _SEED))
    swapped |= swap(module, "seed", _seeding(module.seed, _LEGACY_SEED))
    for name in _VALUES:
        made = taken("numpy.random", getattr(module, name), codec)
        swapped |= swap(module, name, made)
    for name in ("shuffle", "permutation"):
        swapped |= swap(module, name, _reordering(getattr(module, name)))
    swapped |= swap(module, "choice", _choosing(module.choice, codec))
    swap_in_modules(swapped)


def _seeding(original: Callable[..., Any], size: int) -> Callable[..., Any]:
    @functools.wraps(original)
    def seed(seed: Any = None, **kwargs: Any) -> Any:
        frame = sys._getframe(1)  # noqa: SLF001 - whose code reads decides
        place = asked_by("random", frame) if seed is None and not kwargs else None
        if place is None:
            return original(seed, **kwargs)
        name = f"numpy.random.{original.__name__}"
        what = Read(kind="random", name=name, place=place, inputs={})
        drawn = read(what, lambda: os.urandom(size), bytes_json, json_bytes)
        return original(int.from_bytes(drawn))

    return seed


def _reordering(original: Callable[..., Any]) -> Callable[..., Any]:
    """Draw the order of places instead of objects."""
    name = original.__name__

    @functools.wraps(original)
    def reorder(x: Any, *more: Any) -> Any:
        frame = sys._getframe(1)  # noqa: SLF001 - whose code reads decides
        place = asked_by("random", frame)
        if place is None or more:
            return original(x, *more)
        numpy = sys.modules["numpy"]
        values = numpy.arange(x) if _is_whole(x) else x

        def draw() -> list[int]:
            places = numpy.arange(len(values))
            mixed = original(places)
            found: list[int] = (places if mixed is None else mixed).tolist()
            return found

        if name == "permutation":
            values = numpy.asarray(values)
        order = picked(f"numpy.random.{name}", place, len(values), {}, draw)
        if name == "permutation":
            return values[order]
        # A row of an array is a view, which would change with it.
        is_array = isinstance(values, numpy.ndarray)
        old = [numpy.copy(each) for each in values] if is_array else [*values]
        for at, index in enumerate(order):
            values[at] = old[index]
        return None

    return reorder


def _choosing(
    original: Callable[..., Any], codec: tuple[Any, Any]
) -> Callable[..., Any]:
    """Draw places instead of objects."""

    @functools.wraps(original)
    def choice(a: Any, size: Any = None, replace: Any = True, p: Any = None) -> Any:  # noqa: FBT002 - numpy's
        frame = sys._getframe(1)  # noqa: SLF001 - whose code reads decides
        place = asked_by("random", frame)
        values = None if _is_whole(a) else sys.modules["numpy"].asarray(a)
        of = int(a) if values is None else values.size
        if place is None or not of or (values is not None and values.ndim != 1):
            return original(a, size, replace, p)
        inputs: JsonObject = {"of": of, "size": str(size), "replace": bool(replace)}

        def draw() -> Any:
            return original(of, size, replace, p)

        what = Read(
            kind="random", name="numpy.random.choice", place=place, inputs=inputs
        )
        drawn = read(what, draw, *codec)
        return drawn if values is None else values[drawn]

    return choice


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | sys.modules["numpy"].integer)


def _array_json(value: Any) -> JsonValue:
    """Return a number, or an array of numbers as its type, shape and bytes."""
    if isinstance(value, bool | int | float):
        return number_json(value)
    shape: list[JsonValue] = [int(each) for each in value.shape]
    return {"type": value.dtype.str, "shape": shape, "bytes": value.tobytes().hex()}


def _json_array(numpy: ModuleType, value: JsonValue) -> Any:
    if isinstance(value, bool | int | float | str):
        return json_number(value)
    try:
        kind = numpy.dtype(value["type"])  # type: ignore[index, call-overload]
        if kind.char not in _PLAIN:
            raise ResultTypeError("ndarray", f"of {kind}")
        held = numpy.frombuffer(json_bytes(value["bytes"]), kind)  # type: ignore[index, call-overload]
        found = held.reshape(value["shape"]).copy()  # type: ignore[index, call-overload]
    except (TypeError, KeyError, ValueError) as error:
        raise ResultTypeError("ndarray", str(error)) from error
    return found if found.shape else found[()]
