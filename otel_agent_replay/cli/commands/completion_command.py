"""`agent-replay completion`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click
from click.shell_completion import get_completion_class

from otel_agent_replay.cli.teaching import TeachingCommand

__all__ = ["command"]

_NAME: Final = "agent-replay"
_VARIABLE: Final = "_AGENT_REPLAY_COMPLETE"
_INSTALL: Final = {
    "bash": 'add to ~/.bashrc:  eval "$(agent-replay completion bash)"',
    "zsh": 'add to ~/.zshrc:  eval "$(agent-replay completion zsh)"',
    "fish": "agent-replay completion fish > ~/.config/fish/completions/"
    "agent-replay.fish",
}


@click.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay completion",
        'eval "$(agent-replay completion bash)"',
        "agent-replay completion fish > ~/.config/fish/completions/agent-replay.fish",
    ),
)
@click.argument("shell", type=click.Choice(sorted(_INSTALL)), required=False)
@click.pass_context
def command(context: click.Context, shell: str | None) -> None:
    """Print the script that completes commands, options and run ids.

    Without a shell's name it is for the one you are in, and standard error says how
    to have it in every session.
    """
    name = shell or Path(os.environ.get("SHELL", "")).name
    made = get_completion_class(name) if name in _INSTALL else None
    if made is None:
        choices = ", ".join(sorted(_INSTALL))
        raise click.UsageError(f"Name a shell: {choices}.", context)
    completion = made(context.find_root().command, {}, _NAME, _VARIABLE)
    click.echo(completion.source())
    if shell is None:
        click.echo(f"To have it in every session, {_INSTALL[name]}", err=True)
