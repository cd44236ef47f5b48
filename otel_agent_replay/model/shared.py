"""JSON objects that many requests share, and what was read off them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from otel_agent_replay.model.payload import JsonValue

__all__ = ["SharedObject", "once"]

_T = TypeVar("_T")


class SharedObject(dict[str, JsonValue]):
    """A JSON object that stands in one request after the other; nobody changes it.

    Attributes:
        made: What functions of it alone gave, by function; see `once`.
    """

    __slots__ = ("made",)

    def __init__(self, value: dict[str, JsonValue]) -> None:
        super().__init__(value)
        self.made: dict[object, object] = {}


def once(read: Callable[[JsonValue], _T]) -> Callable[[JsonValue], _T]:
    """Return a pure function that reads each shared object only once.

    It then gives the same result, not only an equal one.
    """

    def reading(value: JsonValue) -> _T:
        if type(value) is not SharedObject:
            return read(value)
        known = value.made.get(read)
        if known is None:
            known = value.made[read] = read(value)
        return known  # type: ignore[return-value] # what `read` gave

    return reading
