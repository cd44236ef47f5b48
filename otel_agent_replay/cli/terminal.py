"""Where tables and text go: a terminal, or a file or pipe that wants plain lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import click
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from otel_agent_replay.cli.plain import clean, clean_line
from otel_agent_replay.model.payload import JsonValue, dump_json

__all__ = ["Column", "Screen", "print_json", "text"]

_UNBROKEN: Final = 100_000
"""Width of what is no terminal: nothing is wrapped or cut for it."""
_GAP: Final = 2
_NARROWEST: Final = 8


def text(content: str, style: str = "", *, lines: bool = False) -> Text:
    """Return data as text that is shown as it is: no markup, no control characters."""
    return Text((clean if lines else clean_line)(content), style=style)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its heading.
        number: Whether it is aligned to the right.
        wide: Whether it is cut where the terminal is too narrow.
        spare: Whether it is left out where that does not suffice, the last one first.
    """

    name: str
    number: bool = False
    wide: bool = False
    spare: bool = False


class Screen:
    """Standard output or standard error, with colours on a terminal only."""

    def __init__(self, *, stderr: bool = False) -> None:
        plain = Console(stderr=stderr)
        self.is_terminal = plain.is_terminal
        self._console = Console(
            stderr=stderr,
            markup=False,
            highlight=False,
            emoji=False,
            width=None if plain.is_terminal else _UNBROKEN,
        )

    def print(self, what: RenderableType = "", style: str | None = None) -> None:
        """Print text or a table; lines end with no spaces where it is no terminal."""
        if self.is_terminal:
            self._console.print(what, style=style)
            return
        with self._console.capture() as captured:
            self._console.print(what, style=style)
        for line in captured.get().splitlines() or [""]:
            print(line.rstrip(), file=self._console.file, flush=True)

    def heading(self, content: str) -> None:
        """Print the heading of a part."""
        self.print()
        self.print(text(content, "bold"))

    def print_table(
        self, columns: Sequence[Column], rows: Sequence[Sequence[Text]]
    ) -> None:
        """Print rows under headings, a line each, without boxes."""
        made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
        widths = _widths(columns, rows, self._console.width)
        for index, width in widths.items():
            made.add_column(
                columns[index].name,
                justify="right" if columns[index].number else "left",
                no_wrap=True,
                overflow="ellipsis",
                width=width,
            )
        for row in rows:
            made.add_row(*(row[index] for index in widths))
        self.print(made)


def _widths(
    columns: Sequence[Column], rows: Sequence[Sequence[Text]], available: int
) -> dict[int, int]:
    """Return which columns are shown, and how wide.

    What is missing is taken off the wide ones; then spare ones are left out.
    """
    widths = {
        index: max([len(column.name), *(row[index].cell_len for row in rows)])
        for index, column in enumerate(columns)
    }
    least = {
        index: min(width, _NARROWEST) if columns[index].wide else width
        for index, width in widths.items()
    }
    spare = [index for index, column in enumerate(columns) if column.spare]
    while spare and _excess(least, available) > 0:
        last = spare.pop()
        del widths[last], least[last]
    for _ in range(_excess(widths, available)):
        widest = max(widths, key=lambda index: widths[index] - least[index])
        widths[widest] = max(widths[widest] - 1, least[widest])
    return widths


def _excess(widths: Mapping[int, int], available: int) -> int:
    """Return by how much columns of these widths are too wide together."""
    return sum(widths.values()) + _GAP * (len(widths) - 1) - available


def print_json(value: JsonValue) -> None:
    """Print JSON on one line of standard output."""
    click.echo(dump_json(value))
