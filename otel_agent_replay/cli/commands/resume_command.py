"""`agent-replay resume`."""

from __future__ import annotations

import click

from otel_agent_replay.cli.options import (
    allow_gaps_option,
    allow_write_option,
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
        "agent-replay resume last -- python my_agent.py",
        "agent-replay resume 9a5ed353 --allow-write send_mail -- python my_agent.py",
    ),
)
@run_argument()
@allow_write_option
@allow_gaps_option
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
    allow_writes: tuple[str, ...],
    *,
    allow_gaps: bool,
    as_json: bool,
) -> None:
    """Run a program on from where a recorded run stopped, in the same run.

    Finished steps are answered from the run, so no finished write happens twice; then
    the program goes on live, and what it does is recorded into the run. Of a run that
    was cut short it is not known whether a write was under way, so new writes are
    stopped unless --allow-write names them.
    """
    request = SessionRequest(
        mode="resume",
        run=run,
        command=command,
        store=store,
        tools=tools,
        allow_writes=frozenset(allow_writes),
        allow_gaps=allow_gaps,
        as_json=as_json,
    )
    raise click.exceptions.Exit(run_session(request).exit_code)
