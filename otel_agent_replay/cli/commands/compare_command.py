"""`agent-replay compare`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import click
from rich.text import Text

from otel_agent_replay.cli.exit_codes import ExitCode
from otel_agent_replay.cli.found import named_run, whole_id
from otel_agent_replay.cli.options import json_option, run_argument, store_option
from otel_agent_replay.cli.report_page import field_line
from otel_agent_replay.cli.run_page import KIND_STYLES
from otel_agent_replay.cli.step_line import answered, asked, title
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.cli.terminal import Column, Screen, print_json, text
from otel_agent_replay.cli.wording import count, duration, money, short, short_id
from otel_agent_replay.model.divergence import AlignedSteps, Comparison, Figure
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.codec import comparison_json
from otel_agent_replay.replay.compare import compare

__all__ = ["command", "print_comparison"]

_FIELDS: Final = 8
_COLUMNS: Final = (
    Column(""),
    Column("A", number=True),
    Column("B", number=True),
    Column("KIND"),
    Column("NAME", wide=True),
    Column("DIFFERENCE", wide=True),
)


@click.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay compare 9a5ed353 last",
        "agent-replay compare 9a5ed353 e21ce7a7 --json",
        "agent-replay compare 9a5ed353 last --exit-code",
    ),
)
@run_argument("a")
@run_argument("b")
@click.option(
    "--exit-code",
    "as_exit_code",
    is_flag=True,
    help=f"Exit with {ExitCode.DIVERGED} if the runs differ.",
)
@store_option
@json_option
def command(
    a: str, b: str, store: str | None, *, as_exit_code: bool, as_json: bool
) -> None:
    """Align two runs step by step and show where they differ.

    The first difference is shown field by field; the rest, and what only one of the
    runs has, in a line each. Then answers, tokens, cost and time side by side.
    """
    with named_run(store, a) as (opened, first):
        runs = (opened.load(first), opened.load(whole_id(opened, b)))
    found = compare(*runs)
    if as_json:
        print_json(comparison_json(found))
    else:
        print_comparison(Screen(), *runs, found)
    if as_exit_code and not found.same:
        raise click.exceptions.Exit(ExitCode.DIVERGED)


def print_comparison(screen: Screen, a: Run, b: Run, found: Comparison) -> None:
    """Print two runs side by side."""
    screen.print(Text.assemble("A  ", (short_id(a.run_id), "cyan"), "  ", _agent(a)))
    screen.print(Text.assemble("B  ", (short_id(b.run_id), "cyan"), "  ", _agent(b)))
    screen.print()
    if found.rows:
        screen.print_table(_COLUMNS, [_row(each) for each in found.rows])
    _print_first(screen, found)
    _print_answers(screen, a, found)
    screen.heading("Figures")
    screen.print_table(
        (Column(""), Column("A", number=True), Column("B", number=True)),
        [
            _figure("steps", Figure(a=len(a.steps), b=len(b.steps)), _whole),
            _figure("input tokens", found.input_tokens, _whole),
            _figure("output tokens", found.output_tokens, _whole),
            _figure("cost", found.cost_usd, money),
            _figure("time", found.duration_ns, duration),
        ],
    )


def _agent(run: Run) -> Text:
    version = f" {run.agent_version}" if run.agent_version else ""
    return text(f"{run.agent_name}{version}, {run.status}")


def _row(row: AlignedSteps) -> list[Text]:
    step = row.a or row.b
    if step is None:
        return [text("")] * len(_COLUMNS)
    sign, style, what = _difference(row)
    return [
        text(sign, style),
        text(str(row.a.index) if row.a else ""),
        text(str(row.b.index) if row.b else ""),
        text(step.call.kind, KIND_STYLES.get(step.call.kind, "")),
        text(title(step)),
        text(what, style),
    ]


def _difference(row: AlignedSteps) -> tuple[str, str, str]:
    if row.same:
        return "=", "dim", ""
    if row.b is None and row.a is not None:
        return "-", "red", f"only in A: {_line(row.a)}"
    if row.a is None and row.b is not None:
        return "+", "green", f"only in B: {_line(row.b)}"
    return "~", "yellow", "; ".join(field_line(each) for each in row.fields)


def _line(step: Step) -> str:
    return short(" ⇒ ".join(filter(None, [asked(step), answered(step)])), 200)


def _print_first(screen: Screen, found: Comparison) -> None:
    if found.first_divergence is None:
        screen.heading("Every step is the same")
        return
    row = found.rows[found.first_divergence]
    places = [f"A {row.a.index}" if row.a else "", f"B {row.b.index}" if row.b else ""]
    where = ", ".join(filter(None, places))
    screen.heading(f"First difference, at step {where}")
    for each in row.fields[:_FIELDS]:
        screen.print(text(f"  {field_line(each)}"))
    more = len(row.fields) - _FIELDS
    if more > 0:
        screen.print(text(f"  and {count(more, 'more field')}; --json has all"))
    if not row.fields:
        screen.print(text(f"  {_difference(row)[2]}"))


def _print_answers(screen: Screen, a: Run, found: Comparison) -> None:
    for name, fields in (("Input", found.input), ("Answer", found.answer)):
        if fields:
            screen.heading(f"{name} differs")
            for each in fields[:_FIELDS]:
                screen.print(text(f"  {field_line(each)}"))
    if not found.answer and a.output is not None:
        screen.heading("The answers are the same")


def _figure(
    name: str, figure: Figure, shown: Callable[[float | None], str]
) -> list[Text]:
    return [text(name), text(shown(figure.a)), text(shown(figure.b))]


def _whole(value: float | None) -> str:
    return "-" if value is None else str(int(value))
