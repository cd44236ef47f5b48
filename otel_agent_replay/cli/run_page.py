"""A run as a page of text."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from otel_agent_replay.cli.step_line import answered, asked, depth_of, marks, title
from otel_agent_replay.cli.step_page import print_step
from otel_agent_replay.cli.terminal import Column, Screen, text
from otel_agent_replay.cli.wording import (
    count,
    duration,
    money,
    short_id,
    short_json,
    when,
)
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step

__all__ = ["KIND_STYLES", "STATUS_STYLES", "print_run"]

KIND_STYLES: Final = {
    "model": "magenta",
    "tool": "cyan",
    "http": "blue",
    "checkpoint": "yellow",
    "approval": "yellow",
}
STATUS_STYLES: Final = {"success": "green", "failed": "red", "interrupted": "yellow"}
_COLUMNS: Final = (
    Column("#", number=True),
    Column("KIND"),
    Column("NAME", wide=True),
    Column("ASKED", wide=True),
    Column("ANSWERED", wide=True),
    Column("TOKENS", number=True),
    Column("COST", number=True),
    Column("TIME", number=True),
    Column(""),
)
_VALUE: Final = 2_000


def print_run(screen: Screen, run: Run, *, payloads: bool) -> None:
    """Print a run: its facts, its steps, its answer."""
    for name, value, style in _facts(run):
        screen.print(Text.assemble((f"{name:<13}", "dim"), text(value, style)))
    if payloads:
        for step in run.steps:
            screen.print()
            print_step(screen, run, step, wire=False)
    elif run.steps:
        screen.print()
        screen.print_table(_COLUMNS, [_row(run, step) for step in run.steps])
    else:
        screen.print()
        screen.print("The run has no steps.")
    _print_gaps(screen, run)


def _facts(run: Run) -> list[tuple[str, str, str]]:
    tokens = run.usage
    cost = money(run.cost_usd) if run.cost_usd is not None else ""
    used = f"{tokens.input_tokens or 0} in, {tokens.output_tokens or 0} out"
    parent = run.parent
    origin = f"{parent.relation} of {short_id(parent.run_id)}" if parent else ""
    at = f" after step {parent.step}" if parent and parent.step is not None else ""
    ended = f"{run.status}, {count(len(run.steps), 'step')}, "
    facts = [
        ("run", run.run_id, "cyan"),
        ("agent", f"{run.agent_name} {run.agent_version or ''}", ""),
        ("status", ended + duration(run.end_ns - run.start_ns), _status_style(run)),
        ("class", run.run_class if run.run_class != run.status else "", ""),
        ("started", when(run.start_ns), ""),
        ("tokens", used if tokens.input_tokens is not None else "", ""),
        ("cost", cost, ""),
        ("from", origin + at, ""),
        ("user", run.user or "", ""),
        ("conversation", run.conversation or "", ""),
        ("prompt", f"{run.prompt_name or ''} {run.prompt_version or ''}".strip(), ""),
        ("tags", ", ".join(run.tags), ""),
        ("commit", short_json(run.environment.get("git_commit"), 12), ""),
        ("redaction", _redaction(run), "yellow" if _unredacted(run) else ""),
        ("input", short_json(run.input, _VALUE), ""),
        ("output", short_json(run.output, _VALUE), ""),
        ("error", _error(run), "red"),
        ("lost", ", ".join(f"{n} x {why}" for why, n in run.dropped.items()), "red"),
    ]
    return [fact for fact in facts if fact[1]]


def _status_style(run: Run) -> str:
    return STATUS_STYLES.get(run.status, "")


def _unredacted(run: Run) -> bool:
    return run.policy is None or run.policy.name == "off"


def _redaction(run: Run) -> str:
    if run.policy is None:
        return "unknown"
    if _unredacted(run):
        return "off: secrets are stored as they were"
    return f"{run.policy.name} {run.policy.version}"


def _error(run: Run) -> str:
    error = run.outcome.error
    return f"{error.type_name}: {error.message}" if error else ""


def _row(run: Run, step: Step) -> list[Text]:
    usage = step.response.usage if step.response else None
    tokens = (usage.input_tokens or 0) + (usage.output_tokens or 0) if usage else 0
    gap = any(each.step == step.index for each in run.gaps)
    remarks = marks(step, gap=gap)
    return [
        text(str(step.index)),
        text(step.call.kind, KIND_STYLES.get(step.call.kind, "")),
        Text("  " * depth_of(run, step)) + text(title(step)),
        text(asked(step)),
        text(answered(step), "red" if step.outcome.error else ""),
        text(str(tokens) if tokens else ""),
        text(money(step.cost_usd) if step.cost_usd is not None else ""),
        text(duration(step.duration_ns)),
        text(remarks, "red" if "error" in remarks else "yellow"),
    ]


def _print_gaps(screen: Screen, run: Run) -> None:
    if not run.gaps:
        return
    screen.heading("Incomplete: a replay of this run would not be exact")
    for gap in run.gaps:
        where = "" if gap.step is None else f"step {gap.step}: "
        screen.print(text(f"- {where}{gap.text}", "yellow"))
