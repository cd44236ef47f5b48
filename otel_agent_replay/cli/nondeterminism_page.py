"""Why runs of one input are not alike, as a page of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich.text import Text

from otel_agent_replay.cli.report_page import field_line
from otel_agent_replay.cli.terminal import Screen, text
from otel_agent_replay.cli.wording import count, short_id
from otel_agent_replay.replay.nondeterminism import (
    Nondeterminism,
    Source,
    UnlikeRuns,
)

__all__ = ["print_nondeterminism"]

_FIELDS: Final = 3
_WHY: Final[Mapping[Source, str]] = {
    "input": "the agent was given something else",
    "clock": "it was read at another time",
    "randomness": "it was drawn at random",
    "environment": "a variable has another value",
    "file": "a file has another content",
    "model": "the same request got another answer: sampling, or another model version",
    "tool": "the same arguments got another result",
    "service": "the same request got another answer",
    "order": "calls of one task or thread came in another order",
    "redaction": "it was redacted under another key or policy",
    "code": "the code went another way, and nothing on record led it there",
}
_RECORD: Final[Mapping[Source, str]] = {
    "clock": "record it: agent-replay record --effects clock",
    "randomness": "record it: agent-replay record --effects random",
    "environment": "record it: agent-replay record --effects environment",
    "file": "record it: agent-replay record --file PATTERN",
    "code": "if it reads a clock, randomness, a variable or a file, record that: "
    "agent-replay record --effects clock,random,environment --file PATTERN",
}


def print_nondeterminism(screen: Screen, found: Sequence[UnlikeRuns]) -> None:
    """Print, a pair of runs, what differed first and why."""
    for each in found:
        names = f"{short_id(each.a)} and {short_id(each.b)}:"
        verdict = ("alike", "bold green")
        if each.first is not None:
            verdict = (f"differ by {each.first.source}", "bold yellow")
        screen.print(Text.assemble((names, "bold"), " ", verdict))
        if each.first is not None:
            _print_pair(screen, each, each.first)


def _print_pair(screen: Screen, pair: UnlikeRuns, first: Nondeterminism) -> None:
    _print_finding(screen, "first", first)
    if pair.effect is not None and pair.effect != first:
        _print_finding(screen, "parted at", pair.effect)
    if pair.counts:
        told = ", ".join(f"{name} x{number}" for name, number in pair.counts.items())
        _print_line(screen, "answered", f"otherwise, asked for the same: {told}")
    for field in pair.environment[:_FIELDS]:
        _print_line(screen, "process", field_line(field))
    more = len(pair.environment) - _FIELDS
    if more > 0:
        _print_line(screen, "", f"and {count(more, 'more difference')}; see --json")


def _print_finding(screen: Screen, what: str, found: Nondeterminism) -> None:
    steps = [str(each) for each in (found.a, found.b) if each is not None]
    where = f", step {' / '.join(dict.fromkeys(steps))}" if steps else ""
    only = ""
    if steps and (found.a is None or found.b is None):
        only = f", in {'the first' if found.b is None else 'the second'} run only"
    _print_line(screen, what, f"{found.name}{where}{only}")
    from_step = "" if found.origin is None else f", as step {found.origin} was answered"
    _print_line(screen, "", f"{found.source}{from_step}: {_WHY[found.source]}")
    for field in found.fields[:_FIELDS]:
        _print_line(screen, "", field_line(field))
    advice = None if found.recorded else _RECORD.get(found.source)
    if advice is not None:
        _print_line(screen, "", advice, "yellow")


def _print_line(screen: Screen, name: str, value: str, style: str = "") -> None:
    screen.print(Text.assemble((f"  {name:<12}", "dim"), text(value, style)))
