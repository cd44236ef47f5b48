"""`agent-replay replay`."""

from __future__ import annotations

import click

from otel_agent_replay._setup.effects import Clock
from otel_agent_replay._setup.network import addresses_of
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
        "agent-replay replay last -- python my_agent.py",
        "agent-replay replay 9a5ed353 --keep -- python my_agent.py --fixed",
        "agent-replay replay last --match ordered --normalise uuids -- my-agent",
        "agent-replay replay last --live model -- python my_agent.py --new-prompt",
        "agent-replay replay last --json -- python my_agent.py > report.json",
    ),
    elsewhere={
        "--bisect": "Bisecting needs a run that went well beside the one that did not: "
        "agent-replay bisect GOOD BAD -- COMMAND..."
    },
)
@run_argument()
@match_option
@normalise_option
@click.option(
    "--live",
    metavar="NAME",
    multiple=True,
    help="Let calls go live that no recorded step answers: a kind (model, tool, http), "
    "a host or a name. May be given several times. Writes need --allow-write as well.",
)
@allow_write_option
@click.option(
    "--clock",
    type=click.Choice(["recorded", "live"]),
    default="recorded",
    show_default=True,
    help="What time.time() and datetime tell the program where the run did not record "
    "it: the time of the step it has come to, or of now.",
)
@click.option(
    "--network",
    metavar="HOST:PORT",
    multiple=True,
    help="Let the program connect there; all else is closed in a replay. May be given "
    "several times.",
)
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
    match: Match,
    normalise: tuple[str, ...],
    live: tuple[str, ...],
    allow_writes: tuple[str, ...],
    clock: Clock,
    network: tuple[str, ...],
    allow_gaps: bool,
    keep: bool,
    as_json: bool,
) -> None:
    """Run a program with every call answered from a recorded run.

    The program asks models, tools and web services as ever, and gets what they had
    answered then; a call that was not recorded stops it before anything is sent, unless
    --live names it. The
    report on standard error says what was served and what differed. The exit code is
    0 only if nothing did.
    """
    request = SessionRequest(
        mode="replay",
        run=run,
        command=command,
        store=store,
        tools=tools,
        matching=matching_of(match, normalise),
        live=frozenset(live),
        allow_writes=frozenset(allow_writes),
        clock=clock,
        network=addresses_of(network),
        allow_gaps=allow_gaps,
        keep=keep,
        as_json=as_json,
    )
    raise click.exceptions.Exit(run_session(request).exit_code)
