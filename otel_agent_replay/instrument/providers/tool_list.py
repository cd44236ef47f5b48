"""The list of tools that a model is offered, changed in a wire request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from otel_agent_replay.instrument.providers.json_access import json_or_none
from otel_agent_replay.instrument.providers.json_edit import remove_at, set_at
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = ["with_tools"]

_CHOICES: Final = ("tool_choice", "toolConfig", "parallel_tool_calls")
"""What a request may not say that offers no tools."""
_ALLOWED: Final = "allowedFunctionNames"
_FUNCTIONS: Final = "functionDeclarations"
_GEMINI: Final = "gemini"


def with_tools(api: str, original: bytes, tools: Sequence[JsonValue]) -> bytes:
    """Return a request that offers these tools; as it was if it offers none.

    A choice that is limited to tools, one of which is gone, goes too: a provider would
    refuse the request.

    Args:
        api: The codec's name of the API.
        original: The request's body.
        tools: Names of tools to keep of those it offers, and tools to offer besides:
            `name`, `description` and `parameters` (a JSON schema), written as the API
            has them, or what the API has itself.
    """
    wire = json_or_none(original)
    offered = wire.get("tools") if isinstance(wire, dict) else None
    if not isinstance(wire, dict) or not isinstance(offered, list) or not offered:
        return original
    is_gemini = api.startswith(_GEMINI)
    known = _flat(offered) if is_gemini else offered
    by_name = {_name(each): each for each in known}
    wanted = [
        by_name.get(each) if isinstance(each, str) else _written(api, each)
        for each in tools
    ]
    found = [each for each in wanted if each is not None]
    content = original.decode("utf-8-sig")
    if found:
        value: JsonValue = _grouped(found) if is_gemini else [*found]
        content = set_at(content, ("tools",), value)
        gone = {*by_name} - {_name(each) for each in found}
        unsaid = [name for name in _CHOICES if gone & {*_chosen(wire.get(name))}]
    else:
        unsaid = ["tools", *_CHOICES]
    for name in unsaid:
        if name in wire:
            content = remove_at(content, (name,))
    return content.encode()


def _chosen(choice: JsonValue) -> Iterator[str]:
    """Yield the names of tools that a choice is limited to."""
    if isinstance(choice, dict):
        for name, value in choice.items():
            if name == "name" and isinstance(value, str):
                yield value
            elif name == _ALLOWED and isinstance(value, list):
                yield from (each for each in value if isinstance(each, str))
            else:
                yield from _chosen(value)
    elif isinstance(choice, list):
        for each in choice:
            yield from _chosen(each)


def _name(tool: JsonValue) -> str:
    """Return what a tool is called: a built-in one by its type."""
    if not isinstance(tool, dict):
        return ""
    inner = tool.get("function") or tool.get("custom")
    inside = inner.get("name") if isinstance(inner, dict) else None
    only = next(iter(tool), "") if len(tool) == 1 else ""
    return str(tool.get("name") or inside or tool.get("type") or only)


def _written(api: str, tool: JsonValue) -> JsonValue:
    """Return a tool as the API has it; one that is written so already stays."""
    if not isinstance(tool, dict) or not {*tool} <= {
        "name",
        "description",
        "parameters",
    }:
        return tool
    if api == "openai.chat":
        return {"type": "function", "function": tool}
    if api == "openai.responses":
        return {"type": "function", **tool}
    if api.startswith("anthropic"):
        said = {k: v for k, v in tool.items() if k != "parameters"}
        return {**said, "input_schema": tool.get("parameters", {"type": "object"})}
    return tool


def _flat(tools: Sequence[JsonValue]) -> list[JsonValue]:
    """Return Gemini's functions and built-in tools, each by itself."""
    found: list[JsonValue] = []
    for each in tools:
        if not isinstance(each, dict):
            continue
        functions = each.get(_FUNCTIONS)
        found += functions if isinstance(functions, list) else []
        found += [{key: value} for key, value in each.items() if key != _FUNCTIONS]
    return found


def _grouped(tools: Sequence[JsonValue]) -> list[JsonValue]:
    """Return Gemini's tools as its API takes them: all functions in one."""
    functions = [each for each in tools if isinstance(each, dict) and "name" in each]
    others: list[JsonValue] = [each for each in tools if each not in functions]
    together: JsonObject = {_FUNCTIONS: [*functions]}
    return [together, *others] if functions else others
