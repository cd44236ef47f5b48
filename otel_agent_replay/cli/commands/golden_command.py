"""`agent-replay golden`: recorded runs kept as regression tests."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from otel_agent_replay._setup.golden_files import FOLDER, golden_names, read_golden
from otel_agent_replay._setup.golden_making import check_folder, refuse_in_ci
from otel_agent_replay._setup.golden_session import run_of
from otel_agent_replay.cli.exit_codes import ExitCode
from otel_agent_replay.cli.golden_adding import Added, AddRequest, add_golden
from otel_agent_replay.cli.golden_updating import CATEGORIES, update_goldens
from otel_agent_replay.cli.options import json_option, run_argument, store_option
from otel_agent_replay.cli.plain import clean_line
from otel_agent_replay.cli.progress import working
from otel_agent_replay.cli.teaching import TeachingCommand, TeachingGroup
from otel_agent_replay.cli.terminal import Column, Screen, print_json, text
from otel_agent_replay.cli.wording import count
from otel_agent_replay.errors import AgentReplayError
from otel_agent_replay.model.payload import JsonObject
from otel_agent_replay.replay.golden import Golden
from otel_agent_replay.replay.golden_view import GoldenRun

__all__ = ["command"]

_COLUMNS: Final = (
    Column("GOLDEN"),
    Column("AGENT"),
    Column("RECORDED"),
    Column("STEPS", number=True),
    Column("TOOLS", number=True),
    Column("EXPECTED", wide=True),
)
_DIRECTORY: Final = click.Path(file_okay=False, path_type=Path)
_folder_argument: Final = click.argument(
    "folder", type=_DIRECTORY, default="tests", metavar="[FOLDER]"
)


@click.group(
    cls=TeachingGroup,
    examples=(
        "agent-replay golden add last --test tests/agents/",
        "agent-replay golden check tests/agents/",
    ),
)
def command() -> None:
    """Keep recorded runs as regression tests, run by pytest.

    A golden is a run in a file of its own: readable in a diff, redacted, and all that
    a replay needs, so that its test runs anywhere, offline. Each of the four has its
    own --help.
    """


@command.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay golden add last --test tests/agents/",
        "agent-replay golden add 9a5ed353 --test tests/ --entry my_agent:run",
        "agent-replay golden add last --test tests/ --expect 'calls(search_docs)<=3'",
    ),
)
@run_argument()
@click.option(
    "--test",
    "folder",
    type=_DIRECTORY,
    required=True,
    metavar="FOLDER",
    help="Where the test goes; the golden goes into goldens/ in it.",
)
@click.option(
    "--name", metavar="NAME", help="What to call it; by default as the agent."
)
@click.option(
    "--entry",
    metavar="MODULE:FUNCTION",
    help="The function that runs the agent; by default the one that is decorated so.",
)
@click.option(
    "--expect",
    multiple=True,
    metavar="EXPECTATION",
    help="Of a run that went wrong: what should hold instead, such as answer=TEXT, "
    "answer~REGEX, calls(TOOL)<=N, state@STEP.PATH=VALUE. May be given several times.",
)
@store_option
@json_option
def add(  # noqa: PLR0913 - one argument an option
    run: str,
    folder: Path,
    name: str | None,
    entry: str | None,
    expect: tuple[str, ...],
    store: str | None,
    *,
    as_json: bool,
) -> None:
    """Make a golden of a run, and a test that runs your agent on it.

    Without --expect the test fails where the agent asks, tells or answers anything
    otherwise than in the run. With it the run is known to be bad: it only answers the
    agent's calls, and what is expected decides. A test that is there already is yours
    and stays as it is. The run is kept from `prune`.
    """
    refuse_in_ci()
    request = AddRequest(
        run=run, folder=folder, name=name, entry=entry, expect=expect, store=store
    )
    added = add_golden(request)
    if as_json:
        print_json(added.to_json())
    else:
        _say_added(added)


def _say_added(added: Added) -> None:
    screen = Screen(stderr=True)
    screen.print(text(f"Wrote {added.golden}, {count(added.steps, 'step')}."))
    if added.test_written:
        screen.print(text(f"Wrote {added.test}. It is yours to edit."))
    else:
        screen.print(text(f"{added.test} is there and stays as it is. Add to it:"))
        screen.print(text(added.test_text, lines=True))
    screen.print(text(f"Run it: python -m pytest {added.test}"))


@command.command(
    "list",
    cls=TeachingCommand,
    examples=(
        "agent-replay golden list",
        "agent-replay golden list tests/agents/ --json",
    ),
)
@_folder_argument
@json_option
def list_(folder: Path, *, as_json: bool) -> None:
    """List the goldens below a folder.

    A line each: the agent, the day it was recorded, how many steps and tool calls it
    made, and, of a run that went wrong, what is expected instead. Nothing is run.
    Of one that cannot be read it is said why.
    """
    found: list[tuple[Path, Golden]] = []
    unread: list[JsonObject] = []
    for path in _folders(folder):
        for name in golden_names(path):
            try:
                found.append((path, read_golden(path, name)))
            except AgentReplayError as error:
                where = str(path / f"{name}.json")
                unread.append({"name": name, "path": where, "problem": str(error)})
    if as_json:
        print_json([*(_golden_json(path, golden) for path, golden in found), *unread])
        return
    for each in unread:
        click.echo(clean_line(str(each["problem"])), err=True)
    if not found and not unread:
        click.echo(f"There is no golden below {clean_line(str(folder))}.", err=True)
        return
    rows = [[text(cell) for cell in _cells(golden)] for _, golden in found]
    Screen().print_table(_COLUMNS, rows)


def _folders(folder: Path) -> list[Path]:
    """Return the folders with goldens at or below a folder.

    Raises:
        click.BadParameter: There is no such folder.
    """
    if not folder.is_dir():
        raise click.BadParameter(f"{folder} is no folder", param_hint="FOLDER")
    below = (path for path in folder.rglob(FOLDER) if path.is_dir())
    own = [folder] if folder.name == FOLDER else []
    return [*own, *sorted(below)]


def _cells(golden: Golden) -> list[str]:
    run = _view(golden)
    return [
        golden.name,
        golden.agent,
        golden.recorded_on,
        str(len(run.steps)) if run else "damaged",
        str(len(run.tools)) if run else "",
        "; ".join(golden.expect),
    ]


def _view(golden: Golden) -> GoldenRun | None:
    try:
        return GoldenRun(run_of(golden))
    except AgentReplayError:
        return None


def _golden_json(folder: Path, golden: Golden) -> JsonObject:
    run = _view(golden)
    return {
        "name": golden.name,
        "path": str(folder / f"{golden.name}.json"),
        "agent": golden.agent,
        "recorded_on": golden.recorded_on,
        "expect": [*golden.expect],
        "steps": len(run.steps) if run else None,
        "tools": [*run.tools] if run else None,
    }


@command.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay golden check",
        "agent-replay golden check tests/agents/ --json",
    ),
)
@_folder_argument
@json_option
def check(folder: Path, *, as_json: bool) -> None:
    """Check that goldens are whole, and hold no secret; exit with 79 if not.

    Nothing is run. Each has to read back as it was written, hold calls to compare and
    nothing that the redaction policy calls secret; each body has to belong to one.
    """
    folders = _folders(folder)
    with working("Reading the goldens"):
        checked = [(path, *check_folder(path)) for path in folders]
    problems = [(p, name, what) for p, _, found in checked for name, what in found]
    if not folders:
        problems = [(folder, str(folder), "there is no folder called goldens in it")]
    total = sum(len(goldens) for _, goldens, _ in checked)
    if as_json:
        listed: list[JsonObject] = [
            {"folder": str(path), "name": name, "problem": what}
            for path, name, what in problems
        ]
        print_json({"goldens": total, "ok": not problems, "problems": [*listed]})
    else:
        for _, name, what in problems:
            click.echo(clean_line(f"{name}: {what}"))
        said = (
            "they are sound." if not problems else f"{count(len(problems), 'problem')}."
        )
        click.echo(f"{count(total, 'golden')}, {said}", err=True)
    raise click.exceptions.Exit(ExitCode.CHECK_FAILED if problems else ExitCode.OK)


@command.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay golden update",
        "agent-replay golden update tests/agents/ --category fix",
        "agent-replay golden update --category update --category trim --json",
    ),
)
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option(
    "--category",
    "categories",
    type=click.Choice(CATEGORIES),
    multiple=True,
    help="What to write. May be given several times. Without it, nothing is written.",
)
@click.option(
    "--dry-run", is_flag=True, help="Say what would be written, write nothing."
)
@json_option
def update(
    paths: tuple[str, ...],
    categories: tuple[str, ...],
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Run the tests, and write the goldens that should change.

    create: record those that a test names and that are not there, live. fix: record
    those whose test fails now again, live. update: rewrite those that another version
    wrote. trim: delete what no test and no golden uses. Where CI is set nothing is
    ever written.
    """
    chosen = () if dry_run else categories
    if chosen:
        refuse_in_ci()
    with working("Running the tests"):
        updated = update_goldens(
            paths or ("tests",), categories or CATEGORIES, dry_run=not chosen
        )
    if as_json:
        print_json(updated.to_json())
    else:
        for change in updated.changes:
            done = "wrote" if change["written"] else "would"
            click.echo(
                clean_line(
                    f"{done} {change['category']} {change['path']}: {change['why']}"
                )
            )
        if not chosen and updated.changes:
            click.echo("Nothing is written. Write it with --category.", err=True)
    if updated.said:
        click.echo(updated.said, err=True)
    raise click.exceptions.Exit(updated.exit_code)
