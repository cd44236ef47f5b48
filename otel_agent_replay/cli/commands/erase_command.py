"""`agent-replay erase`."""

from __future__ import annotations

import sys

import click

from otel_agent_replay.cli.found import named_run
from otel_agent_replay.cli.options import json_option, run_argument, store_option
from otel_agent_replay.cli.plain import clean_line
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.cli.terminal import print_json
from otel_agent_replay.cli.wording import count, short_id, when

__all__ = ["command"]


@click.command(
    cls=TeachingCommand,
    examples=("agent-replay erase 9a5ed353", "agent-replay erase last --yes"),
)
@run_argument()
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@store_option
@json_option
def command(run: str, store: str | None, *, yes: bool, as_json: bool) -> None:
    """Delete a run: its spans, and all payloads that no other run shares.

    It asks first; --yes does not. What was erased cannot be had back.
    """
    with named_run(store, run) as (opened, run_id):
        (summary,) = opened.runs(run_id=run_id, limit=1)
        agent = clean_line(summary.agent_name)
        what = f"{short_id(run_id)} {agent} of {when(summary.start_ns)}"
        if not yes:
            _ask(f"Erase {what}, {count(summary.step_count, 'step')}?")
        spans = opened.erase(run_id)
    if as_json:
        print_json({"run_id": run_id, "spans": spans})
    else:
        click.echo(f"Erased {what}, {count(spans, 'span')}.", err=True)


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask at; erase with --yes.")
    click.confirm(question, abort=True, err=True)
