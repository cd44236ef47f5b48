"""`agent-replay show`."""

from __future__ import annotations

import click

from otel_agent_replay.cli.doubts import print_doubts, writes_json, writes_of
from otel_agent_replay.cli.found import named_run
from otel_agent_replay.cli.options import json_option, run_argument, store_option
from otel_agent_replay.cli.run_page import print_run
from otel_agent_replay.cli.step_page import print_step
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.cli.terminal import Screen, print_json
from otel_agent_replay.replay.codec import run_json, step_json

__all__ = ["command"]


@click.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay show last",
        "agent-replay show 9a5ed353 --step 4",
        "agent-replay show last --payloads --json",
    ),
)
@run_argument()
@click.option("--step", type=int, metavar="N", help="This step only, in full.")
@click.option("--payloads", is_flag=True, help="With all that was sent and received.")
@store_option
@json_option
def command(
    run: str, step: int | None, store: str | None, *, payloads: bool, as_json: bool
) -> None:
    """Show a run: what it was given, each step in a line, what it answered.

    --step shows one step with its messages, arguments and result. --payloads shows
    every step so, and of the step of --step the bytes on the wire. A step counts its
    place in the run from 0; those inside another are indented. A write with an
    idempotency key shows it, and those that began and never ended are named.
    """
    with named_run(store, run) as (opened, run_id):
        found = opened.load(run_id)
        writes = writes_of(opened, found)
    if step is not None:
        one = found.step(step)
        if as_json:
            print_json(step_json(one))
        else:
            print_step(Screen(), found, one, wire=payloads)
    elif as_json:
        shown = run_json(found, payloads=payloads)
        print_json({**shown, "writes": writes_json(found, writes)})
    else:
        print_run(Screen(), found, payloads=payloads)
        print_doubts(Screen(), found, writes)
