"""`agent-replay checkpoint`."""

from __future__ import annotations

import click

from otel_agent_replay.cli.found import named_run
from otel_agent_replay.cli.options import json_option, run_argument, store_option
from otel_agent_replay.cli.step_line import answered, asked
from otel_agent_replay.cli.step_page import print_messages
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.cli.terminal import Column, Screen, print_json, text
from otel_agent_replay.cli.wording import duration, short_json
from otel_agent_replay.model.checkpoint import Checkpoint
from otel_agent_replay.model.messages import Message
from otel_agent_replay.replay.codec import checkpoint_json

__all__ = ["command"]


@click.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay checkpoint last --step 4",
        "agent-replay checkpoint 9a5ed353 --step 4 --json",
    ),
)
@run_argument()
@click.option(
    "--step", type=int, metavar="N", required=True, help="The step it stands after."
)
@store_option
@json_option
def command(run: str, step: int, store: str | None, *, as_json: bool) -> None:
    """Show everything needed to go on after a step.

    The whole conversation as the model saw it, the tools it had and their calls so
    far, its configuration, and the agent's last state: what a fork starts from.
    """
    with named_run(store, run) as (opened, run_id):
        found = opened.load(run_id).checkpoint(step)
    if as_json:
        print_json(checkpoint_json(found))
    else:
        _print(Screen(), found)


def _print(screen: Screen, found: Checkpoint) -> None:
    agent = f"{found.agent_name} {found.agent_version or ''}".strip()
    head = f"after step {found.step.index} of run {found.run_id}, agent {agent}"
    screen.print(text(head, "bold"))
    if found.model_configuration:
        screen.heading("Model")
        for name, value in found.model_configuration.items():
            screen.print(text(f"  {name}: {short_json(value, 1_000)}"))
    if found.state is not None:
        screen.heading("State")
        screen.print(text(f"  {short_json(found.state, 20_000)}"))
    if found.tools:
        screen.heading("Tools the model may call")
        names = [str(each.get("name") or each.get("type")) for each in found.tools]
        screen.print(text(f"  {', '.join(names)}"))
    screen.heading("Conversation")
    if found.continues is not None:
        screen.print(
            text(f"  goes on from {found.continues}, which is not in this run")
        )
    if found.system:
        print_messages(screen, [Message(role="system", parts=found.system)])
    print_messages(screen, found.messages)
    if found.tool_steps:
        screen.heading("Tool calls so far")
        _print_tools(screen, found)


def _print_tools(screen: Screen, found: Checkpoint) -> None:
    columns = (
        Column("#", number=True),
        Column("NAME"),
        Column("ASKED", wide=True),
        Column("ANSWERED", wide=True),
        Column("TIME", number=True),
    )
    rows = [
        [
            text(str(each.index)),
            text(each.call.name),
            text(asked(each)),
            text(answered(each)),
            text(duration(each.duration_ns)),
        ]
        for each in found.tool_steps
    ]
    screen.print_table(columns, rows)
