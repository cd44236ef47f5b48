"""Which recorded lane a live one follows, and how far it has come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from otel_agent_replay.lanes import Lane
from otel_agent_replay.model.call import Outcome
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.waiting import Waiting

__all__ = ["Trails"]

_Lines: TypeAlias = Mapping[int, Sequence[Step]]


class Trails:
    """Tells equal steps apart by what a live task or thread has asked for before.

    What one of them asks for comes out of the recorded lane that its last call came
    out of, after that: workers that share a queue take up now what another one did
    then. Where there is one lane, then and now, equal calls get theirs in order,
    whatever moved.

    Not safe from several threads.
    """

    def __init__(
        self,
        lines: _Lines,
        key_of: Callable[[Step], str],
        *,
        workers: bool = False,
        cut_off: bool = False,
    ) -> None:
        """Make trails.

        Args:
            lines: The steps of each recorded lane, in order.
            key_of: What a step asks for.
            workers: Whether there were several processes: one lane may have done what
                others do now, each in a process that sees its own only.
            cut_off: Whether lanes may end where a process was killed.
        """
        self._cut_off = cut_off
        self._workers = workers
        self._lines = lines
        self._key_of = key_of
        self._last: dict[Lane, Step] = {}
        self._followed: dict[int, Lane] = {}
        self._looked_at: set[tuple[object, ...]] = set()
        self.doubts: list[str] = []
        """Where chance decided which of several answers a call got, in words."""

    def gave(self, step: Step, lane: Lane) -> None:
        """Note that a live lane was given a step."""
        if step.lane is not None:
            self._last[lane] = step
            self._followed[step.lane] = lane

    def is_at(self, lane: Lane) -> int | None:
        """Return the recorded lane that a live one has come to; None if it is new."""
        last = self._last.get(lane)
        return None if last is None else last.lane

    def own(self, waiting: Waiting, lane: Lane) -> Step | None:
        """Return the step that follows what a live lane was given last, if it waits."""
        last = self._last.get(lane)
        alone = len(self._lines) == 1 and len(self._last) == 1 and not self._workers
        return None if last is None or alone else waiting.after(last)

    def choose(self, waiting: Waiting, lane: Lane) -> Step | None:
        """Return the step that a live lane gets of those that wait; there are some.

        None where its own was lost with the last moments of a killed process: what
        waits is for others, who are made to wait for nothing.
        """
        own = self.own(waiting, lane)
        if own is not None:
            return own
        if self._cut_off and lane in self._last:
            if len(waiting.ever) > 1:
                return None
            self._doubt_if_lost(waiting.ever[0])
        lanes = waiting.lanes
        mine = [each for each in lanes if self._follower(each) is lane]
        free = [each for each in lanes if self._follower(each) is None]
        if lane not in self._last:
            free = [each for each in free if self._begins(each, waiting)] or free
        found = waiting.first_of((mine or free or lanes)[0])
        if not mine and len(waiting.ever) > 1:
            self._doubt(found, [waiting.first_of(each) for each in free], waiting.ever)
        return found

    def _begins(self, lane: int | None, waiting: Waiting) -> bool:
        """Return whether a lane begins with what waits of it."""
        if lane is None:
            return True
        line = self._lines.get(lane, ())
        return bool(line) and line[0] is waiting.first_of(lane)

    def _follower(self, lane: int | None) -> Lane | None:
        return None if lane is None else self._followed.get(lane)

    def _doubt(self, found: Step, free: list[Step], equal: Collection[Step]) -> None:
        """Note equal calls whose answers chance gave out, if these differ."""
        followed = self._follower(found.lane) is not None
        place = (found.parent, self._key_of(found), found.lane if followed else None)
        if place in self._looked_at or any(step.lane is None for step in equal):
            return
        self._looked_at.add(place)
        if followed:  # then one lane made the calls that several make now
            raced = _ended_otherwise([s for s in equal if s.lane == found.lane])
        else:
            raced = self._raced(free)
        if not raced:
            return
        which = ", ".join(str(step.index) for step in raced)
        self.doubts.append(
            f"{raced[0].call.name} was called with the same arguments side by side, "
            f"with different results (steps {which}); these were given out in the "
            "order of asking"
        )

    def _doubt_if_lost(self, step: Step) -> None:
        """Note that a call may have been lost, and that this is another's like it."""
        self.doubts.append(
            f"{step.call.name} was answered by step {step.index}, which another task or "
            "thread made then; if the calls of this one were lost, the answer is not its own"
        )

    def _raced(self, heads: Sequence[Step]) -> list[Step]:
        """Return steps that ended in several ways, and before which nothing differed.

        Of lanes that go on with the same calls the first that was answered otherwise
        counts: who is given the lane is given that answer.
        """
        waiting = [[iter(self._from(head)) for head in heads]]
        while waiting:
            level: defaultdict[str, list[tuple[Step, Iterator[Step]]]]
            level = defaultdict(list)
            for line in waiting.pop():
                step = next(line, None)
                if step is not None:
                    level[self._key_of(step)].append((step, line))
            for alike in level.values():
                if len(alike) < 2:  # noqa: PLR2004 - a pair
                    continue
                raced = _ended_otherwise([step for step, _ in alike])
                if raced:
                    return raced
                waiting.append([line for _, line in alike])
        return []

    def _from(self, head: Step) -> Iterator[Step]:
        """Yield the steps of a lane from one on."""
        if head.lane is None:
            return
        line = self._lines.get(head.lane, ())
        place = next((i for i, each in enumerate(line) if each is head), None)
        yield from (head,) if place is None else line[place:]


def _ended_otherwise(steps: Collection[Step]) -> list[Step]:
    """Return steps in order, if a caller sees different ends of them."""
    told = [_told(step.outcome) for step in steps]
    if all(each == told[0] for each in told[1:]):
        return []
    return sorted(steps, key=lambda step: step.index)


def _told(outcome: Outcome) -> tuple[object, ...]:
    """Return what a caller sees of an outcome."""
    response, error = outcome.response, outcome.error
    wire = (response.status, response.body) if response else None
    raised = replace(error, stacktrace="") if error else None
    return outcome.value, outcome.items, wire, raised
