"""`agent-replay compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from otel_agent_replay.cli.comparison_table import print_comparison
from otel_agent_replay.cli.exit_codes import ExitCode
from otel_agent_replay.cli.found import named_run, whole_id
from otel_agent_replay.cli.options import (
    json_option,
    run_argument,
    runs_argument,
    store_option,
)
from otel_agent_replay.cli.plain import clean_line
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.cli.terminal import Screen, print_json
from otel_agent_replay.cli.wording import size
from otel_agent_replay.replay.compare import compare_many
from otel_agent_replay.replay.comparison_view import compared_json, comparison_json
from otel_agent_replay.web.comparison_page import comparison_page

__all__ = ["command"]

_MOST: Final = 26


@click.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay compare 9a5ed353 last",
        "agent-replay compare 9a5ed353 e21ce7a7 b7b5a8da",
        "agent-replay compare 9a5ed353 last --html difference.html",
        "agent-replay compare 9a5ed353 last --exit-code --json",
    ),
)
@run_argument("a")
@run_argument("b")
@runs_argument("others")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Write one page to send to somebody: it needs no network and no script.",
)
@click.option(
    "--exit-code",
    "as_exit_code",
    is_flag=True,
    help=f"Exit with {ExitCode.DIVERGED} if the runs differ.",
)
@store_option
@json_option
def command(  # noqa: PLR0913 - one argument an option
    a: str,
    b: str,
    others: tuple[str, ...],
    store: str | None,
    *,
    html: Path | None,
    as_exit_code: bool,
    as_json: bool,
) -> None:
    """Align runs step by step with the first of them and show where they differ.

    The first difference is shown field by field; the rest, and what only some of the
    runs have, in a line each. Then answers, states, tools, tokens, cost and time side
    by side. With more than two runs, such as the forks of one, the steps that all
    share at the beginning are one line.
    """
    if len(others) > _MOST - 2:
        message = f"at most {_MOST} runs can be compared at once"
        raise click.UsageError(message)
    with named_run(store, a) as (opened, first):
        ids = [first, *(whole_id(opened, each) for each in (b, *others))]
        compared = compare_many(*map(opened.load, ids))
        if html is not None:
            for run_id in ids:
                # Noted first: a file that nobody knows of outlives an erase.
                opened.remember_export(run_id, html)
            _write(html, comparison_page(compared))
    if as_json:
        one = not others
        found = compared.comparisons[0]
        print_json(comparison_json(found) if one else compared_json(compared))
    elif html is None:
        print_comparison(Screen(), compared)
    if as_exit_code and not compared.same:
        raise click.exceptions.Exit(ExitCode.DIVERGED)


def _write(target: Path, page: str) -> None:
    try:
        target.write_text(page, encoding="utf-8")
    except OSError as error:
        message = f"{target}: {error.strerror or error}"
        raise click.BadParameter(message, param_hint="--html") from error
    written = f"Wrote {size(len(page.encode()))} to {clean_line(str(target))}."
    click.echo(written, err=True)
