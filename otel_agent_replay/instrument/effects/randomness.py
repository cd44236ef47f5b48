"""Randomness: `random`, `secrets`, `os.urandom`, `uuid`."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final
from uuid import UUID, SafeUUID

from otel_agent_replay.errors import ResultTypeError
from otel_agent_replay.instrument.effects.reading import THROUGH, Read, asked_by, read
from otel_agent_replay.instrument.effects.swapping import swap
from otel_agent_replay.instrument.effects.values import (
    bytes_json,
    json_as,
    json_bytes,
    json_int,
    json_number,
    json_text,
    number_json,
)
from otel_agent_replay.model.natives import to_json
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = ["install", "picked", "taken"]

_Swapped = dict[int, tuple[Any, Any]]
_Codec = tuple[Callable[[Any], JsonValue], Callable[[JsonValue], Any]]

_PASS_ON: Final = THROUGH | {"random", "secrets"}
_WHOLE: Final[_Codec] = (number_json, json_int)
_NUMBER: Final[_Codec] = (number_json, json_number)
_BYTES: Final[_Codec] = (bytes_json, json_bytes)
_SEED: Final = 32
"""Bytes of a seed."""
_VALUES: Final[dict[str, _Codec]] = {
    "randint": _WHOLE,
    "randrange": _WHOLE,
    "getrandbits": _WHOLE,
    "binomialvariate": _WHOLE,
    "randbytes": _BYTES,
    **dict.fromkeys(
        (
            "random",
            "uniform",
            "triangular",
            "betavariate",
            "expovariate",
            "gammavariate",
            "gauss",
            "lognormvariate",
            "normalvariate",
            "vonmisesvariate",
            "paretovariate",
            "weibullvariate",
        ),
        _NUMBER,
    ),
}
_POPULATION: Final = ("seq", "population")
"""What the argument that is picked out of is called."""
_UUIDS: Final = ("uuid1", "uuid4", "uuid6", "uuid7", "uuid8")


def install(random: ModuleType, secrets: ModuleType, uuid: ModuleType) -> _Swapped:
    """Take reads of randomness; return the functions that were replaced."""
    swapped: _Swapped = {}
    for name, codec in _VALUES.items():
        if hasattr(random, name):
            original = getattr(random, name)
            swapped |= swap(random, name, taken("random", original, codec))
    for name in ("choice", "choices", "sample"):
        swapped |= swap(random, name, _picking(getattr(random, name)))
    swapped |= swap(random, "shuffle", _shuffling(random.shuffle))
    swapped |= swap(random, "seed", _seeding(random.seed, bound=True))
    random.Random.seed = _seeding(random.Random.seed, bound=False)
    source = random.SystemRandom
    for name in ("random", "getrandbits", "randbytes"):
        of_class = vars(source).get(name)
        if of_class is not None:
            method = taken("secrets", of_class, _VALUES[name], skip=1)
            setattr(source, name, method)
    # It has the method as it was when `secrets` was imported.
    swapped |= swap(secrets, "randbits", source().getrandbits)
    swapped |= swap(os, "urandom", taken("os", os.urandom, _BYTES))
    for name in _UUIDS:
        if hasattr(uuid, name):
            made = taken("uuid", getattr(uuid, name), (_uuid_json, _json_uuid))
            swapped |= swap(uuid, name, made)
    return swapped


def taken(
    module: str, original: Callable[..., Any], codec: _Codec, *, skip: int = 0
) -> Callable[..., Any]:
    """Return a function whose values are recorded and answered.

    Args:
        module: What the read is named by, with the function's name.
        original: The function.
        codec: Writes its values, and reads them again.
        skip: How many first arguments do not tell calls apart: a method's object.
    """

    @functools.wraps(original)
    def drawn(*args: Any, **kwargs: Any) -> Any:
        frame = sys._getframe(1)  # noqa: SLF001 - whose code reads decides
        place = asked_by("random", frame, _PASS_ON)
        if place is None:
            return original(*args, **kwargs)
        inputs: JsonObject = {}
        if args[skip:]:
            inputs["args"] = to_json(list(args[skip:]))
        if kwargs:
            inputs["kwargs"] = to_json(kwargs)
        name = f"{module}.{original.__name__}"
        what = Read(kind="random", name=name, place=place, inputs=inputs)
        return read(what, lambda: original(*args, **kwargs), *codec)

    return drawn


# --- what picks out of the caller's own objects --------------------------------------


def picked(
    name: str, place: str, of: int, options: JsonObject, draw: Callable[[], list[int]]
) -> list[int]:
    """Return which places were picked out of so many; the objects stay the caller's."""
    inputs: JsonObject = {"of": of, **options}
    what = Read(kind="random", name=name, place=place, inputs=inputs)

    def load(value: JsonValue) -> list[int]:
        found = value if isinstance(value, list) else [None]
        indices = [each for each in found if isinstance(each, int) and 0 <= each < of]
        if len(indices) != len(found):
            raise ResultTypeError("list", f"it picks {value!r} out of {of}")
        return indices

    return read(what, draw, lambda indices: [*indices], load)


def _picking(original: Callable[..., Any]) -> Callable[..., Any]:
    """Draw among places instead of objects: from as many, by the same draws."""
    name = original.__name__

    @functools.wraps(original)
    def pick(*args: Any, **kwargs: Any) -> Any:
        frame = sys._getframe(1)  # noqa: SLF001 - whose code reads decides
        place = asked_by("random", frame, _PASS_ON)
        named = next((each for each in _POPULATION if each in kwargs), "")
        population: Any = args[0] if args else kwargs.get(named)
        if place is None or not hasattr(population, "__getitem__"):
            return original(*args, **kwargs)
        rest, of = args[1:], len(population)
        others = {key: each for key, each in kwargs.items() if key != named}
        options: JsonObject = {}
        if rest or others:
            options = {"args": to_json(list(rest)), "kwargs": to_json(others)}

        def draw() -> list[int]:
            found = original(range(of), *rest, **others)
            return found if isinstance(found, list) else [found]

        indices = picked(f"random.{name}", place, of, options, draw)
        found = [population[index] for index in indices]
        return found[0] if name == "choice" else found

    return pick


def _shuffling(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def shuffle(x: Any, *more: Any, **kwargs: Any) -> None:
        frame = sys._getframe(1)  # noqa: SLF001 - whose code reads decides
        place = asked_by("random", frame, _PASS_ON)
        if place is None or more or kwargs:
            return original(x, *more, **kwargs)

        def draw() -> list[int]:
            places = list(range(len(x)))
            original(places)
            return places

        old = [x[index] for index in range(len(x))]
        order = picked("random.shuffle", place, len(old), {}, draw)
        for at, index in enumerate(order):
            x[at] = old[index]
        return None

    return shuffle


def _seeding(original: Callable[..., None], *, bound: bool) -> Callable[..., None]:
    """Seed from a recorded number where the operating system's would be taken.

    `random.Random()` ends here too.
    """

    @functools.wraps(original)
    def seed(*args: Any, **kwargs: Any) -> None:
        given = args if bound else args[1:]
        value = given[0] if given else kwargs.get("a")
        frame = sys._getframe(1)  # noqa: SLF001 - whose code reads decides
        place = asked_by("random", frame, _PASS_ON) if value is None else None
        if place is None:
            return original(*args, **kwargs)
        what = Read(kind="random", name="random.seed", place=place, inputs={})
        drawn = read(what, lambda: os.urandom(_SEED), *_BYTES)
        number = int.from_bytes(drawn)
        return original(number) if bound else original(args[0], number)

    return seed


# --- UUIDs ---------------------------------------------------------------------------


def _uuid_json(value: UUID) -> JsonValue:
    safe = value.is_safe
    return str(value) if safe is SafeUUID.unknown else [str(value), safe.name]


def _json_uuid(value: JsonValue) -> UUID:
    text, safe = value if isinstance(value, list) else (value, "unknown")
    known = json_as("SafeUUID", lambda name: SafeUUID[json_text(name)], safe)
    return json_as("UUID", lambda found: UUID(found, is_safe=known), text)
