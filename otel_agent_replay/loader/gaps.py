"""What a run should have and has not, named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from otel_agent_replay import semconv
from otel_agent_replay.loader.draft import Draft, number
from otel_agent_replay.loader.places import Places
from otel_agent_replay.model.call import FRAME_KINDS
from otel_agent_replay.model.run import Gap
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.model.step import Step

__all__ = ["dropped_counts", "find_gaps", "is_cut_off"]

_NAMED = 5


@dataclass(slots=True, kw_only=True)
class _Process:
    """The steps that a process started in a run.

    `count` is what the process itself says, `closed` whether it came to its end.
    """

    count: int = 0
    closed: bool = False
    steps: list[Draft] = field(default_factory=list)

    @property
    def numbers(self) -> set[int]:
        return {each.sequence for each in self.steps if each.sequence is not None}

    @property
    def start_ns(self) -> int:
        return min((each.span.start_ns for each in self.steps), default=0)

    def part_of_killed(self, roots: list[SpanRecord]) -> bool:
        """Return whether it was cut off with its root, before or after another."""
        if self.closed:
            return False
        return not any(
            root.start_ns <= self.start_ns <= root.end_ns
            for root in roots
            if semconv.STEP_OPEN not in root.attributes
        )


def is_cut_off(roots: list[SpanRecord], drafts: list[Draft]) -> bool:
    """Return whether the run goes on after its last root, or has none."""
    if not roots:
        return True
    end = max(root.end_ns for root in roots)
    return any(
        process.part_of_killed(roots) and process.start_ns > end
        for process in _processes(roots, drafts).values()
    )


def dropped_counts(roots: list[SpanRecord], drafts: list[Draft]) -> dict[str, int]:
    """Return what the run's processes say they lost, by reason."""
    found: dict[str, int] = {}
    spans = [*roots, *(each.span for each in drafts if each.call.kind == "process")]
    for span in spans:
        for name in sorted(span.attributes):
            lost = number(span.attributes, name)
            if name.startswith(semconv.RUN_DROPPED) and lost:
                reason = name.removeprefix(semconv.RUN_DROPPED)
                found[reason] = found.get(reason, 0) + lost
    return found


def find_gaps(
    roots: list[SpanRecord],
    drafts: list[Draft],
    places: Places,
    steps: tuple[Step, ...],
) -> tuple[Gap, ...]:
    """Return every gap of a run, in a stable order.

    A run that was cut off has none where it was cut: a step that other steps ran
    inside and that never ended is no loss. Any other number that is missing is.
    """
    index = {each.span_id: each.index for each in steps}
    processes = _processes(roots, drafts)
    return (
        *_missing_numbers(roots, processes, places, index),
        *_missing_parents(roots, drafts, processes, places, index),
        *(_payload_gap(each) for each in steps if _lacks_payload(each)),
        *(
            Gap(text=f"{count} lost while recording: {reason}")
            for reason, count in dropped_counts(roots, drafts).items()
        ),
    )


def _processes(
    roots: list[SpanRecord],
    drafts: list[Draft],
) -> dict[str, _Process]:
    found: dict[str, _Process] = {}
    for each in drafts:
        if each.own and each.process is not None:
            process = found.setdefault(each.process, _Process())
            if each.sequence is not None:
                process.steps.append(each)
    ends = [*roots, *(each.span for each in drafts if each.call.kind == "process")]
    for span in ends:
        name = _counted_process(span, drafts)
        if name is not None and semconv.STEP_OPEN not in span.attributes:
            process = found.setdefault(name, _Process())
            process.closed = True
            process.count += number(span.attributes, semconv.RUN_STEP_COUNT) or 0
    return dict(sorted(found.items()))


def _counted_process(span: SpanRecord, drafts: Iterable[Draft]) -> str | None:
    """Return the process whose steps a span counts.

    A process span that is numbered itself is one of its parent's steps, and counts
    those of the process below it.
    """
    own = span.attributes.get(semconv.STEP_PROCESS)
    if own is not None and semconv.STEP_SEQUENCE not in span.attributes:
        return own
    below = [
        each.process for each in drafts if each.span.parent_span_id == span.span_id
    ]
    return next((name for name in below if name and name != own), None)


def _missing_numbers(
    roots: list[SpanRecord],
    processes: Mapping[str, _Process],
    places: Places,
    index: Mapping[str, int],
) -> Iterable[Gap]:
    for name, process in processes.items():
        numbers = process.numbers
        expected = max(process.count, max(numbers, default=-1) + 1)
        absent = _absent(process, expected)
        unfinished = _open_frames(process, places)
        if process.part_of_killed(roots) and absent <= unfinished:
            continue
        if absent > 0:
            gap = _number_gap(name, process, expected, index)
            yield replace(gap, at_end=process.part_of_killed(roots))
        if not process.closed and not process.part_of_killed(roots):
            yield Gap(text=f"process {name} never said how many steps it started")


def _absent(process: _Process, expected: int) -> int:
    return expected - len(process.steps)


def _open_frames(process: _Process, places: Places) -> int:
    """Return how many unfinished steps of a killed process its steps tell of.

    The step with number 0 stands directly under the run, so what it is missing is
    the root itself.
    """
    missing = {
        places.missing[each.span_id]
        for each in process.steps
        if each.span_id in places.missing
    }
    root = {
        places.missing.get(each.span_id) for each in process.steps if not each.sequence
    }
    return len(missing - root)


def _number_gap(
    name: str,
    process: _Process,
    expected: int,
    index: Mapping[str, int],
) -> Gap:
    numbers = process.numbers
    absent = _absent(process, expected)
    named = [*islice((n for n in range(expected) if n not in numbers), _NAMED)]
    later = [
        index[each.span_id]
        for each in process.steps
        if (each.sequence or 0) > min(named, default=-1) and each.span_id in index
    ]
    listed = ", ".join(str(each) for each in named)
    more = ", …" if absent > len(named) else ""
    text = f"{absent} of the {expected} steps that process {name} started are missing"
    return Gap(
        text=f"{text}: number {listed}{more}" if named else text,
        step=min(later, default=None),
    )


def _missing_parents(
    roots: list[SpanRecord],
    drafts: list[Draft],
    processes: Mapping[str, _Process],
    places: Places,
    index: Mapping[str, int],
) -> Iterable[Gap]:
    resumed = {root.parent_span_id for root in roots}
    told: set[str] = set()
    for each in sorted(drafts, key=lambda one: index.get(one.span_id, -1)):
        parent = places.missing.get(each.span_id)
        if parent is None or parent in told or parent in resumed:
            continue
        process = processes.get(each.process or "")
        if process is not None and process.part_of_killed(roots):
            continue
        if each.own and not roots:
            continue
        told.add(parent)
        yield Gap(
            text=f"the span {parent}, which {each.call.name} ran inside, is missing",
            step=index.get(each.span_id),
        )


def _lacks_payload(step: Step) -> bool:
    if step.dropped is None:
        return False
    return step.fidelity != "semantic" or step.call.kind not in FRAME_KINDS


def _payload_gap(step: Step) -> Gap:
    return Gap(
        text=f"step {step.index} ({step.call.name}) has no payload: {step.dropped}",
        step=step.index,
    )
