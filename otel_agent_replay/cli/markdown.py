"""Markdown in which data is shown and does nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from otel_agent_replay.cli.plain import clean, clean_line
from otel_agent_replay.cli.wording import short

__all__ = ["block", "code", "table"]

_TICKS: Final = re.compile("`+")
_LEAST: Final = 3


def code(text: str, limit: int = 300) -> str:
    """Return data inside a line, as code; nothing for no text."""
    line = short(clean_line(text).strip(), limit)
    if not line:
        return ""
    fence = "`" * (_longest(line) + 1)
    # A fence that stands at the text's own backticks needs a space between.
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def block(text: str, language: str = "", limit: int = 6_000) -> str:
    """Return data as a block of code; what is cut is said."""
    shown = clean(text)
    if len(shown) > limit:
        left = len(shown) - limit
        shown = f"{shown[:limit]}\n… {left} more characters are left out"
    fence = "`" * max(_LEAST, _longest(shown) + 1)
    return f"{fence}{language}\n{shown}\n{fence}"


def _longest(text: str) -> int:
    return max((len(run) for run in _TICKS.findall(text)), default=0)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; cells are Markdown on one line."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    """Return a cell: a bar would end it, in code too."""
    return text.replace("\\", "\\\\").replace("|", "\\|") if "|" in text else text
