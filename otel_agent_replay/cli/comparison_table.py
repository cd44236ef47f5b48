"""Compared runs as tables of text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from rich.text import Text

from otel_agent_replay.cli.report_page import field_line
from otel_agent_replay.cli.run_page import KIND_STYLES
from otel_agent_replay.cli.step_line import answered, asked, title
from otel_agent_replay.cli.terminal import Column, Screen, text
from otel_agent_replay.cli.wording import count, duration, money, short, short_id
from otel_agent_replay.model.comparison import (
    AlignedRow,
    ComparedRuns,
    Comparison,
    Figure,
)
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step

__all__ = ["letter", "print_comparison"]

_FIELDS: Final = 8
_TOOLS: Final = 12


def letter(column: int) -> str:
    """Return what a run is called in a comparison: A, B and so on."""
    return chr(ord("A") + column)


def print_comparison(screen: Screen, compared: ComparedRuns) -> None:
    """Print runs beside the first: steps, the first difference, answers, figures."""
    for column, run in enumerate(compared.runs):
        screen.print(_head(column, run, compared.runs))
    screen.print()
    if compared.rows:
        screen.print_table(_columns(compared), _rows(compared))
    _print_first(screen, compared)
    for column, comparison in enumerate(compared.comparisons, start=1):
        _print_contrast(screen, compared, column, comparison)
    screen.heading("Figures")
    heads = [Column(letter(n), number=True) for n in range(len(compared.runs))]
    screen.print_table((Column(""), *heads), _figures(compared))
    again = [sum(step.superseded for step in run.steps) for run in compared.runs]
    if any(again):
        said = ", ".join(f"{n} in {letter(at)}" for at, n in enumerate(again) if n)
        screen.print()
        screen.print(f"Left out are steps that a resume made again: {said}.")


def _head(column: int, run: Run, runs: Sequence[Run]) -> Text:
    version = f" {run.agent_version}" if run.agent_version else ""
    parent = run.parent
    origin = ""
    if parent is not None:
        known = [each.run_id for each in runs]
        inside = parent.run_id in known
        name = letter(known.index(parent.run_id)) if inside else short_id(parent.run_id)
        at = "" if parent.step is None else f" after step {parent.step}"
        origin = f", {parent.relation} of {name}{at}"
    said = text(f"{run.agent_name}{version}, {run.status}{origin}")
    return Text.assemble(
        f"{letter(column)}  ", (short_id(run.run_id), "cyan"), "  ", said
    )


def _columns(compared: ComparedRuns) -> list[Column]:
    numbers = [Column(letter(n), number=True) for n in range(len(compared.runs))]
    return [
        Column(""),
        *numbers,
        Column("KIND"),
        Column("NAME", wide=True),
        Column("DIFFERENCE", wide=True),
    ]


def _rows(compared: ComparedRuns) -> list[list[Text]]:
    """Return a line a row; for many runs, those that all share are one line."""
    folded = compared.shared if len(compared.comparisons) > 1 else 0
    rows = [_row(each) for each in compared.rows[folded:]]
    if not folded:
        return rows
    last = compared.rows[folded - 1]
    numbers = [f"0-{step.index}" if step else "" for step in last.steps]
    said = f"{count(folded, 'step')}, the same in all"
    first = [
        text("=", "dim"),
        *map(text, numbers),
        text(""),
        text(""),
        text(said, "dim"),
    ]
    return [first, *rows]


def _row(row: AlignedRow) -> list[Text]:
    step = row.step
    sign, style, what = _difference(row)
    return [
        text(sign, style),
        *(text("" if each is None else str(each.index)) for each in row.steps),
        text(step.call.kind, KIND_STYLES.get(step.call.kind, "")),
        text(title(step)),
        text(what, style),
    ]


def _difference(row: AlignedRow) -> tuple[str, str, str]:
    if row.same:
        return "=", "dim", ""
    there = [letter(n) for n, step in enumerate(row.steps) if step is not None]
    if row.steps[0] is not None and len(there) == 1:
        return "-", "red", f"only in A: {_line(row.step)}"
    if row.steps[0] is None:
        return "+", "green", f"only in {', '.join(there)}: {_line(row.step)}"
    return "~", "yellow", _changes(row)


def _changes(row: AlignedRow) -> str:
    if len(row.steps) == 2:  # noqa: PLR2004 - A and B
        return "; ".join(field_line(each) for each in row.fields[1])
    said = []
    for column, fields in enumerate(row.fields):
        if column and row.steps[column] is None:
            said.append(f"{letter(column)} has none")
        if fields:
            more = f" and {len(fields) - 1} more" if len(fields) > 1 else ""
            said.append(f"{letter(column)} {field_line(fields[0])}{more}")
    return "; ".join(said)


def _line(step: Step) -> str:
    return short(" ⇒ ".join(filter(None, [asked(step), answered(step)])), 200)


def _print_first(screen: Screen, compared: ComparedRuns) -> None:
    row = next((each for each in compared.rows if not each.same), None)
    if row is None:
        screen.heading("Every step is the same")
        return
    places = [f"{letter(n)} {step.index}" for n, step in enumerate(row.steps) if step]
    screen.heading(f"First difference, at step {', '.join(places)}")
    for column, fields in enumerate(row.fields):
        many = len(row.steps) > 2 and fields  # noqa: PLR2004 - more than A and B
        if many:
            screen.print(text(f"  {letter(column)}", "bold"))
        for each in fields[:_FIELDS]:
            screen.print(text(f"  {field_line(each)}"))
        more = len(fields) - _FIELDS
        if more > 0:
            screen.print(text(f"  and {count(more, 'more field')}; --json has all"))
    if not any(row.fields):
        screen.print(text(f"  {_difference(row)[2]}"))


def _print_contrast(
    screen: Screen, compared: ComparedRuns, column: int, found: Comparison
) -> None:
    beside = f" in {letter(column)}" if len(compared.comparisons) > 1 else ""
    parts = (("Input", found.input), ("Answer", found.answer), ("State", found.state))
    for name, fields in parts:
        if fields:
            screen.heading(f"{name} differs{beside}")
            for each in fields[:_FIELDS]:
                screen.print(text(f"  {field_line(each)}"))
    if not found.answer and compared.runs[0].output is not None:
        screen.heading(f"The answers are the same{beside}")
    changed = [t for t in found.tools if t.calls.a != t.calls.b or t.other_results]
    if changed:
        screen.heading(f"Tools differ{beside}")
        for tool in changed[:_TOOLS]:
            calls = f"{_whole(tool.calls.a)} → {_whole(tool.calls.b)} calls"
            other = f", {tool.other_results} answered otherwise"
            said = calls + (other if tool.other_results else "")
            screen.print(text(f"  {tool.name}: {said}"))


def _figures(compared: ComparedRuns) -> list[list[Text]]:
    shown: tuple[
        tuple[str, Callable[[Comparison], Figure], Callable[[float | None], str]], ...
    ] = (
        ("input tokens", lambda each: each.input_tokens, _whole),
        ("output tokens", lambda each: each.output_tokens, _whole),
        ("cost", lambda each: each.cost_usd, money),
        ("time", lambda each: each.duration_ns, duration),
    )
    steps = [text("steps"), *(text(str(len(run.steps))) for run in compared.runs)]
    rows = [steps]
    for name, of, said in shown:
        figures = [of(each) for each in compared.comparisons]
        cells = [figures[0].a, *(each.b for each in figures)]
        rows.append([text(name), *(text(said(cell)) for cell in cells)])
    return rows


def _whole(value: float | None) -> str:
    return "-" if value is None else str(int(value))
