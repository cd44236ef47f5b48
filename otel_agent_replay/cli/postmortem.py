"""The post-mortem of a run, as Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from otel_agent_replay.cli.incident import Incident, fork_command
from otel_agent_replay.cli.markdown import block, code, table
from otel_agent_replay.cli.report_page import field_line
from otel_agent_replay.cli.step_line import answered, asked, depth_of, marks, title
from otel_agent_replay.cli.wording import (
    count,
    duration,
    money,
    short_id,
    short_json,
    when,
)
from otel_agent_replay.model.divergence import Divergence, ReplayReport
from otel_agent_replay.model.finding import Finding
from otel_agent_replay.model.held import held_mark
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step

__all__ = ["postmortem", "replay_line"]

_ROWS: Final = 300
_CELL: Final = 90
_ANSWER: Final = 3_000
_DIVERGENCES: Final = 20
_STEPS: Final = 12
_WHAT_RULES_SEE: Final = (
    "Rules over what was recorded; they see calls, not intentions, so a finding is "
    "where to look, not a verdict."
)
_CONFIDENCE: Final = {
    "certain": "recorded so",
    "likely": "likely wrong",
    "possible": "possibly wrong",
}


def postmortem(incident: Incident) -> str:
    """Return a page for a repository or a ticket; data in it is shown as code."""
    run = incident.run
    name = code(f"{run.agent_name} {run.agent_version or ''}") or "an agent"
    parts = [
        f"# Post-mortem: run {code(short_id(run.run_id))} of {name}",
        f"<!-- otel-agent-replay {held_mark(run.run_id)} -->",
        _summary(incident),
        "## Where it went wrong",
        _findings(incident.findings),
        "## Timeline",
        _timeline(run),
        "## What it took",
        _costs(run),
        "## Replay",
        _replay(incident),
        "## Where to fork it",
        _forks(incident),
        "## Commands",
        *(f"{each.why}\n\n{block(each.command, 'sh')}" for each in incident.commands),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(incident: Incident) -> str:
    run = incident.run
    tokens = run.usage
    error = run.outcome.error
    took = duration(run.end_ns - run.start_ns)
    ended = f"{code(run.status)}, {count(len(run.steps), 'step')}, {took}"
    lines = [
        ("Run", code(run.run_id)),
        ("Started", when(run.start_ns)),
        ("Ended", ended),
        ("Tokens", f"{tokens.input_tokens or 0} in, {tokens.output_tokens or 0} out"),
        ("Cost", money(run.cost_usd)),
        ("Comes from", _origin(run)),
        ("Asked", code(short_json(run.input, _ANSWER), _ANSWER)),
        ("Answered", code(short_json(run.output, _ANSWER), _ANSWER)),
        ("Error", code(f"{error.type_name}: {error.message}") if error else ""),
        ("First to look at", _headline(incident.first)),
        ("Incomplete", "; ".join(code(gap.text) for gap in run.gaps[:_STEPS])),
    ]
    return "\n".join(f"- **{name}**: {said}" for name, said in lines if said)


def _origin(run: Run) -> str:
    if run.parent is None:
        return ""
    at = "" if run.parent.step is None else f" after step {run.parent.step}"
    return f"{run.parent.relation} of {code(short_id(run.parent.run_id))}{at}"


def _headline(finding: Finding | None) -> str:
    if finding is None:
        return ""
    return f"{_places(finding.steps)}{code(finding.text)}"


def _places(steps: Sequence[int]) -> str:
    if not steps:
        return ""
    shown = ", ".join(map(str, steps[:_STEPS]))
    more = ", …" if len(steps) > _STEPS else ""
    return f"step{'s' if len(steps) > 1 else ''} {shown}{more}: "


def _findings(findings: Sequence[Finding]) -> str:
    if not findings:
        return (
            "No rule found anything. That does not say that the run is right: rules "
            "see loops, empty results and errors, not wrong facts."
        )
    said = [_WHAT_RULES_SEE]
    for number, each in enumerate(findings, start=1):
        evidence = [f"   - {code(line)}" for line in each.evidence]
        head = f"{number}. {_places(each.steps)}{code(each.text)}"
        said.append("\n".join([f"{head} ({_CONFIDENCE[each.confidence]})", *evidence]))
    return "\n\n".join(said)


def _timeline(run: Run) -> str:
    rows = [_row(run, step) for step in run.steps[:_ROWS]]
    heads = ("#", "after", "kind", "name", "asked", "answered", "took", "")
    if not rows:
        return "The run has no steps."
    more = len(run.steps) - len(rows)
    cut = f"\n\n{count(more, 'more step')} left out." if more > 0 else ""
    return table(heads, rows) + cut


def _row(run: Run, step: Step) -> list[str]:
    special = code(marks(step), _CELL)  # an idempotency key is data too
    return [
        str(step.index),
        duration(max(0, step.start_ns - run.start_ns)),
        "· " * depth_of(run, step) + step.call.kind,
        code(title(step), _CELL),
        code(asked(step), _CELL),
        code(answered(step), _CELL),
        duration(step.duration_ns),
        ", ".join(filter(None, [special, "made again" if step.superseded else ""])),
    ]


def _costs(run: Run) -> str:
    alike: defaultdict[tuple[str, str], list[Step]] = defaultdict(list)
    for step in run.steps:
        alike[step.call.kind, title(step)].append(step)
    rows = [_cost_row(kind, name, steps) for (kind, name), steps in alike.items()]
    heads = ("kind", "name", "calls", "failed", "tokens in", "out", "cost", "time")
    return table(heads, rows[:_ROWS]) if rows else "Nothing was called."


def _cost_row(kind: str, name: str, steps: Sequence[Step]) -> list[str]:
    usage = [step.response.usage for step in steps if step.response]
    costs = [step.cost_usd for step in steps if step.cost_usd is not None]
    return [
        kind,
        code(name, _CELL),
        str(len(steps)),
        str(sum(step.outcome.failed for step in steps)),
        str(sum(each.input_tokens or 0 for each in usage)) if usage else "",
        str(sum(each.output_tokens or 0 for each in usage)) if usage else "",
        money(sum(costs)) if costs else "",
        duration(sum(step.duration_ns for step in steps)),
    ]


def replay_line(incident: Incident) -> str:
    """Return in a sentence whether the run reproduces."""
    verdict = incident.verdict
    if incident.unreplayed:
        return f"It was not replayed: {code(incident.unreplayed)}"
    if verdict is None:
        return "It was not replayed: no command was given."
    if verdict.report is None:
        return "The program took no part in the replay, so nothing is known."
    if verdict.unheard:
        return "A process of the program ended without a report."
    report = verdict.report
    if report.ok:
        served = count(len(report.served), "call")
        return f"It reproduces: {served} answered from the run, nothing differed."
    differ = count(len(report.divergences), "divergence")
    return f"It does not reproduce with this program: {differ}."


def _replay(incident: Incident) -> str:
    verdict = incident.verdict
    report = None if verdict is None else verdict.report
    parts = [replay_line(incident), "" if report is None else _divergences(report)]
    return "\n\n".join(filter(None, parts))


def _divergences(report: ReplayReport) -> str:
    missing = [each for each in report.divergences if each.kind == "missing"]
    others = [each for each in report.divergences if each.kind != "missing"]
    lines = []
    for each in others[:_DIVERGENCES]:
        at = "" if each.step is None else f", step {each.step}"
        lines.append(f"- {each.kind}: {code(each.name)}{at}")
        lines += [f"  - {code(field_line(field))}" for field in each.fields[:_STEPS]]
    if len(others) > _DIVERGENCES:
        more = count(len(others) - _DIVERGENCES, "more divergence")
        lines.append(f"- {more} left out")
    if missing:
        steps = ", ".join(str(each.step) for each in missing[:_DIVERGENCES])
        more = ", …" if len(missing) > _DIVERGENCES else ""
        lines.append(f"- never asked for: {_of_steps(missing)} {steps}{more}")
    lines += [f"- blocked: {code(name)}" for name in report.blocked[:_STEPS]]
    lines += [f"- note: {code(note)}" for note in report.notes[:_STEPS]]
    return "\n".join(lines)


def _of_steps(missing: Sequence[Divergence]) -> str:
    return "step" if len(missing) == 1 else "steps"


def _forks(incident: Incident) -> str:
    if not incident.points:
        return "No finding names a step to fork at."
    last = incident.run.steps
    writes = {step.call.name for step in last if step.call.effect == "write"}
    named = ", ".join(code(name) for name in sorted(writes)[:_STEPS])
    note = (
        f"A fork stops before a write ({named}) unless `--allow-write NAME` lets it run."
        if writes
        else ""
    )
    said = [
        f"After step {each.at}, {code(each.why)}:\n\n"
        f"{block(fork_command(incident, each), 'sh')}"
        for each in incident.points
    ]
    head = (
        "Each shares the steps up to there and then goes on live; values are examples."
    )
    return "\n\n".join([head, *filter(None, [note]), *said])
