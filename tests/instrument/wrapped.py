"""Functions to decorate, and what is recorded of them."""

from __future__ import annotations

import dataclasses

from otel_agent_replay import tool
from tests.instrument.tape import recorded


class BoomError(Exception):
    """What goes wrong."""


@dataclasses.dataclass
class Page:
    title: str


def plain(a: int, /, b: int = 2, *more: int, c: int = 3, **rest: int) -> list[int]:
    """Adds nothing up."""
    return [a, b, *more, c, *rest.values()]


async def later(a: int) -> int:
    return a


@tool
def double(number: int) -> int:
    return 2 * number


def inputs_of(function, *args, **kwargs):
    with recorded() as tape:
        function(*args, **kwargs)
    return tape.only.call.inputs


class Shop:
    """Methods of every kind, decorated in either order."""

    def __init__(self, name: str) -> None:
        self.name = name

    @tool
    def look(self, word: str) -> str:
        return f"{self.name} {word}"

    @classmethod
    @tool
    def inner_class(cls, word: str) -> str:
        return f"{cls.__name__} {word}"

    @tool
    @classmethod
    def outer_class(cls, word: str) -> str:
        return f"{cls.__name__} {word}"

    @staticmethod
    @tool
    def inner_static(word: str) -> str:
        return word

    @tool
    @staticmethod
    def outer_static(word: str) -> str:
        return word

    @tool
    @staticmethod
    async def static_later(word: str) -> str:
        return word

    @property
    @tool
    def title(self) -> str:
        return self.name.title()
