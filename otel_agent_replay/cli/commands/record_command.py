"""`agent-replay record`."""

from __future__ import annotations

import time

import click

from otel_agent_replay._setup.launch import launch
from otel_agent_replay._setup.stores import open_store
from otel_agent_replay.cli.launch_settings import environment_of, settings_with
from otel_agent_replay.cli.options import command_argument, store_option, tool_option
from otel_agent_replay.cli.recorded_runs import (
    NOT_CAPTURED,
    print_recorded,
    runs_of,
    why_none,
)
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.cli.terminal import Screen, text

__all__ = ["command"]


@click.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay record -- python my_agent.py",
        "agent-replay record --tool my_agent:send_mail=write -- python -m my_agent",
        "agent-replay record --user ada --tag nightly -- my-agent-command --verbose",
        "agent-replay record --effects clock,random -- python my_agent.py",
    ),
)
@click.option("--agent-name", metavar="NAME", help="What a run without @agent is of.")
@click.option("--agent-version", metavar="VERSION", help="Its version.")
@click.option("--user", metavar="USER", help="Whom the run is for.")
@click.option("--conversation", metavar="ID", help="Which conversation it belongs to.")
@click.option("--prompt-name", metavar="NAME", help="The prompt in use.")
@click.option("--prompt-version", metavar="VERSION", help="Its version.")
@click.option(
    "--tag", "tags", metavar="WORD", multiple=True, help="A word to find the run by."
)
@click.option(
    "--class",
    "run_class",
    type=click.Choice(["test", "flagged"]),
    help="What the run counts as; by default its outcome says.",
)
@click.option(
    "--model-api",
    "model_apis",
    metavar="HOST/PATH*",
    multiple=True,
    help="A model API that is unknown to us, as an address pattern.",
)
@tool_option
@click.option(
    "--effects",
    metavar="KIND,…",
    help="Record what the program's own code reads too, to replay it exactly: clock, "
    "random, environment.",
)
@click.option(
    "--file",
    "files",
    metavar="PATTERN",
    multiple=True,
    help="Record what it reads from these files too, such as 'data/*.json'.",
)
@click.option(
    "--otlp",
    "otlp_endpoint",
    metavar="URL",
    help="Send the redacted spans there too, such as http://127.0.0.1:4318.",
)
@click.option(
    "--no-redact",
    is_flag=True,
    help="Store everything as it is, secrets included; the run says so.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing about the recorded run.")
@store_option
@command_argument
def command(
    command: tuple[str, ...],
    store: str | None,
    *,
    no_redact: bool,
    quiet: bool,
    **settings: str | tuple[str, ...] | None,
) -> None:
    """Run a program and record its model, tool and HTTP calls.

    The program is not edited. It gets this terminal's input, output and signals as
    if it had been started alone, and its exit code is returned. Child processes in
    Python are recorded into the same run. What is recorded is redacted first. For
    options of the program itself, put -- before it.
    """
    given = {**settings, "store": store, "redact": "off" if no_redact else None}
    known = settings_with(given)
    # A store that cannot take the run is said before the program has done anything.
    where = str(known["store"])
    open_store(where).close()
    since = time.time_ns()
    finished = launch(command, environment_of(known))
    screen = Screen(stderr=True)
    if not finished.processes:
        screen.print(text(f"warning: nothing was recorded: {NOT_CAPTURED}", "yellow"))
    elif not quiet:
        with open_store(where) as opened:
            runs = runs_of(opened, finished, since)
        print_recorded(screen, runs, "recorded")
        if not runs:
            screen.print(why_none(finished))
    raise click.exceptions.Exit(finished.exit_code)
