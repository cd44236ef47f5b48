"""`agent-replay doctor`."""

from __future__ import annotations

import os
from typing import Final

import click
from rich.text import Text

from otel_agent_replay.cli.checks import Finding, Grade, findings
from otel_agent_replay.cli.options import json_option, store_option
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.cli.terminal import Screen, print_json, text

__all__ = ["command"]

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
    ),
)
@store_option
@json_option
def command(store: str | None, *, as_json: bool) -> None:
    """Check installation, libraries, settings and store, and say what is wrong.

    Warnings (!) are worth a look and leave the exit code at 0. A problem (✗) exits
    with the code of its error, such as that of a store that cannot be reached.
    """
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


def _line(finding: Finding) -> Text:
    sign = _SIGNS[finding.grade]
    style = sign[1] if finding.grade in {"warning", "problem"} else ""
    return Text.assemble(
        sign, " ", (f"{finding.area:<14}", "dim"), text(finding.text, style)
    )
