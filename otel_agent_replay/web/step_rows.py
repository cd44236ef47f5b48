"""The steps of compared runs, a row each that opens, as HTML."""

from __future__ import annotations

from typing import Final

from otel_agent_replay.cli.comparison_table import letter
from otel_agent_replay.cli.step_line import answered, asked, marks, title
from otel_agent_replay.cli.wording import count, duration, money, short
from otel_agent_replay.model.comparison import AlignedRow, ComparedRuns
from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.model.step import Step
from otel_agent_replay.web.markup import Html, joined, tag
from otel_agent_replay.web.values import fields_html, value_text

__all__ = ["place_of", "steps_html"]

_MOST_BYTES: Final = 6_000_000
_SHARED: Final = 200
_LINE: Final = 160
_KINDS: Final = frozenset({"model", "tool"})


def place_of(row: AlignedRow) -> str:
    """Return which step of which run a row is about."""
    column = next(n for n, step in enumerate(row.steps) if step is not None)
    return f"step {row.step.index} of {letter(column)}"


def steps_html(compared: ComparedRuns) -> Html:
    """Return the rows; those at the beginning that all runs share are one."""
    rows, left = [], _MOST_BYTES
    shown = compared.shared
    for number in range(compared.shared, len(compared.rows)):
        row = _row(number, compared.rows[number], first=number == compared.shared)
        left -= len(row)
        if left < 0:
            break
        rows.append(row)
        shown += 1
    missing = len(compared.rows) - shown
    cut = f"{count(missing, 'more row')} left out: the page would be too large."
    return joined(
        [
            _legend(),
            _shared(compared),
            *rows,
            tag("p", cut, class_="verdict") if missing else None,
            _superseded(compared),
        ]
    )


def _legend() -> Html:
    return tag(
        "p",
        "= the same in all runs, ~ differs, - in A only, + not in A. Open a step to "
        "read what was asked and answered.",
        class_="note",
    )


def _shared(compared: ComparedRuns) -> Html | None:
    if not compared.shared:
        return None
    lines = [
        tag("li", tag("code", short(title(r.step), 100)), " ", _line(r.step))
        for r in compared.rows[: min(compared.shared, _SHARED)]
    ]
    more = compared.shared - len(lines)
    summary = tag(
        "summary",
        tag("span", "=", class_="sign"),
        tag(
            "span", f"{count(compared.shared, 'step')} at the beginning", class_="name"
        ),
        tag("span", "the same in all runs", class_="line"),
    )
    note = tag("p", f"{more} more are left out.", class_="note") if more else None
    inside = tag("div", tag("ol", *lines, start="0"), note, class_="inside")
    return tag("details", summary, inside, class_="same")


def _line(step: Step) -> Html:
    said = " ⇒ ".join(filter(None, [asked(step), answered(step)]))
    return tag("span", short(said, _LINE), class_="line")


def _row(number: int, row: AlignedRow, *, first: bool) -> Html:
    sign, style = _sign(row)
    step = row.step
    kind = step.call.kind
    summary = tag(
        "summary",
        tag("span", sign, class_="sign"),
        tag("span", _places(row), class_="places"),
        tag("span", kind, class_=f"kind {kind if kind in _KINDS else ''}".strip()),
        tag("span", short(title(step), 100), class_="name"),
        _what(row) if sign == "~" else _line(step),
    )
    inside = _brief(step) if row.same else joined([_fields(row), _beside(row)])
    return tag(
        "details",
        summary,
        tag("div", inside, class_="inside"),
        class_=style,
        id=f"row-{number}",
        open=first and not row.same,
    )


def _sign(row: AlignedRow) -> tuple[str, str]:
    if row.same:
        return "=", "same"
    if row.steps[0] is None:
        return "+", "more"
    if not any(row.steps[1:]):
        return "-", "less"
    return "~", "changed"


def _places(row: AlignedRow) -> str:
    return " ".join(
        f"{letter(n)} {'-' if step is None else step.index}"
        for n, step in enumerate(row.steps)
    )


def _what(row: AlignedRow) -> Html:
    paths = dict.fromkeys(each.path for fields in row.fields for each in fields)
    absent = [letter(n) for n, step in enumerate(row.steps) if step is None]
    said = [*list(paths)[:3], *([f"not in {', '.join(absent)}"] if absent else [])]
    more = len(paths) - 3
    return tag(
        "span",
        short(", ".join(said), _LINE) + (f" and {more} more" if more > 0 else ""),
        class_="line",
    )


def _fields(row: AlignedRow) -> Html:
    found = []
    for column, fields in enumerate(row.fields):
        if fields:
            heading = f"{letter(column)} differs from A"
            found.append(joined([tag("h3", heading), fields_html(fields)]))
    return joined(found)


def _beside(row: AlignedRow) -> Html:
    cells = [
        tag("div", tag("h3", tag("span", letter(n), class_="letter")), _brief(step))
        for n, step in enumerate(row.steps)
        if step is not None
    ]
    return tag("div", *cells, class_="beside")


def _brief(step: Step) -> Html:
    facts = [
        f"step {step.index}",
        duration(step.duration_ns),
        "" if step.cost_usd is None else money(step.cost_usd),
        marks(step),
    ]
    return joined(
        [
            tag("p", ", ".join(filter(None, facts)), class_="note"),
            tag("pre", _asked_text(step)),
            tag("pre", _answered_text(step), class_="failed" if _failed(step) else ""),
        ]
    )


def _failed(step: Step) -> bool:
    return step.outcome.failed


def _asked_text(step: Step) -> str:
    if step.request is not None and step.request.messages:
        return asked(step)
    value: JsonValue = step.call.arguments
    return value_text(value) if value is not None else asked(step)


def _answered_text(step: Step) -> str:
    if step.outcome.failed or step.outcome.value is None:
        return answered(step)
    return value_text(step.outcome.value)


def _superseded(compared: ComparedRuns) -> Html | None:
    sums = [sum(step.superseded for step in run.steps) for run in compared.runs]
    if not any(sums):
        return None
    said = ", ".join(
        f"{number} in {letter(n)}" for n, number in enumerate(sums) if number
    )
    text = f"Steps that a resume made again are left out: {said}."
    return tag("p", text, class_="note")
