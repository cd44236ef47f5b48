"""The recorded steps as stubs, found by parent, key and occurrence."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence

from otel_agent_replay import semconv
from otel_agent_replay.lanes import Lane
from otel_agent_replay.model.call import FRAME_KINDS, Call, Outcome
from otel_agent_replay.model.key import has_one_host, host_of, key_of
from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step

__all__ = ["Stubs", "can_answer", "covered", "of_others"]


class Stubs:
    """Hands out each recorded step once, equal ones in order of their start.

    Equal calls that ran side by side are told apart by their lanes: what one task or
    thread asks for comes out of one recorded one.

    Not safe from several threads; the replayer holds a lock.
    """

    def __init__(self, run: Run) -> None:
        self.steps = run.steps
        self.taken: set[int] = set()
        self.doubts: list[str] = []
        """Where chance decided which of several answers a call got, in words."""
        self._one_host = has_one_host(step.call for step in run.steps)
        self._keys: dict[int, str] = {}
        self._by_key: defaultdict[str, deque[Step]] = defaultdict(deque)
        self._under: defaultdict[tuple[int | None, str], list[Step]] = defaultdict(list)
        self._by_parent: defaultdict[int | None, list[Step]] = defaultdict(list)
        self._lanes: dict[int, Lane] = {}
        self._doubted: set[tuple[int | None, str]] = set()
        for step in run.steps:
            if can_answer(step):
                key = self._keys[step.index] = self.key(step.call)
                self._by_key[key].append(step)
                self._under[step.parent, key].append(step)
                self._by_parent[step.parent].append(step)

    def key(self, call: Call) -> str:
        """Return what calls have in common that one step can answer."""
        if call.kind == "checkpoint":
            return f"checkpoint {call.name}"  # its state is compared, not matched
        if call.kind == "model" and self._one_host:
            return key_of(call)  # the only host tells nothing apart, so it may move
        return f"{host_of(call) or ''} {key_of(call)}"

    @property
    def any_host(self) -> bool:
        """Whether model calls may go to another host than they did."""
        return self._one_host

    # --- taking ----------------------------------------------------------------

    def take(self, parent: int | None, key: str, lane: Lane) -> Step | None:
        """Return the next step under a parent with a key, or None.

        In a process that is one of several alike, such as a pool's workers, that of
        another one will do: which of them gets which work is chance.
        """
        for place in (parent, *self._alike(parent)):
            waiting = self._under.get((place, key))
            if waiting:
                return self.give(self.chosen(waiting, lane), lane)
        return None

    def take_anywhere(self, key: str, lane: Lane) -> Step | None:
        """Return the next step with a key under any parent, or None."""
        step = self.elsewhere(key)
        return self.give(step, lane) if step else None

    def give(self, step: Step, lane: Lane) -> Step:
        """Hand out a step that is left."""
        waiting = self._under[step.parent, self._keys[step.index]]
        del waiting[next(i for i, each in enumerate(waiting) if each is step)]
        self.taken.add(step.index)
        if step.lane is not None:
            self._lanes.setdefault(step.lane, lane)
        return step

    def chosen(self, waiting: list[Step], lane: Lane) -> Step:
        """Return the step that a lane gets of those that are equal to it."""
        if len(waiting) == 1:
            return waiting[0]
        own = next((each for each in waiting if self._owner(each) is lane), None)
        if own is not None:
            return own
        free = [step for step in waiting if self._owner(step) is None]
        self._say_if_chance_decides(free)
        return free[0] if free else waiting[0]

    def _owner(self, step: Step) -> Lane | None:
        return None if step.lane is None else self._lanes.get(step.lane)

    def _say_if_chance_decides(self, free: list[Step]) -> None:
        """Note equal calls of several lanes that ended differently, once."""
        place = (free[0].parent, self._keys[free[0].index]) if free else None
        if place is None or place in self._doubted:
            return
        self._doubted.add(place)
        first_of = {step.lane: step for step in reversed(free)}
        if len(first_of) < 2 or None in first_of:  # noqa: PLR2004 - a pair
            return
        raced = sorted(first_of.values(), key=lambda step: step.index)
        told = [_told(step.outcome) for step in raced]
        if all(each == told[0] for each in told):
            return
        which = ", ".join(str(step.index) for step in raced)
        self.doubts.append(
            f"{raced[0].call.name} was called with the same arguments side by side, "
            f"with different results (steps {which}); these were given out in the "
            "order of asking"
        )

    # --- looking -----------------------------------------------------------------

    def may_wait_for_others(self, lane: Lane) -> bool:
        """Return whether all that is left may be for other tasks and threads to ask.

        So it is if the run had several, and this one has followed none of those that
        something is left of.
        """
        several = len({step.lane for step in self.steps} - {None}) > 1
        owners = {step.lane: self._owner(step) for step in self.all_left()}
        return several and None not in owners and lane not in owners.values()

    def elsewhere(self, key: str) -> Step | None:
        """Return the first step left with a key, under any parent."""
        waiting = self._by_key.get(key)
        while waiting and waiting[0].index in self.taken:
            waiting.popleft()
        return waiting[0] if waiting else None

    def left(self, parent: int | None) -> list[Step]:
        """Return the steps left under a parent, or one alike, in order."""
        places = (parent, *self._alike(parent))
        found = [step for place in places for step in self._by_parent[place]]
        return [step for step in found if step.index not in self.taken]

    def all_left(self) -> list[Step]:
        """Return all steps left, in order."""
        return [self.steps[i] for i in self._keys if i not in self.taken]

    def all_steps(self) -> list[Step]:
        """Return all steps that can answer, in order."""
        return [self.steps[i] for i in self._keys]

    def under(self, parent: int | None) -> Sequence[Step]:
        """Return the steps under a parent, in order."""
        return self._by_parent[parent]

    def count(self, parent: int | None, key: str) -> int:
        """Return how many steps under a parent have a key, taken or left."""
        return sum(1 for s in self._by_parent[parent] if self._keys[s.index] == key)

    def _alike(self, process: int | None) -> list[int]:
        """Return the processes that were started as this one was, in order."""
        if process is None or self.steps[process].call.kind != "process":
            return []
        here = self.steps[process]
        started = (here.parent, here.call.name, _started_with(here))
        return [
            step.index
            for step in self._by_parent[here.parent]
            if step.call.kind == "process"
            and (step.parent, step.call.name, _started_with(step)) == started
            and step is not here
        ]


def can_answer(step: Step) -> bool:
    """Return whether a call can be given what came of a step."""
    if step.is_open and step.call.kind not in FRAME_KINDS:
        return False
    return not step.superseded


def covered(run: Run, served: set[int], *, off_seam: bool = True) -> set[int]:
    """Return the steps that no call need ask for.

    Those inside answered ones, whose parents ran no code, and those that only another
    instrumentation saw: the code that made them runs, off the seam. Without `off_seam`
    only the first.
    """
    inside = set(_off_seam(run)) if off_seam else set()
    for step in run.steps:
        parent = step.parent
        if parent is None:
            continue
        answered = parent in served and run.steps[parent].call.kind not in FRAME_KINDS
        if parent in inside or answered:
            inside.add(step.index)
    return inside


def of_others(run: Run) -> frozenset[int]:
    """Return the tool steps that only another instrumentation recorded."""
    known = {span.span_id: span.attributes for span in run.spans}
    return frozenset(
        step.index
        for step in run.steps
        if step.call.kind == "tool"
        and semconv.STEP_KIND not in known.get(step.span_id, {semconv.STEP_KIND: ""})
    )


def _off_seam(run: Run) -> frozenset[int]:
    """Return the steps of others beside ours; none where all are of others."""
    own = {span.span_id for span in run.spans if semconv.STEP_KIND in span.attributes}
    if not own:
        return frozenset()
    return frozenset(step.index for step in run.steps if step.span_id not in own)


def _started_with(process: Step) -> JsonValue:
    return (process.call.inputs or {}).get("arguments")


def _told(outcome: Outcome) -> tuple[object, ...]:
    """Return what a caller sees of an outcome."""
    response = outcome.response
    wire = (response.status, response.body) if response else None
    return outcome.value, outcome.items, wire, outcome.error
