"""`agent-replay resume`."""

from __future__ import annotations

import click

from otel_agent_replay.cli.doubts import doubts_given, in_doubt_option
from otel_agent_replay.cli.options import (
    allow_gaps_option,
    allow_write_option,
    command_argument,
    match_option,
    normalise_option,
    run_argument,
    store_option,
    tool_option,
)
from otel_agent_replay.cli.session_program import SessionRequest, run_session
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.replay.matching import Match, matching_of

__all__ = ["command"]


@click.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay resume last -- python my_agent.py",
        "agent-replay resume 9a5ed353 --allow-write send_mail -- python my_agent.py",
        "agent-replay resume last --in-doubt ask -- python my_agent.py",
        "agent-replay resume last --in-doubt pay:order-17=retry -- python my_agent.py",
    ),
)
@run_argument()
@allow_write_option
@in_doubt_option
@match_option
@normalise_option
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
    in_doubt: tuple[str, ...],
    *,
    match: Match,
    normalise: tuple[str, ...],
    allow_gaps: bool,
    as_json: bool,
) -> None:
    """Run a program on from where a recorded run stopped, in the same run.

    Finished steps are answered from the run, so no finished write happens twice; then
    the program goes on live, and what it does is recorded into the run. A write with an
    idempotency key runs unless it had begun; then it is in doubt, and --in-doubt says
    what becomes of it. Of other writes nobody knows, after a run that was cut short,
    whether one was under way, so they are stopped unless --allow-write names them.
    """
    request = SessionRequest(
        mode="resume",
        run=run,
        command=command,
        store=store,
        tools=tools,
        allow_writes=frozenset(allow_writes),
        matching=matching_of(match, normalise),
        allow_gaps=allow_gaps,
        in_doubt=doubts_given(in_doubt, store, run),
        as_json=as_json,
    )
    raise click.exceptions.Exit(run_session(request).exit_code)
