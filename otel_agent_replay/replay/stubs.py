"""The recorded steps as stubs, found by parent, key and occurrence."""

from __future__ import annotations

from collections import defaultdict, deque

from otel_agent_replay import semconv
from otel_agent_replay.model.call import FRAME_KINDS, Call, Kind
from otel_agent_replay.model.key import has_one_host, host_of, key_of
from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step

__all__ = ["Stubs"]


class Stubs:
    """Hands out each recorded step once, equal ones in order of their start.

    Not safe from several threads; the replayer holds a lock.
    """

    def __init__(self, run: Run) -> None:
        self.steps = run.steps
        self.taken: set[int] = set()
        self._off_seam = _off_seam(run)
        self._one_host = has_one_host(step.call for step in run.steps)
        self._queues: defaultdict[tuple[int | None, str], deque[Step]] = defaultdict(
            deque
        )
        self._by_parent: defaultdict[int | None, list[Step]] = defaultdict(list)
        for step in run.steps:
            if step.superseded or (step.is_open and step.call.kind not in FRAME_KINDS):
                continue
            self._queues[step.parent, self._key(step.call)].append(step)
            self._by_parent[step.parent].append(step)

    def _key(self, call: Call) -> str:
        if call.kind == "checkpoint":
            return f"checkpoint {call.name}"  # its state is compared, not matched
        if call.kind == "model" and self._one_host:
            return key_of(call)  # the only host tells nothing apart, so it may move
        return f"{host_of(call) or ''} {key_of(call)}"

    def take(self, parent: int | None, call: Call) -> Step | None:
        """Return the next recorded step that this call asks for, or None.

        In a process that is one of several alike, such as a pool's workers, that of
        another one will do: which of them gets which work is chance.
        """
        key = self._key(call)
        for place in (parent, *self._alike(parent)):
            queue = self._queues.get((place, key))
            if queue:
                step = queue.popleft()
                self.taken.add(step.index)
                return step
        return None

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

    def closest(self, parent: int | None, kind: Kind, name: str) -> Step | None:
        """Return the first step not yet taken that is most like a call.

        One under the same parent with the same name, else of the same kind.
        """
        free = [s for s in self._by_parent[parent] if s.index not in self.taken]
        alike = [s for s in free if s.call.kind == kind]
        named = [s for s in alike if s.call.name == name]
        return next(iter(named or alike), None)

    def covered(self, served: set[int]) -> set[int]:
        """Return the steps that no call need ask for.

        Those inside answered ones, whose parents ran no code, and those that only
        another instrumentation saw: the code that made them runs, off the seam.
        """
        inside = set(self._off_seam)
        for step in self.steps:
            parent = step.parent
            if parent is None:
                continue
            answered = parent in served and not self._is_frame(parent)
            if parent in inside or answered:
                inside.add(step.index)
        return inside

    def _is_frame(self, index: int) -> bool:
        return self.steps[index].call.kind in FRAME_KINDS


def _started_with(process: Step) -> JsonValue:
    return (process.call.inputs or {}).get("arguments")


def _off_seam(run: Run) -> frozenset[int]:
    """Return the steps of others beside ours; none where all are of others."""
    own = {span.span_id for span in run.spans if semconv.STEP_KIND in span.attributes}
    if not own:
        return frozenset()
    return frozenset(step.index for step in run.steps if step.span_id not in own)
