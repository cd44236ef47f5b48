"""Changes inside a JSON text that leave every other byte of it as it was."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from otel_agent_replay.model.payload import JsonValue, dump_json

__all__ = ["JsonPath", "insert_first", "remove_at", "set_at"]

JsonPath: TypeAlias = tuple[str | int, ...]

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_DECODER: Final = json.JSONDecoder(strict=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Child:
    """Where a member of an object, or an item of a list, stands in the text."""

    key: str | int
    start: int
    value_start: int
    end: int


def set_at(content: str, path: JsonPath, value: JsonValue) -> str:
    """Return the text with the value at a path replaced; missing keys are added.

    `content` must be valid JSON. A path through something that is no container
    changes nothing.
    """
    if not path:
        return dump_json(value)
    if not _is_container(content):
        return content
    children = _children(content)
    child = _find(children, path[0])
    if child is None:
        return _added(content, path, value, empty=not children)
    inner = set_at(content[child.value_start : child.end], path[1:], value)
    return content[: child.value_start] + inner + content[child.end :]


def remove_at(content: str, path: JsonPath) -> str:
    """Return the text without the member or item at a path; as it was if absent."""
    if not path or not _is_container(content):
        return content
    children = _children(content)
    child = _find(children, path[0])
    if child is None:
        return content
    if len(path) > 1:
        inner = remove_at(content[child.value_start : child.end], path[1:])
        return content[: child.value_start] + inner + content[child.end :]
    position = children.index(child)
    if position + 1 < len(children):
        return content[: child.start] + content[children[position + 1].start :]
    start = children[position - 1].end if position else child.start
    return content[:start] + content[child.end :]


def insert_first(content: str, path: JsonPath, value: JsonValue) -> str:
    """Return the text with an item put at the front of the list at a path."""
    if path:
        child = _find(_children(content), path[0]) if _is_container(content) else None
        if child is None:
            return content
        inner = insert_first(content[child.value_start : child.end], path[1:], value)
        return content[: child.value_start] + inner + content[child.end :]
    if not content.lstrip().startswith("["):
        return content
    opening = content.index("[") + 1
    comma = "," if _children(content) else ""
    return content[:opening] + dump_json(value) + comma + content[opening:]


def _is_container(content: str) -> bool:
    return content.lstrip()[:1] in {"{", "["}


def _find(children: list[_Child], key: str | int) -> _Child | None:
    """Return the last child of that key, the one that a parser lets win."""
    return next((child for child in reversed(children) if child.key == key), None)


def _added(content: str, path: JsonPath, value: JsonValue, *, empty: bool) -> str:
    if not content.lstrip().startswith("{"):
        return content
    for key in reversed(path[1:]):
        value = {str(key): value}
    closing = content.rindex("}")
    member = f"{dump_json(str(path[0]))}:{dump_json(value)}"
    return content[:closing] + ("" if empty else ",") + member + content[closing:]


def _children(content: str) -> list[_Child]:
    """Return the members or items of the container that a JSON text is."""
    position = _skip(content, 0)
    is_object = content[position] == "{"
    position = _skip(content, position + 1)
    found: list[_Child] = []
    while content[position] not in "}]":
        start = position
        key: str | int = len(found)
        if is_object:
            key, position = _DECODER.raw_decode(content, position)
            position = _skip(content, _skip(content, position) + 1)
        _, end = _DECODER.raw_decode(content, position)
        found.append(_Child(key=key, start=start, value_start=position, end=end))
        position = _skip(content, end)
        if content[position] == ",":
            position = _skip(content, position + 1)
    return found


def _skip(content: str, position: int) -> int:
    space = _SPACE.match(content, position)
    return space.end() if space else position
