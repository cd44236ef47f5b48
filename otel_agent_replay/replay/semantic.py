"""Model calls told apart by what was said, where no wire bytes were recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from otel_agent_replay.model.canonical import canonical_text
from otel_agent_replay.model.messages import Message, ModelRequest, Part
from otel_agent_replay.model.payload import JsonValue, parse_json
from otel_agent_replay.model.step import Step

__all__ = ["is_semantic", "said"]

_ROLES: Final = {
    "ai": "assistant",
    "developer": "system",
    "function": "tool",
    "human": "user",
    "model": "assistant",
}
"""Words of SDKs and frameworks for the roles that the conventions know."""
_UNSAID: Final = frozenset({"reasoning", "thinking"})
"""Parts that some providers want back and others refuse; no instrumentation tells."""


def is_semantic(step: Step) -> bool:
    """Return whether a model step has what was said, and no bytes of it."""
    return step.call.kind == "model" and step.call.request is None


def said(request: ModelRequest) -> bytes:
    """Return one text for requests in which the same was said to the same model.

    System instructions count wherever they stand; a tool's result is its tool's, in
    whatever role it is sent. Ids of tool calls count by which call they name, for SDKs
    make up some of them. Parameters and tool definitions do not count: few
    instrumentations tell them whole.
    """
    ids: dict[str, int] = {}
    turns: list[JsonValue] = [
        *(["system", part] for part in _parts(request.system, ids)),
        *_turns(request.messages, ids),
    ]
    return canonical_text([request.model, turns])


def _turns(messages: Iterable[Message], ids: dict[str, int]) -> Iterator[JsonValue]:
    for message in messages:
        role = _ROLES.get(message.role, message.role)
        for part in _parts(message.parts, ids):
            is_result = isinstance(part, dict) and "result" in part
            yield ["tool" if is_result else role, part]


def _parts(parts: Iterable[Part], ids: dict[str, int]) -> Iterator[JsonValue]:
    for part in parts:
        kind = part.get("type")
        if kind in _UNSAID:
            continue
        if kind == "text":
            yield {"text": part.get("content")}
        elif kind == "tool_call":
            call: JsonValue = _json(part.get("arguments"))
            yield {"call": part.get("name"), "of": _number(part, ids), "with": call}
        elif kind == "tool_call_response":
            found = part.get("response", part.get("result"))
            yield {"result": _json(found), "of": _number(part, ids)}
        else:
            yield {name: value for name, value in part.items() if name != "id"}


def _number(part: Part, ids: dict[str, int]) -> int | None:
    name = part.get("id")
    return ids.setdefault(name, len(ids)) if isinstance(name, str) else None


def _json(value: JsonValue) -> JsonValue:
    """Return what a text holds, where it is JSON: providers send either."""
    if not isinstance(value, str):
        return value
    try:
        return parse_json(value.encode())
    except ValueError:
        return value
