"""`agent-replay incident`."""

from __future__ import annotations

from pathlib import Path

import click
from rich.text import Text

from otel_agent_replay._setup.doubts import in_doubt
from otel_agent_replay.cli.doubts import writes_of
from otel_agent_replay.cli.exit_codes import ExitCode
from otel_agent_replay.cli.found import named_run
from otel_agent_replay.cli.incident import (
    Incident,
    fork_command,
    incident_json,
    incident_of,
)
from otel_agent_replay.cli.options import (
    allow_gaps_option,
    json_option,
    run_argument,
    store_option,
    tool_option,
)
from otel_agent_replay.cli.plain import clean_line
from otel_agent_replay.cli.postmortem import postmortem, replay_line
from otel_agent_replay.cli.session_program import SessionRequest, Verdict, run_session
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.cli.terminal import Screen, print_json, text
from otel_agent_replay.cli.wording import short_id
from otel_agent_replay.errors import RunIncompleteError

__all__ = ["command"]

_STYLES = {"certain": "bold red", "likely": "red", "possible": "yellow"}


@click.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay incident last",
        "agent-replay incident 9a5ed353 -- python my_agent.py",
        "agent-replay incident 9a5ed353 --out docs/incidents/2026-11-refunds.md",
        "agent-replay incident last --json",
    ),
)
@run_argument()
@click.argument("program", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where to write the post-mortem; by default incident-RUN.md here.",
)
@click.option("--force", is_flag=True, help="Write it over a file that is there.")
@allow_gaps_option
@tool_option
@store_option
@json_option
def command(  # noqa: PLR0913 - one argument an option
    run: str,
    program: tuple[str, ...],
    out: Path | None,
    store: str | None,
    tools: tuple[str, ...],
    *,
    force: bool,
    allow_gaps: bool,
    as_json: bool,
) -> None:
    """Walk through a run that went wrong, and write its post-mortem.

    Rules look for loops of equal calls, empty results, errors that come again or are
    passed over, answers that were cut off, refused or contradict what was found,
    unfinished writes, and steps that cost far more than others. With a command after
    -- the run is replayed first, with nothing live, to see whether it reproduces. Then
    come places to fork the run at, each with its command. All of it is written as
    Markdown. With --json it is printed instead, and written only where --out says.
    """
    with named_run(store, run) as (opened, run_id):
        found = opened.load(run_id)
        doubts = in_doubt(found, writes_of(opened, found))
        target = out if as_json else out or Path(_name(run_id))
        if target is not None and target.exists() and not force:
            message = f"{clean_line(str(target))} is there; --force writes over it"
            raise click.UsageError(message)
    verdict, why = None, ""
    if program:
        request = SessionRequest(
            mode="replay",
            run=run_id,
            command=program,
            store=store,
            tools=tools,
            allow_gaps=allow_gaps,
            quiet=True,
        )
        verdict, why = _replayed(request)
    incident = incident_of(
        found,
        program,
        store=store,
        in_doubt=doubts,
        verdict=verdict,
        unreplayed=why,
    )
    if target is not None:
        with named_run(store, run_id) as (opened, _):
            # Noted first: a file that nobody knows of outlives an erase.
            opened.remember_export(run_id, target)
        _write(target, postmortem(incident))
    if as_json:
        print_json(incident_json(incident))
    else:
        _print(Screen(), incident, target)
    raise click.exceptions.Exit(_exit_code(verdict, why))


def _name(run_id: str) -> str:
    plain = "".join(sign for sign in run_id[:8] if sign.isalnum())
    return f"incident-{plain or 'run'}.md"


def _replayed(request: SessionRequest) -> tuple[Verdict | None, str]:
    try:
        return run_session(request), ""
    except RunIncompleteError as error:
        return None, str(error)


def _exit_code(verdict: Verdict | None, why: str) -> int:
    if why:
        return ExitCode.RUN_INCOMPLETE
    return ExitCode.OK if verdict is None else verdict.exit_code


def _write(target: Path, page: str) -> None:
    try:
        target.write_text(page, encoding="utf-8")
    except OSError as error:
        message = f"{target}: {error.strerror or error}"
        raise click.BadParameter(message, param_hint="--out") from error


def _print(screen: Screen, incident: Incident, target: Path | None) -> None:
    run = incident.run
    of = clean_line(f"{run.agent_name} {run.agent_version or ''}".strip())
    screen.print(
        Text.assemble((short_id(run.run_id), "cyan"), f"  {of}  ", text(run.status))
    )
    screen.print(text(replay_line(incident)))
    screen.heading("Where to look")
    for each in incident.findings:
        steps = ", ".join(map(str, each.steps[:8]))
        more = ", …" if len(each.steps) > 8 else ""  # noqa: PLR2004 - of a line
        at = f"  [step {steps}{more}]" if steps else ""
        word = (f"{each.confidence:<9}", _STYLES[each.confidence])
        screen.print(Text.assemble("  ", word, text(each.text + at)))
    if not incident.findings:
        screen.print("  No rule found anything; that does not say the run is right.")
    if incident.points:
        screen.heading("Where to fork it")
        for point in incident.points:
            screen.print(text(f"  {point.why}"))
            screen.print(text(f"    {fork_command(incident, point)}", "cyan"))
    if target is not None:
        screen.print()
        screen.print(text(f"Wrote {target}."))
