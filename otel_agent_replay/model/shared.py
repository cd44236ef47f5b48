"""JSON objects that many requests share, and what was read off them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = ["Conversation", "SharedObject", "each_once", "once_around"]

_T = TypeVar("_T")


class SharedObject(dict[str, JsonValue]):
    """A JSON object that stands in one request after the other; nobody changes it.

    Attributes:
        made: What functions of it alone gave, by function; see `each_once`.
    """

    __slots__ = ("made",)

    def __init__(self, value: dict[str, JsonValue]) -> None:
        super().__init__(value)
        self.made: dict[object, object] = {}


class Conversation(dict[str, JsonValue]):
    """A request's body, of which all but one list stands in others too.

    Attributes:
        name: The list's.
        around: The body without it.
    """

    __slots__ = ("around", "name")

    def __init__(self, around: SharedObject, name: str, said: list[JsonValue]) -> None:
        super().__init__(around)
        self[name] = said
        self.around = around
        self.name = name


def each_once(
    read: Callable[[JsonValue], _T], values: Iterable[JsonValue]
) -> tuple[_T, ...]:
    """Return what a pure function makes of values; each shared object is read once.

    It then gives the same result, not only an equal one.
    """
    # One comprehension: a long conversation costs no call for what has been read.
    return tuple(
        [
            value.made.get(read) or _made(read, value)  # type: ignore[misc] # as `read`
            if type(value) is SharedObject
            else read(value)
            for value in values
        ]
    )


def once_around(read: Callable[[JsonObject], _T], body: JsonObject, name: str) -> _T:
    """Return what a pure function reads off a body, but for the list of that name.

    It is read once for all bodies that share what stands around the list.
    """
    if type(body) is Conversation and body.name == name:
        return _made(read, body.around)
    return read(body)


def _made(read: Callable[..., _T], value: SharedObject) -> _T:
    known = value.made.get(read)
    if known is None:
        known = value.made[read] = read(value)
    return known  # type: ignore[return-value] # what `read` gave
