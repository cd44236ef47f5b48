"""The command group: knows every command by name, imports only the one that runs."""

from __future__ import annotations

import difflib
import errno
import importlib
import logging
import os
import sys
from typing import Final, cast

import click

from otel_agent_replay._version import __version__
from otel_agent_replay.cli.exit_codes import ExitCode, exit_code_of
from otel_agent_replay.errors import AgentReplayError

__all__ = ["COMMANDS", "cli", "run"]

COMMANDS: Final[dict[str, dict[str, str]]] = {
    "Run a program": {
        "record": "Record what a program does, without an edit of it.",
        "replay": "Run a program with every call answered from a recorded run.",
        "resume": "Run a program on from where a recorded run stopped.",
        "fork": "Run a program on from a step of a recorded run, changed.",
    },
    "Read": {
        "runs": "List the recorded runs.",
        "show": "Show a run step by step, or one step in full.",
        "checkpoint": "Show everything needed to go on after a step.",
        "compare": "Align runs and show where they differ.",
        "bisect": "Find the smallest change that made one of two runs go wrong.",
        "tree": "Show the forks and replays around a run.",
        "incident": "Walk through a run that went wrong, and write its post-mortem.",
    },
    "Test": {
        "golden": "Keep recorded runs as regression tests, run by pytest.",
    },
    "Move": {
        "export": "Write a run into one self-contained file.",
        "import": "Store the run of such a file.",
        "push": "Send a run's spans to an OTLP receiver, such as Jaeger.",
        "recover": "Store what processes that were killed left in the spool.",
    },
    "Keep and erase": {
        "flag": "Mark a run, to find it again and keep it longer.",
        "unflag": "Take that mark off a run.",
        "prune": "Delete the runs that are past their days.",
        "erase": "Delete runs, or all runs for a user.",
        "store": "Show what a store costs, check it, or make one.",
    },
    "Get started": {
        "demo": "Record, replay, fork, compare and test an agent, offline.",
        "doctor": "Check installation, store and settings.",
        "completion": "Print the script that completes commands in a shell.",
    },
}
"""Headings, commands and what each does in a line: all that `--help` needs."""


class _Group(click.Group):
    """Loads a command when it is asked for; turns errors into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return [name for commands in COMMANDS.values() for name in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{__package__}.commands.{cmd_name}_command")
        return cast("click.Command", module.command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        close = difflib.get_close_matches(args[0], known)
        if close and args[0] not in known and not ctx.resilient_parsing:
            meant = " or ".join(repr(name) for name in close)
            ctx.fail(f"No such command {args[0]!r}. Did you mean {meant}?")
        return super().resolve_command(ctx, args)

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        del ctx
        for heading, commands in COMMANDS.items():
            with formatter.section(heading):
                formatter.write_dl(list(commands.items()))

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except AgentReplayError as error:
            _print_error(error)
            ctx.exit(exit_code_of(error))
        except KeyboardInterrupt:
            click.echo("\nInterrupted.", err=True)
            ctx.exit(ExitCode.INTERRUPTED)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            _print_error(error)
            ctx.exit(ExitCode.UNEXPECTED)


def _print_error(error: Exception) -> None:
    from otel_agent_replay.cli.plain import clean  # noqa: PLC0415 - a quick start

    click.secho("error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(clean(str(error)), err=True)
    for hint in getattr(error, "__notes__", ()):
        click.echo(f"hint: {clean(hint)}", err=True)


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `agent-replay demo`. Each command has its own --help, with "
    "examples.",
)
@click.version_option(__version__, prog_name="agent-replay")
def cli() -> None:
    """Record, replay, resume and fork AI agents out of OpenTelemetry alone.

    RUN is a run's id, the first letters of it, or `last`. Runs are kept in the store
    that --store, AGENT_REPLAY_STORE or pyproject.toml names; by default in
    .agent-replay/runs.db here.
    """


def run() -> None:
    """Run the command line of this process and exit."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # Data may hold what the terminal's encoding has no sign for.
            reconfigure(errors="backslashreplace")
    # It logs what its exceptions say too.
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    cli.main(prog_name="agent-replay", color=False if plain else None)
