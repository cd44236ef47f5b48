"""What the overhead benchmark's calls are: growing conversations, and an answerer.

Nothing here needs this project or a peer: it runs in the interpreter of each.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx

__all__ = ["URL", "Answering", "Exchange", "conversations", "near"]

URL: Final = "https://api.openai.com/v1"
_MODEL: Final = "gpt-4o"
_TOPICS: Final = (
    *("reservation", "flight", "passenger", "cabin", "luggage", "refund", "payment"),
    *("certificate", "membership", "itinerary", "delay", "insurance", "policy"),
)
_TOOLS_FROM: Final = 10_000
"""From this payload on a request has the tools of a whole agent, 9 KB of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One chat call.

    Attributes:
        request: What is asked, as keyword arguments of the client.
        sent: The same as it goes over the wire.
        answer: The wire response.
        texts: Every text that a whole record of the call has: those of messages,
            tool calls, tool definitions, and the answer.
    """

    request: dict[str, Any]
    sent: bytes
    answer: bytes
    texts: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of request and response."""
        return len(self.sent) + len(self.answer)


class _Pieces(httpx.SyncByteStream):
    """A response body as it comes from a socket: not there until it is read."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        yield self._body


class Answering(httpx.BaseTransport):
    """Answers every request in the process, with the body it was given last."""

    def __init__(self) -> None:
        self.body = b""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer."""
        request.read()
        length = str(len(self.body))
        headers = [
            ("content-type", "application/json"),
            ("content-length", length),
            ("date", "Mon, 02 Mar 2026 10:00:00 GMT"),
            ("openai-processing-ms", "412"),
            ("x-request-id", "req_0123456789abcdef"),
        ]
        return httpx.Response(200, headers=headers, stream=_Pieces(self.body))


def conversations(size: int, number: int) -> Iterator[list[Exchange]]:
    """Yield conversations, each with its calls, growing to a size in bytes."""
    messages = _messages()
    for _ in range(number):
        yield list(_growing(size, messages))


def near(size: int, number: int) -> list[Exchange]:
    """Return calls of about that size, in the order of their conversations."""
    found: list[Exchange] = []
    for calls in conversations(size, 1000):
        found.extend(each for each in calls if each.size >= 0.8 * size)
        if len(found) >= number:
            break
    return found[:number]


def _growing(size: int, messages: Iterator[dict[str, Any]]) -> Iterator[Exchange]:
    tools = _tools(12 if size >= _TOOLS_FROM else 1)
    said: list[dict[str, Any]] = []
    while True:
        for each in messages:
            if each["role"] == "assistant" and said:
                made = _exchange(said, tools, each)
                said.append(each)
                break
            said.append(each)
        if made.size > 1.1 * size:
            return
        yield made


def _exchange(
    said: Sequence[dict[str, Any]],
    tools: list[dict[str, Any]],
    answer: dict[str, Any],
) -> Exchange:
    request = {
        "model": _MODEL,
        "messages": [dict(each) for each in said],
        "tools": tools,
        "temperature": 0.0,
    }
    response = {
        "id": "chatcmpl-0123456789",
        "object": "chat.completion",
        "created": 1772445600,
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": answer, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 60, "total_tokens": 960},
    }
    return Exchange(
        request=request,
        sent=json.dumps(request, separators=(",", ":")).encode(),  # noqa: TID251 - as the client writes it
        answer=json.dumps(response).encode(),  # noqa: TID251
        texts=tuple(_texts([*said, answer], tools)),
    )


def _texts(
    messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]]
) -> Iterator[str]:
    for message in messages:
        if message.get("content"):
            yield message["content"]
        for call in message.get("tool_calls") or ():
            yield call["function"]["name"]
            yield from _strings(json.loads(call["function"]["arguments"]))
    for tool in tools:
        function = tool["function"]
        yield function["name"]
        yield function["description"]
        for about in function["parameters"]["properties"].values():
            yield about["description"]


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)


def _messages() -> Iterator[dict[str, Any]]:
    """Yield the messages of conversations one after another, without end.

    Those of real runs in the folder that AGENT_REPLAY_CORPUS names, if it is there.
    """
    folder = os.environ.get("AGENT_REPLAY_CORPUS")
    paths = sorted(Path(folder).glob("trajectories/*.json")) if folder else []
    runs = [run["traj"] for path in paths for run in json.loads(path.read_bytes())]
    for turn in count():
        if runs:
            # The system prompt alone is longer than a small payload.
            yield from (m for m in runs[turn % len(runs)] if m["role"] != "system")
        else:
            yield from _synthetic(random.Random(turn))  # noqa: S311 - words, not secrets


def _synthetic(chance: random.Random) -> Iterator[dict[str, Any]]:
    for turn in range(20):
        yield {"role": "user", "content": _prose(chance, 25)}
        call_id = f"call_{turn}_{chance.randrange(1 << 30)}"
        arguments = json.dumps({"query": _prose(chance, 8)})  # noqa: TID251
        called = {"name": "tool_0", "arguments": arguments}
        yield {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": call_id, "type": "function", "function": called}],
        }
        yield {"role": "tool", "tool_call_id": call_id, "content": _prose(chance, 90)}
        yield {"role": "assistant", "content": _prose(chance, 60)}


def _tools(number: int) -> list[dict[str, Any]]:
    chance = random.Random(number)  # noqa: S311
    return [
        {
            "type": "function",
            "function": {
                "name": f"tool_{each}",
                "description": _prose(chance, 25),
                "parameters": {
                    "type": "object",
                    "properties": {
                        f"field_{part}": {
                            "type": "string",
                            "description": _prose(chance, 12),
                        }
                        for part in range(3)
                    },
                    "required": ["field_0"],
                },
            },
        }
        for each in range(number)
    ]


def _prose(chance: random.Random, words: int) -> str:
    return " ".join(
        f"{chance.choice(_TOPICS)}{chance.randrange(1000)}" for _ in range(words)
    )
