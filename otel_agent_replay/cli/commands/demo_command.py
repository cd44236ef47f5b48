"""`agent-replay demo`."""

from __future__ import annotations

import importlib.util
import tempfile
import time
from pathlib import Path
from typing import Final

import click

from otel_agent_replay.cli.demo.stage import Stage
from otel_agent_replay.cli.demo.story import play
from otel_agent_replay.cli.exit_codes import ExitCode
from otel_agent_replay.cli.plain import clean_line
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.cli.terminal import Screen

__all__ = ["command"]

_NEEDED: Final = ("openai", "pytest")


@click.command(
    cls=TeachingCommand,
    examples=("agent-replay demo", "agent-replay demo --keep incident"),
)
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Work in this new directory and leave agent, store and test there.",
)
def command(keep: Path | None) -> None:
    """Play an incident through the whole loop, on this machine alone.

    An agent that searches an empty index again and again is recorded, shown, replayed
    with its model switched off, forked with a fix, compared, and turned into a
    regression test. Every step is checked; the exit code is 0 only if all hold.
    """
    missing = [each for each in _NEEDED if importlib.util.find_spec(each) is None]
    if missing:
        click.echo(
            f"error: The demo needs {' and '.join(missing)}, not installed here.\n"
            "hint: pip install 'otel-agent-replay[demo]'",
            err=True,
        )
        raise click.exceptions.Exit(ExitCode.CHECK_FAILED)
    began = time.monotonic()
    stage = Stage(Screen())
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="agent-replay-demo-") as folder:
            play(stage, Path(folder))
    else:
        if keep.exists() and any(keep.iterdir()):
            raise click.BadParameter(f"{keep} is not empty", param_hint="--keep")
        try:
            keep.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"{keep}: {error.strerror or error}"
            raise click.BadParameter(message, param_hint="--keep") from error
        play(stage, keep)
    took = time.monotonic() - began
    stage.say(f"\nAll {stage.checks} checks hold. It took {took:.1f} s.", "bold green")
    if keep is not None:
        stage.say(f"Everything is in {clean_line(str(keep))}; look around from there.")
    stage.say("Now your own agent: agent-replay record -- python your_agent.py")
