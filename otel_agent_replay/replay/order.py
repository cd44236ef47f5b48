"""Whether calls come in an order that the recording allows, and which one moved."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from otel_agent_replay import semconv
from otel_agent_replay.lanes import Lane
from otel_agent_replay.model.divergence import Divergence
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.differing import parents_of

__all__ = ["Numbers", "Order", "numbers_of", "out_of_order"]

_Line: TypeAlias = tuple[object, object]
Numbers: TypeAlias = dict[int, tuple[str, int]]
"""Process, and number in it, by index of the step."""


class Order:
    """Sees the steps that calls ask for, in the order in which they ask.

    Not safe from several threads; the replayer holds a lock.
    """

    def __init__(self, run: Run, *, whole: bool) -> None:
        """Make one for a run.

        Args:
            run: The recorded run.
            whole: Whether all calls of a process have one order; else those have that
                one task or thread made one after another, then and now.
        """
        self._whole = whole
        self._numbers = numbers_of(run)
        self._lines: dict[_Line, list[int]] = {}
        self._highest: dict[_Line, int] = {}

    @property
    def lines(self) -> list[list[int]]:
        """The steps by line, in the order in which calls asked for them."""
        return [*self._lines.values()]

    def is_late(self, step: Step, lane: Lane) -> bool:
        """Return whether one was asked for already that came after this one then."""
        if step.call.kind == "process" or (step.lane is None and not self._whole):
            return False
        process, number = self._numbers[step.index]
        line: _Line = (process, "") if self._whole else (lane, step.lane)
        self._lines.setdefault(line, []).append(step.index)
        highest = self._highest.get(line, -1)
        self._highest[line] = max(highest, number)
        return number < highest


def numbers_of(run: Run) -> Numbers:
    """Return where each step stands among those of its process.

    The clock is no order: it may have been set back, and a span that another
    instrumentation opened begins before the calls made in it.
    """
    known = {span.span_id: span.attributes for span in run.spans}
    found: Numbers = {}
    for step in run.steps:
        attributes = known.get(step.span_id, {})
        text = attributes.get(semconv.STEP_SEQUENCE, "")
        whole = text.isascii() and text.isdecimal()
        process = attributes.get(semconv.STEP_PROCESS, "") if whole else ""
        found[step.index] = process, int(text[:18]) if whole else step.index
    return found


def out_of_order(run: Run, lines: Iterable[Sequence[int]]) -> tuple[Divergence, ...]:
    """Return a divergence for each of the fewest steps that moved, by line."""
    numbers = numbers_of(run)
    found: list[Divergence] = []
    for line in lines:
        asked = [numbers[index][1] for index in line]
        kept = _longest_rising(asked)
        found += [
            _moved(run, line, asked, kept, place)
            for place in range(len(line))
            if place not in kept
        ]
    return tuple(found)


def _moved(
    run: Run, line: Sequence[int], asked: Sequence[int], kept: set[int], place: int
) -> Divergence:
    step, number = run.steps[line[place]], asked[place]
    before = [p for p in kept if p > place and asked[p] < number]
    after = [p for p in kept if p < place and asked[p] > number]
    if before:
        other = run.steps[line[max(before)]]
        reason = f"asked for before step {other.index} {other.call.name}, not after it"
    else:
        other = run.steps[line[min(after)]]
        reason = f"asked for after step {other.index} {other.call.name}, not before it"
    return Divergence(
        kind="out_of_order",
        name=step.call.name,
        step=step.index,
        parent=parents_of(run, step.index),
        reason=reason,
    )


def _longest_rising(numbers: Sequence[int]) -> set[int]:
    """Return the places of a longest rising part of a sequence."""
    tails: list[int] = []
    at: list[int] = []
    came_from: list[int] = []
    for place, number in enumerate(numbers):
        size = bisect_left(tails, number)
        came_from.append(at[size - 1] if size else -1)
        if size == len(tails):
            tails.append(number)
            at.append(place)
        else:
            tails[size], at[size] = number, place
    found: set[int] = set()
    place = at[-1] if at else -1
    while place >= 0:
        found.add(place)
        place = came_from[place]
    return found
