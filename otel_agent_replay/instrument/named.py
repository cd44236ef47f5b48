"""Tools named in the configuration: recorded without an edit of their code.

A module's function is wrapped right after the module was executed, so whoever
imports it from there gets the wrapped one; where it was imported before, modules that
hold it by a name get the wrapped one too. A function of the script itself
(`__main__:name`) is wrapped at the first line after its `def`; see `watching`.
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, cast

from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.instrument.on_import import whenever_imported
from otel_agent_replay.instrument.watching import MAIN, watch_main
from otel_agent_replay.instrument.wrapping import wrap_tool
from otel_agent_replay.model.call import Effect

__all__ = ["NamedTool", "install", "not_found", "parse_tool"]

_LOGGER: Final = logging.getLogger("otel_agent_replay")
_NAMED: Final = "__agent_replay_named__"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTool:
    """A function to record: `path` is dotted inside the module."""

    module: str
    path: str
    effect: Effect

    def __str__(self) -> str:
        return f"{self.module}:{self.path}"


_asked: Final[dict[str, NamedTool]] = {}
"""What was asked for and has not been looked for yet."""


def parse_tool(text: str) -> NamedTool:
    """Return the tool that a setting names: `module:function[=read|write]`.

    Raises:
        ConfigurationError: It names none.
    """
    target, separator, effect = (part.strip() for part in text.partition("="))
    module, _, path = (part.strip() for part in target.partition(":"))
    if not separator:
        effect = "read"
    names = [*module.split("."), *path.split(".")]
    if not all(name.isidentifier() for name in names) or effect not in _EFFECTS:
        raise ConfigurationError(
            "tools",
            f"{text!r} is not module:function or module:function=write",
        )
    return NamedTool(module=module, path=path, effect=cast("Effect", effect))


_EFFECTS: Final = ("read", "write")


def install(tools: Sequence[str]) -> None:
    """Wrap the named functions, each as soon as it is there.

    A name that is not there is warned of, and never an error of the agent's.

    Raises:
        ConfigurationError: A name has no meaning; nothing has been wrapped then.
    """
    by_module: defaultdict[str, list[NamedTool]] = defaultdict(list)
    for tool in [parse_tool(text) for text in tools]:
        by_module[tool.module].append(tool)
        _asked[str(tool)] = tool
    for module, named in by_module.items():
        if module == MAIN:
            names = {tool.path.partition(".")[0] for tool in named}
            watch_main({name: _Wrapping(_of_name(named, name)) for name in names})
            continue
        was_there = sys.modules.get(module)
        whenever_imported(module, _Wrapping(tuple(named)))
        if was_there is not None:
            _rebind(was_there, named)


def _of_name(tools: Iterable[NamedTool], name: str) -> tuple[NamedTool, ...]:
    return tuple(tool for tool in tools if tool.path.partition(".")[0] == name)


def not_found() -> list[str]:
    """Return the tools that were named and whose module has never been there."""
    return sorted(_asked)


@dataclass(frozen=True)
class _Wrapping:
    """Wraps tools in their module; equal ones do the same."""

    tools: tuple[NamedTool, ...]

    def __call__(self, module: ModuleType) -> None:
        for tool in self.tools:
            _asked.pop(str(tool), None)
            try:
                _wrap_in(module, tool)
            except (AttributeError, TypeError, ConfigurationError) as error:
                _LOGGER.warning(
                    "The tool %s cannot be recorded: %s. Nothing is recorded for it; "
                    "check `tools`.",
                    tool,
                    error,
                )


def _wrap_in(module: ModuleType, tool: NamedTool) -> None:
    owner: Any = module
    *outer, name = tool.path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    # A class gives out its static and class methods unwrapped.
    is_class = isinstance(owner, type)
    function = inspect.getattr_static(owner, name) if is_class else getattr(owner, name)
    if getattr(function, _NAMED, tool.effect) != tool.effect:
        function = function.__wrapped__  # it was named before, with another effect
    wrapped = wrap_tool(function, tool.effect)
    if wrapped is function:
        return
    vars(wrapped)[_NAMED] = tool.effect
    setattr(owner, name, wrapped)


def _rebind(module: ModuleType, tools: Iterable[NamedTool]) -> None:
    """Let modules that imported a tool from its module before have the wrapped one."""
    found: list[Any] = [vars(module).get(tool.path) for tool in tools]
    wrapped = {id(each.__wrapped__): each for each in found if hasattr(each, _NAMED)}
    for other in [*sys.modules.values()]:
        if not wrapped or type(other) is not ModuleType:
            continue
        names = vars(other)
        for name, value in [*names.items()]:
            if id(value) in wrapped:
                names[name] = wrapped[id(value)]
