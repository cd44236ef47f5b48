"""What type checkers see of decorated functions; checked by `test_typing.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import assert_type

from otel_agent_replay import (
    agent,
    approval,
    checkpoint,
    memory,
    retrieval,
    step,
    tool,
)


@tool
def plain(word: str, *, count: int = 1) -> list[str]:
    return [word] * count


@tool(effect="write", name="send")
async def later(word: str) -> int:
    return len(word)


@agent(name="a", version="1")
def pieces(count: int) -> Iterator[int]:
    yield count


@step
async def pieces_later(count: int) -> AsyncIterator[int]:
    yield count


@retrieval
def find(topic: str) -> list[str]:
    return [topic]


@retrieval(source="docs")
def find_in(topic: str) -> list[str]:
    return [topic]


@memory
def remember(key: str) -> str:
    return key


@memory(operation="upsert_memory", store="facts")
def keep(key: str) -> None:
    del key


class Shop:
    @tool
    def look(self, word: str) -> str:
        return word

    @classmethod
    @tool
    def make(cls, word: str) -> Shop:
        del word
        return cls()

    @staticmethod
    @tool
    def twice(number: int) -> int:
        return 2 * number


async def use() -> None:
    assert_type(await later("a"), int)


assert_type(plain("a", count=2), list[str])
assert_type(pieces(1), Iterator[int])
assert_type(pieces_later(1), AsyncIterator[int])
assert_type(find("a"), list[str])
assert_type(find_in("a"), list[str])
assert_type(remember("a"), str)
keep("a")
assert_type(Shop().look("a"), str)
assert_type(Shop.make("a"), Shop)
assert_type(Shop.twice(1), int)
assert_type(checkpoint({"a": 1}), dict[str, int])
assert_type(approval("refund", ask=lambda: True, amount=3), bool)

plain(1)  # type: ignore[arg-type]
plain("a", number=2)  # type: ignore[call-arg]
find()  # type: ignore[call-arg]
Shop().look(1)  # type: ignore[arg-type]
wrong: Callable[[], int] = plain  # type: ignore[assignment]
tool(effect="delete")  # type: ignore[call-overload]
