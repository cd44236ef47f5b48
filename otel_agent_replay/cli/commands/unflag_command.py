"""`agent-replay unflag`."""

from __future__ import annotations

import click

from otel_agent_replay.cli.found import named_run
from otel_agent_replay.cli.options import json_option, run_argument, store_option
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.cli.terminal import print_json
from otel_agent_replay.cli.wording import short_id

__all__ = ["command"]


@click.command(
    cls=TeachingCommand,
    examples=("agent-replay unflag last", "agent-replay unflag 9a5ed353 --golden"),
)
@run_argument()
@click.option("--golden", is_flag=True, help="No longer keep it for ever.")
@store_option
@json_option
def command(run: str, store: str | None, *, golden: bool, as_json: bool) -> None:
    """Take back what `flag` did: the run has its own class again.

    With --golden it is pruned like any other run of its class.
    """
    with named_run(store, run) as (opened, run_id):
        if golden:
            opened.keep_golden(run_id, on=False)
        else:
            opened.unflag(run_id)
    mark = "golden" if golden else "flagged"
    if as_json:
        print_json({"run_id": run_id, "mark": mark, "on": False})
    else:
        click.echo(f"{short_id(run_id)} is not {mark}.", err=True)
