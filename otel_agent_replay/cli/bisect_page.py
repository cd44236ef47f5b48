"""What a bisection found, as text and as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, cast

from rich.text import Text

from otel_agent_replay.cli.report_page import field_line
from otel_agent_replay.cli.step_line import title
from otel_agent_replay.cli.terminal import Screen, text
from otel_agent_replay.cli.wording import count, short_id
from otel_agent_replay.model.natives import what_is_awaited
from otel_agent_replay.model.payload import JsonObject, JsonValue, dump_json
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.bisect import Verdict
from otel_agent_replay.replay.bisection import Bisection
from otel_agent_replay.replay.blending import Change

__all__ = ["BisectedRuns", "bisection_json", "print_bisection"]

_ID: Final = 12
_CHANGES: Final = 20
_FIELDS: Final = 8
_WITH_RESULT: Final = frozenset({"tool", "retrieval", "memory", "approval"})
_WITHOUT: Final[dict[Verdict | None, str]] = {
    "good": "without it the program does not end badly",
    "bad": "without it the program still ends badly",
    "unresolved": "without it the program did what neither run did",
    None: "it was not tried to leave it out",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BisectedRuns:
    """Two runs, and which of their differences matter.

    Attributes:
        good, bad: The runs.
        found: What the trials found.
        program: The command that runs the agent.
        store: URL of the store, where the command line named one.
    """

    good: Run
    bad: Run
    found: Bisection
    program: Sequence[str]
    store: str | None = None

    @property
    def fork(self) -> str | None:
        """The command that shows it live, where one changed answer is all it takes."""
        if len(self.found.changes) != 1:
            return None
        change = self.found.changes[0]
        if change.step is None or change.other is None:
            return None
        words = _changed(self.bad.steps[change.other])
        if words is None:
            return None
        named = ("--store", self.store) if self.store else ()
        at = ("--at", str(change.step), *words)
        run = ("agent-replay", "fork", self.good.run_id[:_ID])
        return shlex.join((*run, *at, *named, "--", *self.program))


def _changed(step: Step) -> tuple[str, str] | None:
    """Return the option that has a fork give what a step gave; None if none can."""
    outcome = step.outcome
    if outcome.failed or outcome.items is not None or outcome.ended != "complete":
        return None
    if step.call.kind in _WITH_RESULT:
        waited = what_is_awaited(outcome.value)
        return "--result", dump_json(waited[0] if waited else outcome.value)
    said = step.response
    if step.call.kind != "model" or said is None or len(said.messages) != 1:
        return None
    parts = said.messages[0].parts
    if not parts or any(part.get("type") != "text" for part in parts):
        return None
    return "--answer", "".join(str(part.get("content", "")) for part in parts)


def print_bisection(screen: Screen, runs: BisectedRuns) -> None:
    """Print what it takes, field by field, and how sure that is."""
    found = runs.found
    ids = f"{short_id(found.good)} and {short_id(found.bad)}"
    verb = "decides" if len(found.changes) == 1 else "decide"
    takes = f"{len(found.changes)} of {count(found.among, 'difference')} {verb}"
    screen.print(
        Text.assemble(("bisect of ", "bold"), (ids, "cyan"), ": ", (takes, "bold"))
    )
    for change in found.changes[:_CHANGES]:
        _print_change(screen, runs, change)
    more = len(found.changes) - _CHANGES
    if more > 0:
        screen.print(text(f"  and {count(more, 'more change')}; --json has all"))
    for name, value in _facts(found):
        screen.print(Text.assemble((f"  {name:<12}", "dim"), text(value)))
    for reason in found.reasons:
        screen.print(text(f"      {reason}", "dim"))
    if runs.fork is not None:
        screen.print(Text.assemble((f"  {'see it':<12}", "dim"), text(runs.fork)))


def _print_change(screen: Screen, runs: BisectedRuns, change: Change) -> None:
    what = f"the input of {change.name}"
    if change.step is not None:
        step = runs.good.steps[change.step]
        what = f"step {change.step} {change.kind} {title(step)}"
        if change.other != change.step:
            what += f" (step {change.other} of {short_id(runs.bad.run_id)})"
        if change.asked_otherwise:
            what += ", which was asked for something else there"
    screen.print(Text.assemble(("  ~ ", "yellow"), text(what)))
    for field in change.fields[:_FIELDS]:
        screen.print(text(f"      {field_line(field)}"))
    more = len(change.fields) - _FIELDS
    if more > 0:
        screen.print(text(f"      and {count(more, 'more difference')}", "dim"))
    how = _WITHOUT[runs.found.without.get(change.number)]
    screen.print(text(f"      {how}", "dim"))


def _facts(found: Bisection) -> list[tuple[str, str]]:
    proved = "yes: none of it can be left out"
    unproved = "not known: no trials were left (--trials)"
    undecided = f", {found.unresolved} of them undecided" if found.unresolved else ""
    return [
        ("trials", f"{found.trials}{undecided}"),
        ("smallest", proved if found.minimal else unproved),
    ]


def bisection_json(runs: BisectedRuns) -> JsonObject:
    """Return all of it."""
    found = runs.found
    return {
        "good": found.good,
        "bad": found.bad,
        "among": found.among,
        "changes": [_change_json(found, each) for each in found.changes],
        "minimal": found.minimal,
        "trials": found.trials,
        "unresolved": found.unresolved,
        "reasons": list(found.reasons),
        "fork": runs.fork,
    }


def _change_json(found: Bisection, change: Change) -> JsonObject:
    return {
        "kind": change.kind,
        "name": change.name,
        "step": change.step,
        "other_step": change.other,
        "asked_otherwise": change.asked_otherwise,
        "fields": [cast("JsonValue", asdict(each)) for each in change.fields],
        "without": found.without.get(change.number),
    }
