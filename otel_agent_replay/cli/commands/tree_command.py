"""`agent-replay tree`."""

from __future__ import annotations

from typing import Final

import click
from rich.text import Text

from otel_agent_replay.cli.family import Family, Member, family_of
from otel_agent_replay.cli.found import named_run
from otel_agent_replay.cli.options import json_option, run_argument, store_option
from otel_agent_replay.cli.run_page import STATUS_STYLES
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.cli.terminal import Column, Screen, print_json, text
from otel_agent_replay.cli.wording import count, money, short_id, short_json
from otel_agent_replay.model.payload import JsonObject, JsonValue
from otel_agent_replay.replay.codec import summary_json

__all__ = ["command"]

_ANSWER: Final = 300
_COLUMNS: Final = (
    Column("RUN"),
    Column("FROM"),
    Column("AGENT"),
    Column("STATUS"),
    Column("STEPS", number=True),
    Column("COST", number=True),
    Column("ANSWER", wide=True),
)


@click.command(
    cls=TeachingCommand,
    examples=("agent-replay tree last", "agent-replay tree 9a5ed353 --json"),
)
@run_argument()
@store_option
@json_option
def command(run: str, store: str | None, *, as_json: bool) -> None:
    """Show the forks and replays around a run.

    The first line is the run that all came from; each other one stands under the run
    it is a fork or a replay of, with the last step that the two share. The run that
    was asked for is marked with an arrow. `agent-replay compare` sets them side by
    side.
    """
    with named_run(store, run) as (opened, run_id):
        family = family_of(opened, run_id)
    if as_json:
        print_json([_member_json(each) for each in family.members])
    else:
        _print(Screen(), family, run_id)


def _print(screen: Screen, family: Family, run_id: str) -> None:
    rows = [_row(each, asked_for=each.run.run_id == run_id) for each in family.members]
    screen.print_table(_COLUMNS, rows)
    if family.missing is not None:
        gone = short_id(family.missing)
        screen.print()
        screen.print(
            text(f"The first run comes from {gone}, which is not stored here.")
        )
    if family.left_out:
        screen.print()
        screen.print(f"And {count(family.left_out, 'more run')}.")


def _row(member: Member, *, asked_for: bool) -> list[Text]:
    run = member.run
    error = run.outcome.error
    answer = f"{error.type_name}: {error.message}" if error else run.output
    resumed = f", resumed {member.resumes}x" if member.resumes else ""
    id_style = "bold cyan" if asked_for else "cyan"
    mark = " ◀" if asked_for else ""
    return [
        Text.assemble(_guides(member.lasts), (short_id(run.run_id), id_style), mark),
        text(_origin(member)),
        text(f"{run.agent_name} {run.agent_version or ''}"),
        text(f"{run.status}{resumed}", STATUS_STYLES.get(run.status, "")),
        text(str(len(run.steps))),
        text(money(run.cost_usd)),
        text(short_json(answer, _ANSWER), "red" if error else ""),
    ]


def _guides(lasts: tuple[bool, ...]) -> str:
    if not lasts:
        return ""
    above = "".join("   " if last else "│  " for last in lasts[:-1])
    return above + ("└─ " if lasts[-1] else "├─ ")


def _origin(member: Member) -> str:
    parent = member.run.parent
    if parent is None:
        return ""
    at = "" if parent.step is None else f" after step {parent.step}"
    return f"{parent.relation}{at}"


def _member_json(member: Member) -> JsonObject:
    parent = member.run.parent
    answer: JsonValue = member.run.output
    return {
        **summary_json(member.summary),
        "depth": member.depth,
        "relation": None if parent is None else parent.relation,
        "step": None if parent is None else parent.step,
        "resumes": member.resumes,
        "answer": answer,
    }
