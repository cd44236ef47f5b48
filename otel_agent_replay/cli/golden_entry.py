"""Which function of the user's code an agent is, read off the code without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

__all__ = ["Entry", "found_entry", "named_entry"]

_SKIPPED: Final = frozenset({"tests", "test", "node_modules", "build", "dist", "docs"})
_DEPTH: Final = 3
_MOST_FILES: Final = 2000
_LARGEST: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The function that a test calls.

    Attributes:
        module: Its module, as tests import it.
        function: Its name there.
        is_async: Whether it is a coroutine function.
        is_known: Whether its code was found.
    """

    module: str
    function: str
    is_async: bool = False
    is_known: bool = True


def named_entry(text: str, folder: Path) -> Entry:
    """Return the entry that `module:function` names.

    Raises:
        click.BadParameter: It names none.
    """
    module, colon, function = text.partition(":")
    parts = [*module.split("."), function]
    if not colon or not all(part.isidentifier() for part in parts):
        message = f"{text!r} is not like my_agent:run or package.module:function"
        raise click.BadParameter(message, param_hint="--entry")
    for root in _roots(folder):
        path = root.joinpath(*module.split("."))
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            for node in _functions(file):
                if node.name == function:
                    is_async = isinstance(node, ast.AsyncFunctionDef)
                    return Entry(module=module, function=function, is_async=is_async)
    return Entry(module=module, function=function, is_known=False)


def found_entry(agent: str, folder: Path) -> Entry:
    """Return the one function below a folder that is decorated as this agent.

    Raises:
        click.UsageError: There is none, or several are.
    """
    found = [*_entries(agent, folder)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(sorted(f"{each.module}:{each.function}" for each in found))
        message = f"Several functions are the agent {agent!r}: {names}. Choose: --entry"
    else:
        message = (
            f"No function here is decorated as the agent {agent!r}. Say which one runs "
            "it: --entry my_agent:run"
        )
    raise click.UsageError(message)


def _roots(folder: Path) -> list[Path]:
    return [root for root in (folder / "src", folder) if root.is_dir()]


def _entries(agent: str, folder: Path) -> Iterator[Entry]:
    seen: set[Path] = set()
    for root in _roots(folder):
        for path in _files(root):
            if path in seen or len(seen) >= _MOST_FILES:
                continue
            seen.add(path)
            for node in _functions(path):
                if agent in _agent_names(node):
                    yield Entry(
                        module=_module(path.relative_to(root)),
                        function=node.name,
                        is_async=isinstance(node, ast.AsyncFunctionDef),
                    )


def _files(root: Path, depth: int = 0) -> Iterator[Path]:
    for path in sorted(root.iterdir()):
        hidden = path.name.startswith((".", "_")) and path.name != "__init__.py"
        if hidden or path.is_symlink():
            continue
        if path.is_file() and path.suffix == ".py":
            yield path
        elif path.is_dir() and depth < _DEPTH and path.name not in _SKIPPED:
            yield from _files(path, depth + 1)


def _module(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the functions that a file defines at its top; none if it does not parse."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _agent_names(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Yield the names of the agent that a function's decorators make of it."""
    for each in node.decorator_list:
        called = each.func if isinstance(each, ast.Call) else each
        name = called.attr if isinstance(called, ast.Attribute) else None
        name = called.id if isinstance(called, ast.Name) else name
        if name != "agent":
            continue
        given = (
            [k.value for k in each.keywords if k.arg == "name"]
            if isinstance(each, ast.Call)
            else []
        )
        if not given:
            yield node.name
        elif isinstance(given[0], ast.Constant) and isinstance(given[0].value, str):
            yield given[0].value
