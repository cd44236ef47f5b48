"""`agent-replay erase`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from otel_agent_replay._setup.erasing import Erased
from otel_agent_replay._setup.stores import RunStore
from otel_agent_replay.cli.exit_codes import ExitCode
from otel_agent_replay.cli.found import checked_store, whole_id
from otel_agent_replay.cli.options import json_option, runs_argument, store_option
from otel_agent_replay.cli.plain import clean_line
from otel_agent_replay.cli.progress import working
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.cli.terminal import print_json
from otel_agent_replay.cli.wording import count, short_id, when
from otel_agent_replay.model.payload import JsonObject, JsonValue
from otel_agent_replay.model.run import RunSummary

__all__ = ["command"]

_TELLING: Final = 8
"""Characters from which on a text does not stand in a file by chance."""
_NAMED: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Receipt:
    """What a person keeps as the proof of an erasure.

    `verified` is None where nothing was searched; `found_in` says where a trace is
    left.
    """

    erased: Erased
    user: str | None
    store: str
    at: str
    purged: bool
    verified: bool | None
    found_in: tuple[str, ...]


@click.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay erase 9a5ed353",
        "agent-replay erase last --yes --purge",
        "agent-replay erase --user ada@example.com --purge --json > receipt.json",
    ),
)
@runs_argument()
@click.option("--user", metavar="USER", help="Erase all runs for this user.")
@click.option(
    "--purge",
    is_flag=True,
    help="Rewrite the store's files too, and search them for what was erased.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@store_option
@json_option
def command(
    runs: tuple[str, ...],
    store: str | None,
    user: str | None,
    *,
    purge: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Delete runs, or all runs for a user: spans, payloads, and exported files.

    A user is looked for as given and as its pseudonym. Files that `agent-replay
    export` wrote are deleted too, if they still hold the run. It asks first; --yes
    does not. What was erased cannot be had back. Standard output gets a receipt with
    --json.
    """
    if bool(runs) == bool(user):
        raise click.UsageError("Name runs, or a user with --user.")
    with checked_store(store, runs[0] if runs else None) as opened:
        found = _found(opened, runs, user)
        what = _what(found)
        if found and not yes:
            _ask(f"Erase {what}?")
        with working(f"Erasing {count(len(found), 'run')}"):
            erased = opened.erase_user(user) if user else _erase(opened, found)
            receipt = _receipt(opened, erased, user, purge=purge)
    if as_json:
        print_json(_json(receipt))
    else:
        _print(receipt, what)
    if receipt.verified is False:
        raise click.exceptions.Exit(ExitCode.NOT_GONE)


def _found(opened: RunStore, runs: Sequence[str], user: str | None) -> list[RunSummary]:
    if user:
        return opened.runs_of_user(user)
    run_ids = dict.fromkeys(whole_id(opened, run) for run in runs)
    return [opened.runs(run_id=run_id, limit=1)[0] for run_id in run_ids]


def _erase(opened: RunStore, found: Sequence[RunSummary]) -> Erased:
    return opened.erase(*(run.run_id for run in found))


def _what(found: Sequence[RunSummary]) -> str:
    steps = count(sum(run.step_count for run in found), "step")
    named = [
        f"{short_id(run.run_id)} {clean_line(run.agent_name)} of {when(run.start_ns)}"
        for run in found[:_NAMED]
    ]
    more = len(found) - _NAMED
    if more > 0:
        named.append(f"{more} more")
    return f"{', '.join(named)}, {steps}" if named else "nothing"


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask at; erase with --yes.")
    click.confirm(question, abort=True, err=True)


def _receipt(
    opened: RunStore, erased: Erased, user: str | None, *, purge: bool
) -> _Receipt:
    verified: bool | None = None
    left: tuple[str, ...] = ()
    if purge:
        opened.purge()
        verified, left = _searched(opened, erased, user)
    now = datetime.fromtimestamp(time.time_ns() // 1_000_000_000, tz=UTC)
    return _Receipt(
        erased=erased,
        user=user,
        store=opened.shown_url,
        at=now.isoformat(),
        purged=purge,
        verified=verified,
        found_in=left,
    )


def _searched(
    opened: RunStore, erased: Erased, user: str | None
) -> tuple[bool | None, tuple[str, ...]]:
    """Search the store's files for what was erased; what has none was not searched."""
    words = [*erased.run_ids, *(each for each in erased.users)]
    files = opened.files_holding([each for each in words if len(each) >= _TELLING])
    left = [*map(str, files or ()), *map(str, erased.kept), *_held_by(erased)]
    if user:
        left += [f"run {run.run_id}" for run in opened.runs_of_user(user)]
    return (None if files is None and not left else not left), tuple(left)


def _held_by(erased: Erased) -> list[str]:
    """Return what else in the store holds something of the runs."""
    forks = [f"run {each}, which came from it" for each in erased.forks]
    return forks + [f"thread {each}, which went on from it" for each in erased.threads]


def _json(receipt: _Receipt) -> JsonObject:
    erased = receipt.erased
    return {
        "run_ids": [*erased.run_ids],
        "user": receipt.user,
        "spans": erased.spans,
        "content_bytes": erased.content_bytes,
        "files": _texts(erased.files),
        "files_kept": _texts(erased.kept),
        "forks": [*erased.forks],
        "threads": [*erased.threads],
        "store": receipt.store,
        "at": receipt.at,
        "purged": receipt.purged,
        "verified": receipt.verified,
        "found_in": [*receipt.found_in],
    }


def _texts(paths: Sequence[Path]) -> list[JsonValue]:
    return [str(path) for path in paths]


def _print(receipt: _Receipt, what: str) -> None:
    erased = receipt.erased
    size = f"{erased.content_bytes:,} bytes of payloads"
    lines = [
        f"Erased {what}: {count(erased.spans, 'span')}, {size}.",
        *(f"Deleted {path}, which held it." for path in erased.files),
        *(
            f"Left {path}, which may hold it; look and delete it yourself."
            for path in erased.kept
        ),
        *(f"Something of it stays in {each}." for each in _held_by(erased)),
        f"{receipt.at}, {receipt.store}",
    ]
    if receipt.verified:
        lines.append("Purged and searched: nothing of it is in the store's files.")
    elif receipt.verified is False:
        left = ", ".join(receipt.found_in)
        lines.append(f"Purged, but something of it is left in: {left}")
    elif receipt.purged:
        lines.append("Purged. The files are the server's, so they were not searched.")
    for line in lines:
        click.echo(clean_line(line), err=True)
