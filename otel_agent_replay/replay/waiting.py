"""Steps that ask for the same and wait for a call, by the lane that made them."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping

from otel_agent_replay.model.step import Step

__all__ = ["Waiting"]


class Waiting:
    """Steps by recorded lane, those of one lane in the order it made them.

    Lanes stand in the order of their first steps. Not safe from several threads.

    Attributes:
        ever: All steps that waited here at any time.
    """

    __slots__ = ("_lanes", "_numbers", "ever")

    def __init__(self, numbers: Mapping[int, int], steps: Iterable[Step] = ()) -> None:
        """Take steps; `numbers` says where each stands in its process, by index."""
        self._numbers = numbers
        self._lanes: dict[int | None, deque[Step]] = {}
        self.ever: list[Step] = []
        for step in steps:
            self.add(step)

    def __bool__(self) -> bool:
        return bool(self._lanes)

    def __iter__(self) -> Iterator[Step]:
        for lane in self._lanes.values():
            yield from lane

    @property
    def lanes(self) -> list[int | None]:
        """The lanes that have steps here; None for steps of which it is not known."""
        return [*self._lanes]

    def add(self, step: Step) -> None:
        """Add a step."""
        lane = self._lanes.setdefault(step.lane, deque())
        lane.insert(self._until(lane, step), step)
        self.ever.append(step)

    def remove(self, step: Step) -> None:
        """Take out a step that is here."""
        lane = self._lanes[step.lane]
        if lane[0] is step:
            lane.popleft()
        else:
            del lane[next(i for i, each in enumerate(lane) if each is step)]
        if not lane:
            del self._lanes[step.lane]

    def first_of(self, lane: int | None) -> Step:
        """Return the first step of a lane that has some."""
        return self._lanes[lane][0]

    def after(self, last: Step) -> Step | None:
        """Return the next step of a step's lane; the first where none comes after it."""
        lane = self._lanes.get(last.lane)
        if lane is None:
            return None
        place = self._until(lane, last)
        return lane[place] if place < len(lane) else lane[0]

    def _until(self, lane: deque[Step], step: Step) -> int:
        """Return how many of a lane's steps do not come after one."""
        number = self._numbers[step.index]
        if not lane or number < self._numbers[lane[0].index]:
            return 0
        if number >= self._numbers[lane[-1].index]:
            return len(lane)
        return bisect_right(lane, number, key=lambda each: self._numbers[each.index])
