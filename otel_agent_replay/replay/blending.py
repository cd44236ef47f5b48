"""One run with some of what another one was given, to see which of it matters."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from otel_agent_replay.model.call import FRAME_KINDS, Call
from otel_agent_replay.model.divergence import FieldDifference
from otel_agent_replay.model.key import host_of
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.aligning import Keys, aligned
from otel_agent_replay.replay.compare import outcome_differences
from otel_agent_replay.replay.differing import agreeing, differing, state_of
from otel_agent_replay.replay.stubs import can_answer, of_others

__all__ = ["INPUT", "Blend", "Change", "blended", "changes"]

INPUT: Final = "input"
"""Kind of the change that is another input of the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """What answers besides a run: another one, and which of their `changes` are its.

    `other` is that run's id, `taken` are numbers of changes.
    """

    other: str
    taken: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that two runs were given differently.

    Attributes:
        number: Its place among the changes of these runs.
        kind: The kind of the call, or `input` for what the run itself was given.
        name: The call's name; of an input, the agent's.
        step: Index of the step in the first run; None for the input.
        other: Index of the step in the other run; None for the input.
        fields: Where its outcome, or the input, differs.
        asked_otherwise: Whether the other run asked for something else there.
    """

    number: int
    kind: str
    name: str
    step: int | None = None
    other: int | None = None
    fields: tuple[FieldDifference, ...] = ()
    asked_otherwise: bool = False


def changes(good: Run, bad: Run, normalise: Collection[str] = ()) -> tuple[Change, ...]:
    """Return what was given differently to two runs: input, results, answers, reads.

    In the order of the first run. What the code asked for otherwise is none of it:
    that follows from what it was given, or from other code. Nor is what differs by
    nature, as far as `normalise` names it.
    """
    return _changes(good, bad, _paired(good, bad), normalise)


def blended(
    good: Run, bad: Run, taken: Collection[int], normalise: Collection[str] = ()
) -> Run:
    """Return a run that answers as the first one, but for the changes taken.

    A call that only the other run made is answered as it was there, after those that
    the first run made in its place. With nothing taken it answers all that the first
    run asked for as it was, with all changes taken all that the other one did.
    """
    pairs = _paired(good, bad)
    found = _changes(good, bad, pairs, normalise)
    wanted = [each for each in found if each.number in taken]
    chosen = {each.step for each in wanted if each.step is not None}
    steps = [*good.steps]
    for left, right in pairs.all.items():
        if left in chosen:
            steps[left] = _ended_as(good.steps[left], bad.steps[right])
    steps += _only_there(good, bad, pairs, chosen)
    given = bad if any(each.kind == INPUT for each in wanted) else good
    return replace(good, steps=tuple(steps), input=given.input)


# --- which steps go together -------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pairs:
    """Steps of the first run to steps of the other one.

    `same` ask for the same in the same place; `all` has also those that ask for
    something else there, or the same in another place.
    """

    same: Mapping[int, int]
    all: Mapping[int, int]
    keys: Keys


def _paired(good: Run, bad: Run) -> _Pairs:
    """Return the pairs: first as a replay hands steps out, then as runs are compared."""
    keys = Keys()
    left, right = _asked(good), _asked(bad)
    waiting: defaultdict[tuple[int | None, str], deque[Step]] = defaultdict(deque)
    for step in left:
        waiting[step.parent, _key(step, keys)].append(step)
    place: dict[int | None, int | None] = {None: None}
    same: dict[int, int] = {}
    for step in right:
        if step.parent not in place:
            continue
        queue = waiting.get((place[step.parent], _key(step, keys)))
        if queue:
            found = queue.popleft()
            same[found.index] = place_of = step.index
            place[place_of] = found.index
    taken = set(same.values())
    rest = (
        [step for step in left if step.index not in same],
        [step for step in right if step.index not in taken],
    )
    return _Pairs(same=same, all={**aligned(good, bad, rest, keys), **same}, keys=keys)


def _asked(run: Run) -> list[Step]:
    """Return the steps that a replay asks for, parents before what is inside them."""
    others = of_others(run)
    shown: set[int | None] = {None}
    found: list[Step] = []
    for step in run.steps:
        if step.parent not in shown or step.index in others or not can_answer(step):
            continue
        found.append(step)
        if step.call.kind in FRAME_KINDS:
            shown.add(step.index)
    return found


def _key(step: Step, keys: Keys) -> str:
    if step.call.kind == "checkpoint":
        return f"checkpoint {step.call.name}"
    return keys.of(step.call)


# --- what they were given ----------------------------------------------------------


def _changes(
    good: Run, bad: Run, pairs: _Pairs, normalise: Collection[str]
) -> tuple[Change, ...]:
    found: list[Change] = []
    known = good.root_span_id is not None and bad.root_span_id is not None
    fields = differing(good.input, bad.input) if known else ()
    if not _by_nature(fields, normalise):
        found.append(Change(number=0, kind=INPUT, name=good.agent_name, fields=fields))
    for left in sorted(pairs.all):
        one, other = good.steps[left], bad.steps[pairs.all[left]]
        fields = _given_otherwise(one, other)
        if not _by_nature(fields, normalise):
            found.append(
                Change(
                    number=len(found),
                    kind=one.call.kind,
                    name=one.call.name,
                    step=left,
                    other=other.index,
                    fields=fields,
                    asked_otherwise=_key(one, pairs.keys) != _key(other, pairs.keys),
                )
            )
    return tuple(found)


def _by_nature(fields: Sequence[FieldDifference], normalise: Collection[str]) -> bool:
    """Return whether nothing differs, or only what may."""
    return all(
        each.in_expected
        and each.in_actual
        and agreeing(each.expected, each.actual, each.path, normalise) is not None
        for each in fields
    )


def _given_otherwise(one: Step, other: Step) -> tuple[FieldDifference, ...]:
    if one.call.kind in FRAME_KINDS:
        return ()
    if one.call.kind == "checkpoint" and not (_is_changed(one) or _is_changed(other)):
        return ()  # the code gave itself that state
    return outcome_differences(one, other)


def _is_changed(checkpoint: Step) -> bool:
    return checkpoint.outcome.value != state_of(checkpoint)


def _ended_as(step: Step, other: Step) -> Step:
    """Return a step with what the other one gave."""
    call = other.call if step.call.kind == "checkpoint" else step.call
    return replace(
        step,
        call=call,
        outcome=other.outcome,
        response=other.response,
        fidelity=other.fidelity,
    )


# --- what only the other run asked for ---------------------------------------------


def _only_there(
    good: Run, bad: Run, pairs: _Pairs, chosen: Collection[int]
) -> Iterator[Step]:
    """Give the steps of the other run that the first does not stand for.

    One that asks for the same as its counterpart in another place ends as that one
    ends; one that asks for something else has only its own answer.
    """
    back = {right: left for left, right in pairs.all.items()}
    place: dict[int | None, int | None] = {None: None}
    place |= {right: left for left, right in pairs.same.items()}
    lanes, hosts = _Lanes(good, bad, pairs), (_only_host(good), _only_host(bad))
    shift, index = good.start_ns - bad.start_ns, len(good.steps)
    for step in _asked(bad):
        if step.index in place or step.parent not in place:
            continue
        place[step.index] = index
        made = replace(
            step,
            index=index,
            parent=place[step.parent],
            lane=lanes.of(step),
            call=_at_host(step.call, hosts),
            start_ns=step.start_ns + shift,
            end_ns=step.end_ns + shift,
        )
        left = back.get(step.index)
        if left is not None and left not in chosen:
            counterpart = good.steps[left]
            if _key(counterpart, pairs.keys) == _key(step, pairs.keys):
                made = _ended_as(made, counterpart)
        yield made
        index += 1


class _Lanes:
    """Tasks and threads of the other run as those of the first."""

    def __init__(self, good: Run, bad: Run, pairs: _Pairs) -> None:
        self._known: dict[int | None, int | None] = {None: None}
        for left, right in pairs.same.items():
            self._known.setdefault(bad.steps[right].lane, good.steps[left].lane)
        self._next = 1 + max((each.lane or 0 for each in good.steps), default=0)

    def of(self, step: Step) -> int | None:
        lane = step.lane
        if lane not in self._known:
            self._known[lane] = self._next
            self._next += 1
        return self._known[lane]


def _only_host(run: Run) -> str | None:
    """Return the host that all model calls of a run went to; None if there are several."""
    calls: Sequence[Call] = [s.call for s in run.steps if s.call.kind == "model"]
    hosts = {host_of(call) for call in calls}
    return hosts.pop() if len(hosts) == 1 else None


def _at_host(call: Call, hosts: tuple[str | None, str | None]) -> Call:
    """Return a model call as if it had gone where those of the first run went.

    The only host of a run tells nothing apart; two would.
    """
    here, there = hosts
    if call.kind != "model" or call.request is None or not here or not there:
        return call
    url = urlsplit(call.request.url)._replace(netloc=here).geturl()
    name = call.name.replace(there, here, 1)
    return replace(call, name=name, request=replace(call.request, url=url))
