"""What the agents of the battery ask: every answer differs from the last one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import httpx

from otel_agent_replay.model.payload import JsonValue, parse_json

__all__ = ["CHAT", "LOOK_UP", "Outside", "World"]

LOOK_UP: Final = "https://tools.battery.test/look_up"
CHAT: Final = "https://api.openai.com/v1/chat/completions"
_PIECES: Final = 5
_UNTIL_ERROR: Final = 2
_SECONDS: Final = 0.02


class _Pieces(httpx.SyncByteStream):
    """An event stream; a broken one ends with an error after two pieces."""

    def __init__(self, number: int, *, broken: bool) -> None:
        self._number = number
        self._broken = broken

    def __iter__(self) -> Iterator[bytes]:
        for index in range(_PIECES):
            if self._broken and index == _UNTIL_ERROR:
                problem = "the connection broke"
                raise httpx.ReadError(problem)
            yield f'data: {{"piece": {index}, "seen": {self._number}}}\n\n'.encode()
        yield b"data: [DONE]\n\n"


@dataclass(slots=True)
class Outside:
    """Answers requests in the process, and counts them.

    Attributes:
        asked: How many requests reached it: in a replay none should.
        refuse: Statuses that the next model requests are answered with, in order.
        slow: Seconds that answers about a name take.
    """

    asked: int = 0
    refuse: list[int] = field(default_factory=list)
    slow: Mapping[str, float] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    def client(self) -> httpx.Client:
        """Return a client that reaches it."""
        return httpx.Client(transport=httpx.MockTransport(self._answer))

    def async_client(self) -> httpx.AsyncClient:
        """Return the same for tasks."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer_later))

    def look_up(self, name: str) -> JsonValue:
        """Ask about a name, over HTTP.

        Raises:
            ValueError: The name begins with "fails".
        """
        with self.client() as client:
            answer = client.post(LOOK_UP, json={"name": name})
        if answer.is_error:
            raise ValueError(answer.text)
        return parse_json(answer.content)

    async def look_up_later(self, name: str) -> JsonValue:
        """Ask about a name from a task."""
        async with self.async_client() as client:
            answer = await client.post(LOOK_UP, json={"name": name})
            return parse_json(answer.content)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        number = next(self._numbers)
        body = parse_json(request.content)
        asked = body if isinstance(body, dict) else {}
        if asked.get("stream"):
            kind = {"content-type": "text/event-stream"}
            pieces = _Pieces(number, broken=asked.get("user") == "broken")
            return httpx.Response(200, headers=kind, stream=pieces)
        if "messages" in asked:
            return self._said(number)
        name = str(asked.get("name"))
        if name.startswith("fails"):
            return httpx.Response(400, text=f"{name} for the {number}th time")
        return httpx.Response(200, json={"name": name, "seen": number})

    def _said(self, number: int) -> httpx.Response:
        if self.refuse:
            status = self.refuse.pop(0)
            return httpx.Response(status, json={"error": {"message": "later"}})
        message = {"role": "assistant", "content": f"answer {number}"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return httpx.Response(200, json={"id": f"c{number}", "choices": [choice]})

    async def _answer_later(self, request: httpx.Request) -> httpx.Response:
        body = parse_json(request.content)
        name = body.get("name") if isinstance(body, dict) else None
        await asyncio.sleep(self.slow.get(str(name), 0.0))
        return self._answer(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What an agent of the battery is given; nothing else of it leaves the process.

    Attributes:
        look_up: A tool: asks about a name; no two answers are alike.
        look_up_later: The same for tasks.
        agent: Marks a function as a sub-agent of a name.
        client: Opens an HTTP client.
    """

    look_up: Callable[[str], JsonValue]
    look_up_later: Callable[[str], Awaitable[JsonValue]]
    agent: Callable[[str, Callable[[str], JsonValue]], Callable[[str], JsonValue]]
    client: Callable[[], httpx.Client]
