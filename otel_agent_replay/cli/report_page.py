"""The report of a session as a page of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from otel_agent_replay.cli.plain import clean_line
from otel_agent_replay.cli.step_line import title
from otel_agent_replay.cli.terminal import Screen, text
from otel_agent_replay.cli.wording import count, short_id, short_json
from otel_agent_replay.model.call import FRAME_KINDS
from otel_agent_replay.model.divergence import (
    Cause,
    Divergence,
    FieldDifference,
    Normalised,
    ReplayReport,
)
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step

__all__ = ["field_line", "print_report"]

_CAUSES: Final[dict[Cause, str]] = {
    "code": "cause: the code asks for something else",
    "tool": "cause: a tool gave another result",
    "model": "cause: a model, asked live, answered otherwise",
    "redaction": "cause: redaction; another key or policy was in force",
    "clock": "cause: the clock; --normalise timestamps lets times differ",
    "randomness": "cause: randomness; see --normalise uuids, request_ids, temp_paths",
}
_VALUE: Final = 300
_LINES: Final = 12


def print_report(screen: Screen, run: Run, report: ReplayReport, mode: str) -> None:
    """Print what a replay, resume or fork did."""
    screen.print(_headline(run, report, mode))
    for name, value, style in _facts(run, report):
        screen.print(Text.assemble((f"  {name:<12}", "dim"), text(value, style)))
    missing = [each for each in report.divergences if each.kind == "missing"]
    others = [each for each in report.divergences if each.kind != "missing"]
    ends = [each for each in others if each.follows and each.step is None]
    others = [each for each in others if each not in ends]
    for divergence in others[:_LINES]:
        _print_divergence(screen, run, divergence)
    more = len(others) - _LINES
    if more > 0:
        screen.print(text(f"  and {count(more, 'more divergence')}; --json has all"))
    if missing:
        _print_missing(screen, run, missing)
    for divergence in ends:  # what the agent returned, where all else led to
        _print_divergence(screen, run, divergence)
    _print_normalised(screen, run, report.normalised)
    for note in report.notes:
        screen.print(text(f"  note: {note}", "yellow"))


def _headline(run: Run, report: ReplayReport, mode: str) -> Text:
    verdict = ("ok", "bold green") if report.ok else _what_is_wrong(report)
    of = clean_line(f"{mode} of {short_id(run.run_id)} {run.agent_name}:")
    return Text.assemble((of, "bold"), " ", verdict)


def _what_is_wrong(report: ReplayReport) -> tuple[str, str]:
    if report.in_doubt:
        return "stopped at a write in doubt", "bold red"
    if report.blocked:
        return "stopped before a write", "bold red"
    return count(len(report.divergences), "divergence"), "bold red"


def _facts(run: Run, report: ReplayReport) -> list[tuple[str, str, str]]:
    missing = {each.step for each in report.divergences if each.kind == "missing"}
    unused = [run.steps[each] for each in report.unused if each not in missing]
    live = f"{len(report.live)}: {_tally(report.live)}" if report.live else "nothing"
    allow = f"{_tally(report.blocked)}  (--allow-write NAME lets it run)"
    facts = [
        ("served", f"{len(report.served)} of {count(_answers(run), 'answer')}", ""),
        ("unused", _steps(unused), "yellow"),
        ("live", live, ""),
        ("blocked", allow if report.blocked else "", "red"),
        *(("in doubt", _doubt(*each), "red") for each in report.in_doubt),
    ]
    return [fact for fact in facts if fact[1]]


def _doubt(name: str, problem: str) -> str:
    choice = f"--in-doubt '{name}=assume_done' if it happened, else =retry"
    return f"{name}: {problem}  ({choice})"


def _answers(run: Run) -> int:
    """Return how many steps can answer: frames run again, what is inside is served."""
    return sum(
        1
        for step in run.steps
        if step.call.kind not in FRAME_KINDS
        and not step.superseded
        and (step.parent is None or run.steps[step.parent].call.kind in FRAME_KINDS)
    )


def _steps(steps: Sequence[Step]) -> str:
    named = ", ".join(f"{each.index} {title(each)}" for each in steps[:_LINES])
    return named if len(steps) <= _LINES else f"{named}, …"


def _print_missing(screen: Screen, run: Run, missing: Sequence[Divergence]) -> None:
    steps = [run.steps[each.step] for each in missing if each.step is not None]
    what = f"missing: {count(len(steps), 'recorded step')} never asked for: "
    screen.print(Text.assemble(("  ✗ ", "red"), text(what + _steps(steps))))
    _print_reasons(screen, missing)


def _print_reasons(screen: Screen, divergences: Sequence[Divergence]) -> None:
    """Print what stands behind divergences, once each."""
    causes = dict.fromkeys(_CAUSES[each.cause] for each in divergences)
    reasons = dict.fromkeys(each.reason for each in divergences if each.reason)
    for line in (*reasons, *causes):
        screen.print(text(f"      {line}", "dim"))


def _print_normalised(
    screen: Screen, run: Run, normalised: Sequence[Normalised]
) -> None:
    """Print what was let pass although it differs."""
    for each in normalised[:_LINES]:
        named = "the run" if each.step is None else title(run.steps[each.step])
        at = "" if each.step is None else f"step {each.step} "
        line = f"  {each.normaliser} let pass {each.path or 'a value'} of {at}{named}"
        screen.print(text(line, "dim"))
    more = len(normalised) - _LINES
    if more > 0:
        screen.print(text(f"  and {count(more, 'more place')}; --json has all", "dim"))


def _tally(names: tuple[str, ...]) -> str:
    """Return names in order, each with how often it comes."""
    return ", ".join(
        name if names.count(name) == 1 else f"{name} x{names.count(name)}"
        for name in dict.fromkeys(names)
    )


def _print_divergence(screen: Screen, run: Run, divergence: Divergence) -> None:
    what = f"{divergence.kind}: {divergence.name}"
    if divergence.step is not None:
        closest = "closest to step" if divergence.kind == "unexpected" else "step"
        named = title(run.steps[divergence.step])
        what += f", {closest} {divergence.step} {named}"
    if divergence.parent:
        what += f", in {' > '.join(divergence.parent)}"
    follows = "  (follows from an earlier one)" if divergence.follows else ""
    screen.print(Text.assemble(("  ✗ ", "red"), text(what), (follows, "dim")))
    for field in divergence.fields[:_LINES]:
        screen.print(text(f"      {field_line(field)}"))
    more = len(divergence.fields) - _LINES
    if more > 0:
        screen.print(text(f"      and {count(more, 'more difference')}", "dim"))
    _print_reasons(screen, [divergence])
    for candidate in divergence.candidates:
        if candidate.fields == divergence.fields:
            continue
        screen.print(text(f"      close: {candidate}", "dim"))


def field_line(field: FieldDifference) -> str:
    """Return where two values differ, and how."""
    was = _value(field.expected) if field.in_expected else "nothing"
    now = _value(field.actual) if field.in_actual else "nothing"
    return f"{field.path or 'value'}: {was} → {now}"


def _value(value: object) -> str:
    return repr(value) if value == "" else short_json(value, _VALUE) or "null"  # type: ignore[arg-type]
