"""`agent-replay runs`."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Final, get_args

import click
from rich.text import Text

from otel_agent_replay.cli.found import (
    FIRST_STEP,
    nothing_stored,
    opened_store,
    store_url,
)
from otel_agent_replay.cli.options import json_option, store_option
from otel_agent_replay.cli.plain import clean_line
from otel_agent_replay.cli.run_page import STATUS_STYLES
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.cli.terminal import Column, Screen, print_json, text
from otel_agent_replay.cli.wording import count, duration, money, short_id, when
from otel_agent_replay.model.run import RunClass, RunStatus, RunSummary
from otel_agent_replay.replay.codec import summary_json

__all__ = ["command"]

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO: Final = re.compile(r"(\d+)([smhdw])")
_SECOND: Final = 1_000_000_000
_LAST: Final = (1 << 63) - 1
_COLUMNS: Final = (
    Column("RUN"),
    Column("AGENT", wide=True),
    Column("STATUS"),
    Column("CLASS", spare=True),
    Column("START"),
    Column("TIME", number=True, spare=True),
    Column("STEPS", number=True),
    Column("TOKENS", number=True, spare=True),
    Column("COST", number=True),
    Column("", wide=True),
)


def _moment(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> int | None:
    """Return a date, a time, or how long ago (`2h`, `3d`) in Unix nanoseconds."""
    if value is None:
        return None
    ago = _AGO.fullmatch(value)
    if ago:
        return max(0, time.time_ns() - int(ago[1]) * _UNITS[ago[2]] * _SECOND)
    try:
        moment = datetime.fromisoformat(value).astimezone().timestamp()
        return min(max(0, int(moment * _SECOND)), _LAST)
    except (ValueError, OverflowError):
        message = f"{value!r} is no time; write 2h, 3d, 2026-11-20 or an ISO time"
        raise click.BadParameter(message, context, parameter) from None


@click.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay runs",
        "agent-replay runs --agent support --status failed --since 2d",
        "agent-replay runs --text refund --min-cost 0.01 --json",
    ),
)
@click.option("--agent", metavar="NAME", help="Runs of this agent.")
@click.option(
    "--status", type=click.Choice(get_args(RunStatus)), help="How the run ended."
)
@click.option(
    "--class",
    "run_class",
    type=click.Choice(get_args(RunClass)),
    help="What the run counts as.",
)
@click.option("--user", metavar="USER", help="Runs for this user.")
@click.option("--tag", metavar="WORD", help="Runs with this tag.")
@click.option("--text", metavar="TEXT", help="Runs that say this anywhere.")
@click.option(
    "--since",
    "since_ns",
    callback=_moment,
    metavar="TIME",
    help="Begun at this time or later.",
)
@click.option(
    "--until", "until_ns", callback=_moment, metavar="TIME", help="Begun before."
)
@click.option(
    "--min-cost", "min_cost_usd", type=float, metavar="USD", help="Cost this or more."
)
@click.option(
    "--max-cost", "max_cost_usd", type=float, metavar="USD", help="Cost this or less."
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="How many at most.",
)
@store_option
@json_option
def command(store: str | None, *, as_json: bool, **filters: object) -> None:
    """List the recorded runs, newest first.

    Every filter that is given must hold. Times are a date, an ISO time, or how long
    ago: 30m, 2h, 3d, 1w. A user or text is redacted before it is looked for, as the
    store's contents are, so that an address finds its pseudonym.
    """
    url = store_url(store)
    found: list[RunSummary] = []
    if not nothing_stored(url):
        with opened_store(url) as opened:
            found = opened.runs(**filters)  # type: ignore[arg-type]  # click checked them
            url = opened.shown_url
    if as_json:
        print_json([summary_json(each) for each in found])
    elif found:
        Screen().print_table(_COLUMNS, [_row(each) for each in found])
    elif any(value is not None for name, value in filters.items() if name != "limit"):
        click.echo("No run fits.", err=True)
    else:
        click.echo(f"No runs yet in {clean_line(url)}. {FIRST_STEP}", err=True)


def _row(run: RunSummary) -> list[Text]:
    agent = f"{run.agent_name} {run.agent_version or ''}"
    tokens = run.input_tokens + run.output_tokens
    return [
        text(short_id(run.run_id), "cyan"),
        text(agent),
        text(run.status, STATUS_STYLES.get(run.status, "")),
        text(run.run_class),
        text(when(run.start_ns)),
        text(duration(run.end_ns - run.start_ns)),
        text(str(run.step_count)),
        text(str(tokens) if tokens else "-"),
        text(money(run.cost_usd)),
        text(_remarks(run)),
    ]


def _remarks(run: RunSummary) -> str:
    found = [
        f"from {short_id(run.parent_run_id)}" if run.parent_run_id else "",
        f"{count(run.dropped, 'loss', 'losses')}" if run.dropped else "",
        f"for {run.user}" if run.user else "",
        *(f"#{tag}" for tag in run.tags),
    ]
    return " ".join(filter(None, found))
