"""`agent-replay store`: what it costs, whether it is sound, and how it is made."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

import click

from otel_agent_replay._setup.stores import made_store
from otel_agent_replay.cli.exit_codes import ExitCode
from otel_agent_replay.cli.found import opened_store, store_url
from otel_agent_replay.cli.options import json_option, store_option
from otel_agent_replay.cli.plain import clean_line
from otel_agent_replay.cli.progress import working
from otel_agent_replay.cli.teaching import TeachingCommand, TeachingGroup
from otel_agent_replay.cli.terminal import Column, Screen, print_json, text
from otel_agent_replay.cli.wording import count, size, when
from otel_agent_replay.store.base import StoreCheck, StoreStats

__all__ = ["command"]

_TABLES: Final = (
    Column("TABLE", wide=True),
    Column("ROWS", number=True),
    Column("RAW", number=True),
    Column("STORED", number=True),
)


@click.group(
    cls=TeachingGroup,
    examples=("agent-replay store stats", "agent-replay store check --json"),
)
def command() -> None:
    """Show what a store costs, check it, or make one.

    Recording makes a store by itself; nothing here is needed before it. Each of the
    three has its own --help.
    """


@command.command(
    cls=TeachingCommand,
    examples=("agent-replay store stats", "agent-replay store stats --json"),
)
@store_option
@json_option
def stats(store: str | None, *, as_json: bool) -> None:
    """Show what the store costs: recorded, without repeats, on disk; by table.

    Bytes recorded count every step with all that it sent and received. What is left
    of the payloads counts a text that repeats once a run.
    """
    with opened_store(store) as opened:
        found = opened.stats()
    if as_json:
        print_json(asdict(found))
        return
    screen = Screen()
    for name, value in _facts(found):
        screen.print(text(f"{name:<11}{value}"))
    screen.print()
    rows = [
        [
            text(t.name),
            text(str(t.rows)),
            text(size(t.raw_bytes)),
            text(size(t.stored_bytes)),
        ]
        for t in found.tables
    ]
    screen.print_table(_TABLES, rows)


def _facts(found: StoreStats) -> list[tuple[str, str]]:
    facts = [
        ("store", found.url),
        ("runs", f"{found.runs}, {count(found.spans, 'span')}"),
        ("recorded", size(found.recorded_bytes)),
        ("payloads", f"{size(found.content_bytes)} without repeats"),
        ("on disk", size(found.stored_bytes)),
    ]
    if found.oldest_ns is not None and found.newest_ns is not None:
        facts.append(("from", f"{when(found.oldest_ns)} to {when(found.newest_ns)}"))
    if found.dropped:
        lost = ", ".join(f"{many} x {why}" for why, many in found.dropped.items())
        facts.append(("lost", lost))
    return facts


@command.command(cls=TeachingCommand, examples=("agent-replay store check",))
@store_option
@json_option
def check(store: str | None, *, as_json: bool) -> None:
    """Check that the store is sound; exit with 83 if it is not.

    It reads the whole of a SQLite file, which takes a second or two for each
    gigabyte.
    """
    with opened_store(store) as opened, working("Reading the whole store"):
        found = opened.check()
    if as_json:
        print_json({**asdict(found), "problems": [*found.problems]})
    else:
        _print_check(found)
    raise click.exceptions.Exit(
        ExitCode.STORE_UNAVAILABLE if found.problems else ExitCode.OK
    )


def _print_check(found: StoreCheck) -> None:
    rows = f"{count(found.runs, 'run')}, {count(found.spans, 'span')}"
    schema = f"schema {found.schema} of {found.known_schema}"
    said = f"{found.url}: {found.kind} {found.version}, {schema}, {rows}"
    click.echo(clean_line(said))
    for problem in found.problems or ("It is sound.",):
        click.echo(clean_line(problem))


@command.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay store init",
        "agent-replay store init --store clickhouse://db:8123/agents --cluster main",
    ),
)
@click.option("--cluster", metavar="NAME", help="Make the tables on this cluster.")
@click.option("--text-index", is_flag=True, help="Index payloads for text search.")
@store_option
@json_option
def init(
    store: str | None, cluster: str | None, *, text_index: bool, as_json: bool
) -> None:
    """Make a store, or bring an older one up to date.

    Recording makes the store by itself; this is for what has to be chosen first. A
    cluster and a text index are for ClickHouse only.
    """
    url = store_url(store)
    with made_store(url, cluster=cluster, text_index=text_index) as opened:
        found = opened.check()
    if as_json:
        print_json({"store": found.url, "kind": found.kind, "schema": found.schema})
        return
    message = (
        f"{found.url} is ready: {found.kind} {found.version}, schema {found.schema}"
    )
    click.echo(clean_line(message), err=True)
