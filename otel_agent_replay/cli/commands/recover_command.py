"""`agent-replay recover`."""

from __future__ import annotations

from dataclasses import asdict

import click

from otel_agent_replay._setup.spools import spooled_files
from otel_agent_replay._setup.stores import open_store
from otel_agent_replay.capture.spool.recovery import Recovered
from otel_agent_replay.cli.found import nothing_stored, store_url
from otel_agent_replay.cli.options import json_option, store_option
from otel_agent_replay.cli.progress import working
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.cli.terminal import print_json
from otel_agent_replay.cli.wording import count, short_id
from otel_agent_replay.config import load_settings

__all__ = ["command"]


@click.command(
    cls=TeachingCommand,
    examples=("agent-replay recover", "agent-replay recover --json"),
)
@store_option
@json_option
def command(store: str | None, *, as_json: bool) -> None:
    """Store what processes that were killed left in the spool.

    A run that was cut short becomes `interrupted`, with its finished steps and those
    that were open. What a living process holds is left alone. Every command that
    reads a store does this first, and so does the next program that records.
    """
    url = store_url(store)
    found = Recovered()
    # Where there is neither a store nor a spool, none is made.
    if not nothing_stored(url) or spooled_files(load_settings(), url):
        with open_store(url) as opened:
            with working("Storing what was left"):
                opened.recover()
            found = opened.recovered
    if as_json:
        print_json(asdict(found))
        return
    for line in _lines(found):
        click.echo(line)


def _lines(found: Recovered) -> list[str]:
    if not found.processes:
        return ["Nothing is left in the spool."]
    left = count(found.processes, "process", "processes")
    spans, opened = count(found.spans, "span"), found.opened
    lines = [f"Stored what {left} left: {spans} and {opened} that had not ended."]
    lines += [f"interrupted: {short_id(run_id)}" for run_id in found.runs]
    if found.torn:
        lines.append(f"{count(found.torn, 'file')} ended in a torn record, now gone.")
    return lines
