"""`agent-replay export`."""

from __future__ import annotations

from pathlib import Path

import click

from otel_agent_replay.cli.found import named_run
from otel_agent_replay.cli.options import run_argument, store_option
from otel_agent_replay.cli.plain import clean_line
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.cli.wording import count, short_id
from otel_agent_replay.replay.codec import dump_recording

__all__ = ["command"]


@click.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay export last -o incident.json",
        "agent-replay export 9a5ed353 | gzip > incident.json.gz",
    ),
)
@run_argument()
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Where to write it; by default standard output.",
)
@store_option
def command(run: str, output: Path | None, store: str | None) -> None:
    """Write a run into one self-contained file of JSON.

    The file holds all that a replay needs, redacted as it was recorded. It is made to
    be kept in a repository: a step is a line, and a text that repeats stands in it
    once. `agent-replay import` reads it. `agent-replay erase` deletes it with the run;
    what went to standard output it does not know of.
    """
    with named_run(store, run) as (opened, run_id):
        recording = opened.recording(run_id)
        content = dump_recording(recording)
        if output is not None:
            # Noted first: a file that nobody knows of outlives an erase.
            opened.remember_export(run_id, output)
            _write(output, content)
    if output is None:
        click.echo(content, nl=False)
        return
    spans = count(len(recording.spans), "span")
    message = f"Wrote {short_id(run_id)}, {spans}, to {clean_line(str(output))}."
    click.echo(message, err=True)


def _write(output: Path, content: str) -> None:
    try:
        output.write_text(content, encoding="utf-8", errors="surrogatepass")
    except OSError as error:
        message = f"{output}: {error.strerror or error}"
        raise click.BadParameter(message, param_hint="--output") from error
