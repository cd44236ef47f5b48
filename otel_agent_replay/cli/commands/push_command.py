"""`agent-replay push`."""

from __future__ import annotations

import click

from otel_agent_replay._setup.push import push
from otel_agent_replay.cli.found import named_run
from otel_agent_replay.cli.options import json_option, run_argument, store_option
from otel_agent_replay.cli.plain import clean_line
from otel_agent_replay.cli.progress import working
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.cli.terminal import print_json
from otel_agent_replay.cli.wording import count, short_id

__all__ = ["command"]


@click.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay push last --otlp http://127.0.0.1:4318",
        "agent-replay push 9a5ed353 --otlp https://otlp.example.com/v1/traces",
    ),
)
@run_argument()
@click.option(
    "--otlp",
    metavar="URL",
    required=True,
    help="The receiver: its base address, or that of its /v1/traces.",
)
@store_option
@json_option
def command(run: str, otlp: str, store: str | None, *, as_json: bool) -> None:
    """Send a run's stored spans to an OTLP receiver: a Collector, Jaeger, a vendor.

    The spans go out with their own ids and times, redacted as they are stored, over
    OTLP/HTTP. Headers, such as an authorization, are taken from
    OTEL_EXPORTER_OTLP_HEADERS.
    """
    with named_run(store, run) as (opened, run_id):
        recording = opened.recording(run_id)
    with working(f"Sending {count(len(recording.spans), 'span')}"):
        sent = push(recording.spans, otlp)
    if as_json:
        trace_ids = sorted({span.trace_id for span in recording.spans})
        print_json({"run_id": run_id, "spans": sent, "trace_ids": [*trace_ids]})
        return
    where = clean_line(otlp)
    trace = clean_line(recording.spans[0].trace_id) if recording.spans else "-"
    message = (
        f"Sent {short_id(run_id)}, {count(sent, 'span')}, to {where}: trace {trace}"
    )
    click.echo(message, err=True)
