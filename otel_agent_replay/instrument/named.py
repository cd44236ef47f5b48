"""Tools named in the configuration: recorded without an edit of their code.

A module's function is wrapped right after the module was executed, so whoever
imports it from there gets the wrapped one. A function of the script itself
(`__main__:name`) is wrapped at the first line after its `def`, by a trace function
that sees the script's own frame only and goes away when all are wrapped.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, cast

from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.instrument.on_import import when_imported
from otel_agent_replay.instrument.wrapping import wrap_tool
from otel_agent_replay.model.call import Effect

__all__ = ["NamedTool", "install", "parse_tool"]

_MAIN: Final = "__main__"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTool:
    """A function to record: `path` is dotted inside the module."""

    module: str
    path: str
    effect: Effect


def parse_tool(text: str) -> NamedTool:
    """Return the tool that a setting names: `module:function[=read|write]`.

    Raises:
        ConfigurationError: It names none.
    """
    target, _, effect = text.partition("=")
    module, colon, path = target.strip().partition(":")
    effect = effect.strip() or "read"
    if not (module and colon and path) or effect not in {"read", "write"}:
        raise ConfigurationError(
            "tools",
            f"{text!r} is not module:function or module:function=write",
        )
    return NamedTool(module=module, path=path, effect=cast("Effect", effect))


def install(tools: Sequence[str]) -> None:
    """Wrap the named functions, each as soon as it is there.

    Raises:
        ConfigurationError: A name has no meaning.
    """
    by_module: defaultdict[str, list[NamedTool]] = defaultdict(list)
    for text in tools:
        tool = parse_tool(text)
        by_module[tool.module].append(tool)
    for module, named in by_module.items():
        if module == _MAIN:
            _watch_main(named)
        else:
            when_imported(module, _wrapper_of(named))


def _wrapper_of(tools: Sequence[NamedTool]) -> Callable[[object], None]:
    def wrap_all(module: object) -> None:
        for tool in tools:
            _wrap_in(module, tool)

    return wrap_all


def _wrap_in(owner: object, tool: NamedTool) -> None:
    *outer, name = tool.path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    function = getattr(owner, name)
    setattr(owner, name, wrap_tool(function, tool.effect))


def _watch_main(tools: Sequence[NamedTool]) -> None:
    """Wrap functions of the script while it is being executed, or at once."""
    waiting = {tool.path: tool for tool in tools}

    def wrap_present(names: dict[str, Any]) -> bool:
        for path in [p for p in waiting if p in names]:
            names[path] = wrap_tool(names[path], waiting.pop(path).effect)
        return not waiting

    def on_line(frame: FrameType, event: str, argument: object) -> Any:  # noqa: ANN401
        del event, argument
        if wrap_present(frame.f_globals):
            sys.settrace(None)
            return None
        return on_line

    def on_call(frame: FrameType, event: str, argument: object) -> Any:  # noqa: ANN401
        del event, argument
        is_script = (
            frame.f_code.co_name == "<module>"
            and frame.f_globals.get("__name__") == _MAIN
        )
        return on_line if is_script else None

    if not wrap_present(vars(sys.modules[_MAIN])):
        sys.settrace(on_call)
