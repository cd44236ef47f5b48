"""The recorded steps as stubs, found by parent, key and occurrence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from otel_agent_replay import semconv
from otel_agent_replay.lanes import Lane
from otel_agent_replay.model.call import FRAME_KINDS, Call
from otel_agent_replay.model.key import has_one_host, host_of, key_of
from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.order import numbers_of
from otel_agent_replay.replay.trails import Trails
from otel_agent_replay.replay.waiting import Waiting

__all__ = ["Stubs", "alike_processes", "can_answer", "covered", "of_others"]


class Stubs:
    """Hands out each recorded step once, equal ones in order of their start.

    Equal calls that ran side by side are told apart by their lanes: what one task or
    thread asks for comes out of one recorded one.

    Not safe from several threads; the replayer holds a lock.
    """

    def __init__(self, run: Run, *, cut_off: bool = False) -> None:
        """Take a run; `cut_off`: its lanes may end where a process was killed."""
        self.steps = run.steps
        self.taken: set[int] = set()
        self._one_host = has_one_host(step.call for step in run.steps)
        numbers = {index: each for index, (_, each) in numbers_of(run).items()}
        self._wait = partial(Waiting, numbers)
        self._keys: dict[int, str] = {}
        self._answered_whole = _inside_answered(run)
        self._by_key: defaultdict[str, Waiting] = defaultdict(self._wait)
        self._inside: defaultdict[str, Waiting] = defaultdict(self._wait)
        self._under: defaultdict[tuple[int | None, str], Waiting]
        self._under = defaultdict(self._wait)
        self._by_parent: defaultdict[int | None, list[Step]] = defaultdict(list)
        for step in run.steps:
            if can_answer(step):
                key = self._keys[step.index] = self.key(step.call)
                self._anywhere(step).add(step)
                self._under[step.parent, key].add(step)
                self._by_parent[step.parent].append(step)
        self._trails = Trails(
            self._lines(numbers),
            self._key_of,
            workers=sum(step.call.kind == "process" for step in run.steps) > 1,
            cut_off=cut_off,
        )

    def key(self, call: Call) -> str:
        """Return what calls have in common that one step can answer."""
        if call.kind == "checkpoint":
            return f"checkpoint {call.name}"  # its state is compared, not matched
        if call.kind == "model" and self._one_host:
            return key_of(call)  # the only host tells nothing apart, so it may move
        return f"{host_of(call) or ''} {key_of(call)}"

    def _lines(self, numbers: Mapping[int, int]) -> dict[int, list[Step]]:
        """Return what each lane asks for, in order."""
        lines: defaultdict[int, list[Step]] = defaultdict(list)
        for step in self.all_steps():
            if step.lane is not None and step.index not in self._answered_whole:
                lines[step.lane].append(step)
        for line in lines.values():
            line.sort(key=lambda step: numbers[step.index])
        return lines

    def _anywhere(self, step: Step) -> Waiting:
        """Return where a step waits for a call under any parent.

        One inside a call that is answered whole comes after all that are not.
        """
        inside = step.index in self._answered_whole
        return (self._inside if inside else self._by_key)[self._keys[step.index]]

    def _key_of(self, step: Step) -> str:
        return self._keys[step.index]

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
        places = (parent, *self._alike(parent))
        found = [
            self._under[place, key] for place in places if (place, key) in self._under
        ]
        waiting = [each for each in found if each]
        if not waiting:
            return None
        own = (self._trails.own(each, lane) for each in waiting)
        step = next(filter(None, own), None) or self._trails.choose(waiting[0], lane)
        return step and self.give(step, lane)

    def take_anywhere(self, parent: int | None, key: str, lane: Lane) -> Step | None:
        """Return the next step with a key, first of those under a parent, or None.

        Directly under the run may now be what was inside a step then.
        """
        step = self.take(parent, key, lane) if parent is not None else None
        if step is None:
            step = self.next_anywhere(key, lane)
            return step and self.give(step, lane)
        return step

    def next_anywhere(self, key: str, lane: Lane) -> Step | None:
        """Return the next step with a key under any parent, which is left, or None."""
        waiting = self._by_key.get(key) or self._inside.get(key)
        return self._trails.choose(waiting, lane) if waiting else None

    def take_of(self, alike: Iterable[Step], lane: Lane) -> Step | None:
        """Return the step that a lane gets of some that are left, or None."""
        waiting = self._wait(alike)
        step = self._trails.choose(waiting, lane) if waiting else None
        return step and self.give(step, lane)

    def give(self, step: Step, lane: Lane) -> Step:
        """Hand out a step that is left."""
        key = self._keys[step.index]
        self._under[step.parent, key].remove(step)
        self._anywhere(step).remove(step)
        self.taken.add(step.index)
        self._trails.gave(step, lane)
        return step

    def new_doubts(self) -> list[str]:
        """Return, in words, where chance decided since the last time."""
        doubts, self._trails.doubts = self._trails.doubts, []
        return doubts

    # --- looking -----------------------------------------------------------------

    def may_wait_for_others(self, lane: Lane) -> bool:
        """Return whether all that is left may be for other tasks and threads to ask.

        So it is if the run had several, and of the one that this one has come to
        nothing is left.
        """
        several = len({step.lane for step in self.steps} - {None}) > 1
        left = {step.lane for step in self.all_left()}
        return several and None not in left and self._trails.is_at(lane) not in left

    def elsewhere(self, key: str) -> Step | None:
        """Return the first step left with a key, under any parent."""
        left = (*self._by_key.get(key, ()), *self._inside.get(key, ()))
        return min(left, key=lambda step: step.index, default=None)

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

    def worker_like(self, parent: int | None, call: Call) -> int | None:
        """Return a recorded worker that may have done what this one does now, or None.

        Of the workers of a pool those are recorded that came to begin.
        """
        if _started_with(call) is not None:  # a program of its own
            return None
        wanted = (call.kind, call.name, None)
        for step in self._by_parent[parent]:
            then = step.call
            if (then.kind, then.name, _started_with(then)) == wanted:
                return step.index
        return None

    def _alike(self, process: int | None) -> list[int]:
        if process is None or self.steps[process].call.kind != "process":
            return []
        around = self._by_parent[self.steps[process].parent]
        return alike_processes(self.steps[process], around)


def alike_processes(process: Step, steps: Iterable[Step]) -> list[int]:
    """Return the processes among steps that were started as this one was, in order."""
    started = (process.parent, process.call.name, _started_with(process.call))
    return [
        step.index
        for step in steps
        if step.call.kind == "process"
        and (step.parent, step.call.name, _started_with(step.call)) == started
        and step is not process
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


def _started_with(process: Call) -> JsonValue:
    return (process.inputs or {}).get("arguments")


def _inside_answered(run: Run) -> set[int]:
    """Return the steps inside calls that a replay answers as a whole."""
    inside: set[int] = set()
    for step in run.steps:
        above = None if step.parent is None else run.steps[step.parent]
        if above and (above.index in inside or above.call.kind not in FRAME_KINDS):
            inside.add(step.index)
    return inside
