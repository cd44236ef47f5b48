"""Compared runs as one page of HTML, to be sent to somebody."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from otel_agent_replay._version import __version__
from otel_agent_replay.cli.comparison_table import letter
from otel_agent_replay.cli.step_line import title
from otel_agent_replay.cli.wording import count, duration, money, short, short_id, when
from otel_agent_replay.model.comparison import (
    ComparedRuns,
    Comparison,
    Figure,
)
from otel_agent_replay.model.held import held_mark
from otel_agent_replay.model.run import Run
from otel_agent_replay.web.markup import Html, document, joined, tag
from otel_agent_replay.web.step_rows import place_of, steps_html
from otel_agent_replay.web.style import STYLE
from otel_agent_replay.web.values import fields_html, value_text

__all__ = ["comparison_page"]

_ANSWER: Final = 2_000


def comparison_page(compared: ComparedRuns) -> str:
    """Return compared runs as one self-contained page.

    Everything in it is data that anyone may have written, and shown as text. Long
    values, many fields and many rows are cut; what is left out is said.
    """
    names = ", ".join(dict.fromkeys(run.agent_name for run in compared.runs))
    heading = f"{count(len(compared.runs), 'run')} of {short(names, 80)} compared"
    return document(
        heading,
        STYLE,
        tag("a", "Skip to the steps", href="#steps", class_="skip"),
        tag("header", tag("h1", heading), _verdict(compared)),
        tag(
            "main",
            _section("Runs", _runs_table(compared)),
            *map(_contrast, range(1, len(compared.runs)), compared.comparisons),
            _section("Steps", steps_html(compared), id="steps"),
        ),
        _footer(),
        generator=" ".join(
            ["otel-agent-replay", *(held_mark(run.run_id) for run in compared.runs)]
        ),
    )


def _section(heading: str, *children: Html | None, id: str = "") -> Html:  # noqa: A002
    return tag("section", tag("h2", heading), *children, id=id)


def _verdict(compared: ComparedRuns) -> Html:
    if compared.same:
        return tag(
            "p", "Steps, inputs and answers are the same.", class_="verdict same"
        )
    row = next((n for n, each in enumerate(compared.rows) if not each.same), None)
    if row is None:
        text = joined(["Every step is the same; inputs or answers differ."])
    else:
        where = tag("a", place_of(compared.rows[row]), href=f"#row-{row}")
        name = tag("code", title(compared.rows[row].step))
        text = joined(["The first step that differs is ", where, ", ", name, "."])
    return tag("p", text, " ", _in_short(compared), class_="verdict")


def _in_short(compared: ComparedRuns) -> str:
    changed = sum(not each.same for each in compared.rows)
    said = [f"{changed} of {count(len(compared.rows), 'row')} differ"]
    if any(each.answer for each in compared.comparisons):
        said.append("the answers differ")
    if any(each.state for each in compared.comparisons):
        said.append("the last states differ")
    return f"{'; '.join(said).capitalize()}."


# --- the runs ----------------------------------------------------------------------


def _runs_table(compared: ComparedRuns) -> Html:
    runs = compared.runs
    rows: list[tuple[str, Sequence[Html]]] = [
        ("run", [tag("code", short_id(run.run_id)) for run in runs]),
        ("agent", _texts(f"{r.agent_name} {r.agent_version or ''}" for r in runs)),
        ("status", [_status(run) for run in runs]),
        ("comes from", _texts(_origin(run, runs) for run in runs)),
        ("model", _texts(_models(run) for run in runs)),
        ("started", _texts(when(run.start_ns) for run in runs)),
        ("steps", _texts(str(len(run.steps)) for run in runs)),
        *((name, _figures(compared, of, shown)) for name, of, shown in _FIGURES),
        ("answer", [_answer(run) for run in runs]),
    ]
    heads = [tag("th", letter(n), scope="col") for n in range(len(runs))]
    body = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            *(tag("td", cell) for cell in cells),
        )
        for name, cells in rows
        if any(cells)
    ]
    return _table([tag("td"), *heads], body)


def _table(heads: Sequence[Html], body: Sequence[Html]) -> Html:
    made = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *body))
    return tag(
        "div", made, class_="scroll", tabindex="0", role="region", aria_label="Table"
    )


def _texts(values: Iterable[str]) -> list[Html]:
    return [joined([short(value.strip(), 200)]) for value in values]


def _status(run: Run) -> Html:
    return tag("span", run.status, class_="" if run.status == "success" else "failed")


def _origin(run: Run, runs: Sequence[Run]) -> str:
    parent = run.parent
    if parent is None:
        return ""
    ids = [each.run_id for each in runs]
    known = parent.run_id in ids
    name = letter(ids.index(parent.run_id)) if known else short_id(parent.run_id)
    at = "" if parent.step is None else f" after step {parent.step}"
    return f"{parent.relation} of {name}{at}"


def _models(run: Run) -> str:
    return ", ".join(
        dict.fromkeys(s.request.model or "" for s in run.steps if s.request)
    )


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{int(value)}"


_FIGURES: Final[
    tuple[
        tuple[str, Callable[[Comparison], Figure], Callable[[float | None], str]], ...
    ]
] = (
    ("input tokens", lambda each: each.input_tokens, _whole),
    ("output tokens", lambda each: each.output_tokens, _whole),
    ("cost", lambda each: each.cost_usd, money),
    ("time", lambda each: each.duration_ns, duration),
)


def _figures(
    compared: ComparedRuns,
    of: Callable[[Comparison], Figure],
    shown: Callable[[float | None], str],
) -> list[Html]:
    figures = [of(each) for each in compared.comparisons]
    cells = [joined([shown(figures[0].a)])] if figures else []
    cells += [joined([shown(each.b), _change(each)]) for each in figures]
    return cells


def _change(figure: Figure) -> Html | None:
    if not figure.a or figure.b is None or figure.a == figure.b:
        return None
    percent = (figure.b - figure.a) / figure.a * 100
    sign = "+" if percent > 0 else "-"
    return tag("span", f" {sign}{abs(percent):.0f} %", class_="soft")


def _answer(run: Run) -> Html:
    error = run.outcome.error
    if error is not None:
        said = f"{error.type_name}: {error.message}"
        return tag("pre", value_text(said, _ANSWER), class_="failed")
    return tag("pre", value_text(run.output, _ANSWER))


def _contrast(column: int, comparison: Comparison) -> Html | None:
    """Return what one run has otherwise than the first, besides its steps."""
    parts = [
        ("Input", comparison.input),
        ("Answer", comparison.answer),
        ("Last state", comparison.state),
    ]
    shown = [
        joined([tag("h3", name), fields_html(fields)])
        for name, fields in parts
        if fields
    ]
    tools = _tools(comparison, column)
    if not shown and tools is None:
        return None
    return _section(f"{letter(column)} against A", *shown, tools)


def _tools(comparison: Comparison, column: int) -> Html | None:
    if not comparison.tools:
        return None
    names = ("tool", "calls A", f"calls {letter(column)}", "failed", "other results")
    rows = [
        tag(
            "tr",
            tag("th", tag("code", short(each.name, 100)), scope="row"),
            tag("td", _whole(each.calls.a), class_="number"),
            tag("td", _whole(each.calls.b), class_="number"),
            tag("td", f"{_whole(each.failed.a)} → {_whole(each.failed.b)}"),
            tag("td", _whole(each.other_results), class_="number"),
        )
        for each in comparison.tools
    ]
    heads = [tag("th", name, scope="col") for name in names]
    note = "“Other results”: same arguments, something else came back."
    return joined(
        [tag("h3", "Tools"), _table(heads, rows), tag("p", note, class_="note")]
    )


def _footer() -> Html:
    text = (
        f"Made by otel-agent-replay {__version__}. Shown as recorded, after redaction; "
        "the page loads nothing and runs no script."
    )
    return tag("footer", tag("p", text, class_="note"))
