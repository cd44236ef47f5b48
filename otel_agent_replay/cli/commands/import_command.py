"""`agent-replay import`."""

from __future__ import annotations

from typing import Final

import click

from otel_agent_replay._setup.stores import open_store
from otel_agent_replay.cli.found import store_url
from otel_agent_replay.cli.options import json_option, store_option
from otel_agent_replay.cli.progress import working
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.cli.terminal import print_json
from otel_agent_replay.cli.wording import count, short_id
from otel_agent_replay.errors import RecordingError
from otel_agent_replay.replay.codec import load_recording

__all__ = ["command"]

_LARGEST: Final = 1 << 30


@click.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay import incident.json",
        "gunzip -c incident.json.gz | agent-replay import -",
    ),
)
@click.argument("file", type=click.Path(allow_dash=True), metavar="FILE")
@store_option
@json_option
def command(file: str, store: str | None, *, as_json: bool) -> None:
    """Store the run of a file that `agent-replay export` wrote; - is standard input.

    The file may come from anyone: it is checked whole before anything is stored. A
    run that is stored already stays as it is.
    """
    text = _read(file)
    with working("Checking the file") as shown:
        recording = load_recording(text, _name(file))
        with open_store(store_url(store)) as opened:
            shown("Storing the run")
            opened.add(recording)
            where = opened.shown_url
    if as_json:
        print_json({"run_id": recording.run_id, "spans": len(recording.spans)})
        return
    run_id = short_id(recording.run_id)
    spans = count(len(recording.spans), "span")
    message = (
        f"Stored {run_id}, {spans}, in {where}. See it: agent-replay show {run_id}"
    )
    click.echo(message, err=True)


def _name(path: str) -> str:
    return "standard input" if path == "-" else path


def _read(path: str) -> str:
    try:
        with click.open_file(path, "rb") as file:
            content: bytes = file.read(_LARGEST + 1)
    except OSError as error:
        message = f"{_name(path)}: {error.strerror or error}"
        raise click.BadParameter(message, param_hint="FILE") from error
    if len(content) > _LARGEST:
        raise RecordingError(_name(path), f"it has more than {_LARGEST} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise RecordingError(_name(path), f"it is no UTF-8 text: {error}") from None
