"""`agent-replay doctor`."""

from __future__ import annotations

import os
from typing import Final

import click
from rich.text import Text

from otel_agent_replay.cli.checks import Finding, Grade, findings
from otel_agent_replay.cli.found import named_run, whole_id
from otel_agent_replay.cli.nondeterminism_page import print_nondeterminism
from otel_agent_replay.cli.options import json_option, runs_argument, store_option
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.cli.terminal import Screen, print_json, text
from otel_agent_replay.replay.nondeterminism import (
    nondeterminism_json,
    nondeterminism_of,
)

__all__ = ["command"]

_PAIR: Final = 2

_SIGNS: Final[dict[Grade, tuple[str, str]]] = {
    "ok": ("✓", "green"),
    "note": ("·", "dim"),
    "warning": ("!", "yellow"),
    "problem": ("✗", "bold red"),
}


@click.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay doctor",
        "agent-replay doctor --store clickhouse://me@db.example.com:8123/agents",
        "agent-replay doctor --nondeterminism 9a5ed353 e21ce7a7",
    ),
)
@runs_argument()
@click.option(
    "--nondeterminism",
    is_flag=True,
    help="Say of runs of one input what differed first, and where that came from.",
)
@store_option
@json_option
def command(
    runs: tuple[str, ...], store: str | None, *, nondeterminism: bool, as_json: bool
) -> None:
    """Check installation, libraries, settings and store, and say what is wrong.

    Warnings (!) are worth a look and leave the exit code at 0. A problem (✗) exits
    with the code of its error, such as that of a store that cannot be reached.

    With --nondeterminism two or more runs of one input are compared with the first of
    them: what differed first, what made the calls part, and how to record it.
    """
    if nondeterminism:
        _compare_runs(runs, store, as_json=as_json)
        return
    if runs:
        message = "runs are named for --nondeterminism only"
        raise click.UsageError(message)
    found = list(findings(store, os.environ))
    if as_json:
        print_json(
            [
                {"area": each.area, "grade": each.grade, "text": each.text}
                for each in found
            ]
        )
    else:
        screen = Screen()
        for each in found:
            screen.print(_line(each))
    codes = [each.exit_code for each in found if each.grade == "problem"]
    raise click.exceptions.Exit(codes[0] if codes else 0)


def _compare_runs(names: tuple[str, ...], store: str | None, *, as_json: bool) -> None:
    if len(names) < _PAIR:
        message = "--nondeterminism needs two runs or more"
        raise click.UsageError(message)
    with named_run(store, names[0]) as (opened, first):
        ids = [first, *(whole_id(opened, each) for each in names[1:])]
        base, *others = map(opened.load, ids)
    found = [nondeterminism_of(base, each) for each in others]
    if as_json:
        print_json(nondeterminism_json(found))
    else:
        print_nondeterminism(Screen(), found)


def _line(finding: Finding) -> Text:
    sign = _SIGNS[finding.grade]
    style = sign[1] if finding.grade in {"warning", "problem"} else ""
    return Text.assemble(
        sign, " ", (f"{finding.area:<14}", "dim"), text(finding.text, style)
    )
