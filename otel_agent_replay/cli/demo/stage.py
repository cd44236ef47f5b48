"""How the demo looks: headings, commands, checks."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

import click
from rich.text import Text

from otel_agent_replay.cli.app import cli
from otel_agent_replay.cli.exit_codes import ExitCode
from otel_agent_replay.cli.terminal import Screen, text

__all__ = ["Stage"]


class Stage:
    """Shows what the demo does and checks what comes of it."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._acts = 0
        self.checks = 0

    def act(self, heading: str, told: str) -> None:
        """Begin a part."""
        self._acts += 1
        self._screen.print()
        head = ((f" {self._acts} ", "bold reverse"), (f" {heading}", "bold"))
        self._screen.print(Text.assemble(*head))
        self._screen.print(text(told, "dim", lines=True))

    def show(self, words: Sequence[str], program: str = "agent-replay") -> None:
        """Show a command as a person would type it."""
        typed = ["python" if word == sys.executable else word for word in words]
        line = " ".join(word if word == "--" else shlex.quote(word) for word in typed)
        self._screen.print()
        self._screen.print(Text.assemble(("$ ", "green"), text(f"{program} {line}")))

    def run(self, *words: str) -> int:
        """Show a command of `agent-replay` and run it; return its exit code."""
        self.show(words)
        code = cli.main([*words], prog_name="agent-replay", standalone_mode=False)
        return code if isinstance(code, int) else ExitCode.OK

    def check(self, claim: str, *, holds: bool, found: object = None) -> None:
        """Show that a claim holds; end the demo if it does not."""
        if holds:
            self.checks += 1
            self._screen.print(Text.assemble(("✓ ", "bold green"), text(claim)))
            return
        self._screen.print(Text.assemble(("✗ ", "bold red"), text(claim, "red")))
        if found is not None:
            self._screen.print(text(f"  found: {found}"))
        raise click.exceptions.Exit(ExitCode.CHECK_FAILED)

    def say(self, words: str, style: str = "") -> None:
        """Print a line."""
        self._screen.print(text(words, style, lines=True))
