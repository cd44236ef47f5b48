"""What takes long is shown while it lasts: on a terminal, on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from otel_agent_replay.cli.plain import clean_line

__all__ = ["working"]


@contextmanager
def working(what: str) -> Iterator[Callable[[str], None]]:
    """Show what is being done and for how long, in a line that goes away.

    Gives what replaces the words. Nothing is shown where standard error is no
    terminal, or one that cannot go back in a line.
    """
    console = Console(stderr=True)
    columns = (
        SpinnerColumn("line"),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns,
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not console.is_terminal or console.is_dumb_terminal,
    ) as shown:
        task = shown.add_task(clean_line(what), total=None)
        yield lambda words: shown.update(task, description=clean_line(words))
