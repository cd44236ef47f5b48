"""Which step of one run goes with which step of another."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from otel_agent_replay.model.call import Call
from otel_agent_replay.model.key import host_of, key_of
from otel_agent_replay.model.payload import HttpRequest, header
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step

__all__ = ["Keys", "aligned", "compared_steps", "route_of", "same_call"]

_Labels: TypeAlias = Mapping[int, Hashable]
"""What a step of a run is told by, by its index."""

_MOST: Final = 1 << 31
"""Bits of the table of a longest common subsequence: 256 MiB."""


class Keys:
    """Keys of calls, each made once: a body may have megabytes."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[Call, str]] = {}

    def of(self, call: Call) -> str:
        """Return `key_of` a call."""
        made = self._made.get(id(call))
        if made is None:
            # The call is kept, so that no other one gets its id.
            made = self._made[id(call)] = (call, key_of(call))
        return made[1]

    def equal(self, a: Call, b: Call) -> bool:
        """Return whether two calls ask for the same, hosts left aside."""
        return same_call(a, b) or self.of(a) == self.of(b)


def same_call(a: Call, b: Call) -> bool:
    """Return whether two calls are equal to the letter, so that their keys are."""
    if a.kind != b.kind or (a.request is None) is not (b.request is None):
        return False
    if a.request is None or b.request is None:
        # Their text tells True from 1, which are equal.
        return a.name == b.name and repr(a.inputs) == repr(b.inputs)
    return _sent(a.request) == _sent(b.request)


def _sent(request: HttpRequest) -> tuple[object, ...]:
    kind = header(request.headers, "content-type")
    return request.method, request.url, kind, request.body


def compared_steps(run: Run, other: Run) -> list[Step]:
    """Return the steps of a run that the other one can have.

    Left out are those that a resume made again, and those inside a step that
    answered a call of the other run: its code did not run there.
    """
    given = {step.outcome.served_from for step in other.steps}
    inside: set[int] = set()
    for step in run.steps:
        parent = step.parent
        if parent is None:
            continue
        if parent in inside or run.steps[parent].span_id in given:
            inside.add(step.index)
    return [s for s in run.steps if s.index not in inside and not s.superseded]


def route_of(step: Step) -> str:
    """Return a call's name; that of a wire call without its host, which may differ."""
    name, host = step.call.name, host_of(step.call)
    return name.replace(host, "", 1) if host else name


def aligned(
    a: Run, b: Run, steps: tuple[Sequence[Step], Sequence[Step]], keys: Keys
) -> dict[int, int]:
    """Return the index in `b` of each step of `a` that has a counterpart.

    Most steps that ask for the same, under parents of the same names, keep their
    order; of those left over, equal ones are paired next, then those of one kind and
    name between the same neighbours.
    """
    places = _places(a), _places(b)
    left, right = steps
    first, last = _alike_at_the_ends(left, right, places)
    pairs = {left[n].index: right[n].index for n in range(first)}
    pairs |= {left[-n].index: right[-n].index for n in range(1, last + 1)}
    middle = left[first : len(left) - last], right[first : len(right) - last]
    labels = (
        _labels(middle[0], places[0], keys),
        _labels(middle[1], places[1], keys),
    )
    found = _longest_common(middle, labels)
    gaps = [gap for gap in _gaps(middle, found) if all(gap)]
    pairs |= found
    _pair_left(pairs, middle, labels)
    _pair_left(pairs, middle, (_plain(middle[0], keys), _plain(middle[1], keys)))
    for one, other in gaps:
        names = _named(one, places[0]), _named(other, places[1])
        _pair_left(pairs, (one, other), names)
    return pairs


def _places(run: Run) -> list[tuple[str, ...]]:
    """Return the names of the steps that each step is inside of, outermost first."""
    found: list[tuple[str, ...]] = []
    for step in run.steps:
        if step.parent is None:
            found.append(())
            continue
        parent = run.steps[step.parent]
        above = found[step.parent] if step.parent < len(found) else ()
        found.append((*above, f"{parent.call.kind} {route_of(parent)}"))
    return found


def _alike_at_the_ends(
    left: Sequence[Step],
    right: Sequence[Step],
    places: tuple[list[tuple[str, ...]], list[tuple[str, ...]]],
) -> tuple[int, int]:
    """Return how many steps are equal at the beginning, and how many at the end."""
    most = min(len(left), len(right))

    def alike(n: int, m: int) -> bool:
        one, other = left[n], right[m]
        return places[0][one.index] == places[1][other.index] and same_call(
            one.call, other.call
        )

    first = 0
    while first < most and alike(first, first):
        first += 1
    last = 0
    while last < most - first and alike(-last - 1, -last - 1):
        last += 1
    return first, last


def _labels(
    steps: Sequence[Step], places: list[tuple[str, ...]], keys: Keys
) -> dict[int, Hashable]:
    return {s.index: (places[s.index], keys.of(s.call)) for s in steps}


def _plain(steps: Sequence[Step], keys: Keys) -> dict[int, Hashable]:
    return {s.index: keys.of(s.call) for s in steps}


def _named(steps: Sequence[Step], places: list[tuple[str, ...]]) -> dict[int, Hashable]:
    return {s.index: (places[s.index], s.call.kind, route_of(s)) for s in steps}


def _longest_common(
    steps: tuple[Sequence[Step], Sequence[Step]], labels: tuple[_Labels, _Labels]
) -> dict[int, int]:
    """Return the pairs of a longest common subsequence.

    Bits of one number stand for the steps of `a`, so that a row of the table takes
    a few operations on it (Hyyrö 2004, "Bit-parallel LCS-length computation
    revisited").
    """
    left, right = steps
    if len(left) * len(right) > _MOST:
        return {}
    where: defaultdict[Hashable, int] = defaultdict(int)
    for n, step in enumerate(left):
        where[labels[0][step.index]] |= 1 << n
    whole = (1 << len(left)) - 1
    table, row = [whole], whole
    for step in right:
        matches = row & where.get(labels[1][step.index], 0)
        row = ((row + matches) | (row - matches)) & whole
        table.append(row)
    return {left[n].index: right[m].index for n, m in _walked_back(table, len(left))}


def _walked_back(table: list[int], n: int) -> Iterator[tuple[int, int]]:
    """Give the places that match, last first; a bit is off where a row grew."""
    m = len(table) - 1
    while n and m:
        if table[m] >> (n - 1) & 1:
            n -= 1
        elif not table[m - 1] >> (n - 1) & 1:
            m -= 1
        else:
            n, m = n - 1, m - 1
            yield n, m


def _gaps(
    steps: tuple[Sequence[Step], Sequence[Step]], pairs: Mapping[int, int]
) -> Iterator[tuple[list[Step], list[Step]]]:
    """Give the steps of both between one pair and the next."""
    left, right = steps
    taken = set(pairs.values())
    others = iter(right)
    gap: list[Step] = []
    for step in left:
        if step.index not in pairs:
            gap.append(step)
            continue
        yield gap, _until_taken(others, taken)
        gap = []
    yield gap, _until_taken(others, taken)


def _until_taken(steps: Iterator[Step], taken: set[int]) -> list[Step]:
    found: list[Step] = []
    for step in steps:
        if step.index in taken:
            break
        found.append(step)
    return found


def _pair_left(
    pairs: dict[int, int],
    steps: tuple[Sequence[Step], Sequence[Step]],
    labels: tuple[_Labels, _Labels],
) -> None:
    """Add pairs of equal labels, in order, of steps that have no counterpart yet."""
    left = [step for step in steps[0] if step.index not in pairs]
    if not left:
        return
    taken = set(pairs.values())
    waiting: defaultdict[Hashable, deque[int]] = defaultdict(deque)
    for step in steps[1]:
        if step.index not in taken:
            waiting[labels[1][step.index]].append(step.index)
    for step in left:
        queue = waiting.get(labels[0][step.index])
        if queue:
            pairs[step.index] = queue.popleft()
