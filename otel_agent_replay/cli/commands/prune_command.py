"""`agent-replay prune`."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Final

import click

from otel_agent_replay.cli.found import opened_store
from otel_agent_replay.cli.options import Decorator, json_option, store_option
from otel_agent_replay.cli.plain import clean_line
from otel_agent_replay.cli.progress import working
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.cli.terminal import print_json
from otel_agent_replay.cli.wording import count

__all__ = ["command"]

_DAYS: Final = click.IntRange(min=1)


def _days_option(run_class: str) -> Decorator:
    return click.option(
        f"--{run_class}-days",
        run_class,
        type=_DAYS,
        metavar="N",
        help=f"Keep runs of class {run_class} N days; by default as the settings say.",
    )


@click.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay prune --dry-run",
        "agent-replay prune --success-days 3 --test-days 1",
    ),
)
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@_days_option("success")
@_days_option("failed")
@_days_option("flagged")
@_days_option("test")
@store_option
@json_option
def command(
    store: str | None, *, dry_run: bool, as_json: bool, **days: int | None
) -> None:
    """Delete the runs that are past their days, each class by its own.

    Days count from a run's start. The settings keep_success_days, keep_failed_days,
    keep_flagged_days and keep_test_days give them, by default 7, 30, 90 and 1. A run
    that was cut short counts as failed. `agent-replay flag --golden` keeps a run for
    ever. Nothing is asked, so that it can be run every night.
    """
    with opened_store(store) as opened:
        given = {name: value for name, value in days.items() if value is not None}
        keep = replace(opened.retention, **given)
        with working("Looking for runs that are past their days"):
            pruned = opened.prune(keep, dry_run=dry_run)
        where = opened.shown_url
    if as_json:
        found = {**asdict(pruned), "days": asdict(keep), "dry_run": dry_run}
        print_json({**found, "store": where})
        return
    number = sum(pruned.runs.values())
    classes = ", ".join(f"{many} {name}" for name, many in pruned.runs.items())
    what = f"{count(number, 'run')} ({classes})" if number else "nothing"
    verb = "Would delete" if dry_run else "Deleted"
    spans = count(pruned.spans, "span")
    click.echo(f"{verb} {what}, {spans}, in {clean_line(where)}.", err=True)
