"""`agent-replay replay`."""

from __future__ import annotations

import click

from otel_agent_replay.cli.options import (
    allow_gaps_option,
    command_argument,
    run_argument,
    store_option,
    tool_option,
)
from otel_agent_replay.cli.session_program import SessionRequest, run_session
from otel_agent_replay.cli.teaching import TeachingCommand

__all__ = ["command"]


@click.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay replay last -- python my_agent.py",
        "agent-replay replay 9a5ed353 --keep -- python my_agent.py --fixed",
        "agent-replay replay last --json -- python my_agent.py > report.json",
    ),
)
@run_argument()
@allow_gaps_option
@click.option(
    "--keep", is_flag=True, help="Store the run that the replay makes, to compare it."
)
@tool_option
@store_option
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the report as JSON; what the program prints goes to standard error.",
)
@command_argument
def command(  # noqa: PLR0913 - one argument an option
    run: str,
    command: tuple[str, ...],
    store: str | None,
    tools: tuple[str, ...],
    *,
    allow_gaps: bool,
    keep: bool,
    as_json: bool,
) -> None:
    """Run a program with every call answered from a recorded run, and nothing live.

    The program asks models, tools and web services as ever, and gets what they had
    answered then; a call that was not recorded stops it before anything is sent. The
    report on standard error says what was served and what differed. The exit code is
    0 only if nothing did.
    """
    request = SessionRequest(
        mode="replay",
        run=run,
        command=command,
        store=store,
        tools=tools,
        allow_gaps=allow_gaps,
        keep=keep,
        as_json=as_json,
    )
    raise click.exceptions.Exit(run_session(request).exit_code)
