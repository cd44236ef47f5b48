"""The environment: variables that the agent's code reads by name."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, Final

from otel_agent_replay.errors import ResultTypeError
from otel_agent_replay.instrument.effects.reading import THROUGH, Read, asked_by, read
from otel_agent_replay.instrument.effects.values import json_text
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = ["install"]

_PASS_ON: Final = THROUGH | {"os", "collections.abc"}
_OURS: Final = ("AGENT_REPLAY_", "OTEL_", "TRACEPARENT", "PYTEST_")
"""Beginnings of names that say how this process runs; a recording must not."""


class _Copying(threading.local):
    """Where this thread last asked for all names: code and instruction."""

    at: tuple[CodeType | None, int] = (None, 0)


_copying: Final = _Copying()


def install() -> None:
    """Take reads of `os.environ`; once."""
    cls: Any = type(os.environ)
    cls.__getitem__ = _getitem(cls.__getitem__)
    cls.keys = _keys(cls.keys)


def _keys(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def keys(self: Any) -> Any:
        frame = sys._getframe(1)  # noqa: SLF001 - see `_is_read`
        _copying.at = (frame.f_code, frame.f_lasti)
        return original(self)

    return keys


def _getitem(original: Callable[[Any, str], str]) -> Callable[[Any, str], str]:
    def getitem(self: Any, key: str) -> str:
        frame = sys._getframe(1)  # noqa: SLF001 - whose code reads decides
        place = None
        if self is os.environ and _is_read(frame, key):
            place = asked_by("environment", frame, _PASS_ON)
        if place is None:
            return original(self, key)
        found = _variable(key, place, lambda: original(self, key))
        if found is None:
            raise KeyError(key) from None
        return found

    return getitem


def _is_read(frame: FrameType, key: object) -> bool:
    """Return whether a variable of the agent's is read, by its name.

    `dict(os.environ)` asks for the names and then for each, in one instruction: that
    hands an environment on, and reads no variable.
    """
    code, instruction = _copying.at
    if code is frame.f_code and instruction == frame.f_lasti:
        return False
    return isinstance(key, str) and not key.startswith(_OURS)


def _variable(key: str, place: str, ask: Callable[[], str]) -> str | None:
    """Return a variable's value; None where it is not set."""
    inputs: JsonObject = {"variable": key}
    what = Read(kind="environment", name="os.environ", place=place, inputs=inputs)

    def live() -> str | None:
        try:
            return ask()
        except KeyError:
            return None

    def dump(value: str | None) -> JsonValue:
        return {key: value}  # under its name, which tells redaction what it is

    def load(value: JsonValue) -> str | None:
        if not isinstance(value, dict) or key not in value:
            raise ResultTypeError("str", "it is no variable")
        return None if value[key] is None else json_text(value[key])

    return read(what, live, dump, load)
