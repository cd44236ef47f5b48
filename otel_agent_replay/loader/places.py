"""Where a step stands: inside which other one, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from otel_agent_replay import semconv
from otel_agent_replay.loader.draft import Draft
from otel_agent_replay.loader.selection import ById
from otel_agent_replay.model.key import key_of
from otel_agent_replay.model.step import Step

__all__ = ["Places", "in_order", "placed", "without_served"]

_Order: TypeAlias = tuple[int, ...]

_RETRIED: Final = frozenset({408, 409, 429})
_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What every step is inside of.

    Attributes:
        parents: Span id of the step around a step; None directly under the run.
        missing: For a step whose chain of spans upwards breaks off, the id of the
            span that is not there.
    """

    parents: Mapping[str, str | None] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


def placed(drafts: Iterable[Draft], spans: ById, roots: Iterable[str]) -> Places:
    """Return where each step stands: inside the nearest span above that is a step."""
    steps = {each.span_id: each for each in drafts}
    ends = set(roots)
    parents: dict[str, str | None] = {}
    missing: dict[str, str] = {}
    for each in steps.values():
        parent, broken = _climb(each, steps, spans, ends)
        parents[each.span_id] = parent
        if broken is not None:
            missing[each.span_id] = broken
    return Places(parents=parents, missing=missing)


def _climb(
    draft: Draft,
    steps: Mapping[str, Draft],
    spans: ById,
    roots: set[str],
) -> tuple[str | None, str | None]:
    values = draft.span.attributes
    above = values.get(semconv.STEP_PARENT, draft.span.parent_span_id)
    seen = {draft.span_id}
    while above and above not in roots and above not in seen:
        if above in steps:
            return above, None
        if above not in spans:
            return None, above
        seen.add(above)
        above = spans[above].parent_span_id
    return None, None


def without_served(
    drafts: list[Draft],
    places: Places,
) -> tuple[list[Draft], Places]:
    """Return the steps of a resumed run, each once.

    A step that was answered from an earlier part of the same run stands for that
    earlier one: it goes, and the earlier one takes its place.
    """
    steps = {each.span_id for each in drafts}
    served = {
        each.span_id: each.outcome.served_from
        for each in drafts
        if each.outcome.served_from in steps
        and each.outcome.served_from != each.span_id
    }
    if not served:
        return drafts, places
    parents = {
        id_: parent for id_, parent in places.parents.items() if id_ not in served
    }
    for again, first in served.items():
        if first in parents:
            parents[first] = places.parents[again]
    for id_, parent in parents.items():
        if parent in served:
            parents[id_] = served[parent]
    kept = [each for each in drafts if each.span_id not in served]
    return kept, replace(places, parents=parents)


def in_order(drafts: list[Draft], places: Places) -> tuple[Step, ...]:
    """Return the steps by start, then number; none before the one it is inside."""
    by_id = {each.span_id: each for each in drafts}
    orders: dict[str, _Order] = {}
    for each in drafts:
        _find_order(each.span_id, by_id, places.parents, orders)
    ordered = sorted(drafts, key=lambda each: (orders[each.span_id], each.span_id))
    index = {each.span_id: number for number, each in enumerate(ordered)}
    lanes: dict[tuple[str | None, int], int] = {}
    steps: list[Step] = []
    alike: dict[tuple[str | None, str], list[tuple[Draft, Step]]] = {}
    for each in ordered:
        parent = places.parents[each.span_id]
        before = alike.setdefault((parent, key_of(each.call)), [])
        step = replace(_step(each, index, parent, before), lane=_lane(each, lanes))
        before.append((each, step))
        steps.append(step)
    return tuple(steps)


def _find_order(
    span_id: str,
    by_id: Mapping[str, Draft],
    parents: Mapping[str, str | None],
    orders: dict[str, _Order],
) -> None:
    chain: list[str] = []
    above: str | None = span_id
    while above is not None and above not in orders and above not in chain:
        chain.append(above)
        above = parents[above]
    order: _Order = orders.get(above or "", ())
    for id_ in reversed(chain):
        each = by_id[id_]
        number = -1 if each.sequence is None else each.sequence
        own = (each.span.start_ns, number)
        order = own if own > order else (*order, number)
        orders[id_] = order


def _step(
    draft: Draft,
    index: Mapping[str, int],
    parent: str | None,
    before: list[tuple[Draft, Step]],
) -> Step:
    attempt = 0
    if before and _is_retry(before[-1][0], draft):
        attempt = before[-1][1].attempt + 1
    return Step(
        index=index[draft.span_id],
        span_id=draft.span_id,
        parent=None if parent is None else index[parent],
        call=draft.call,
        outcome=draft.outcome,
        occurrence=len(before),
        attempt=attempt,
        fidelity=draft.fidelity,
        start_ns=draft.span.start_ns,
        end_ns=draft.span.end_ns,
        request=draft.request,
        response=draft.response,
        cost_usd=draft.cost_usd,
        dropped=draft.dropped,
    )


def _lane(draft: Draft, lanes: dict[tuple[str | None, int], int]) -> int | None:
    """Return the number of a lane in the run; each process has its own."""
    if draft.lane is None:
        return None
    return lanes.setdefault((draft.process, draft.lane), len(lanes))


def _is_retry(last: Draft, draft: Draft) -> bool:
    if draft.call.kind not in {"model", "http"} or _side_by_side(last, draft):
        return False
    response = last.outcome.response
    if response is not None and last.outcome.ended == "complete":
        return response.status in _RETRIED or response.status >= _SERVER_ERROR
    return last.outcome.failed


def _side_by_side(last: Draft, draft: Draft) -> bool:
    """Return whether a call began before the last one ended.

    A span that another instrumentation opened lasts over the retries of its call, the
    first of which is all that joined it.
    """
    alike = last.span.scope_name == draft.span.scope_name
    return alike and last.span.end_ns > draft.span.start_ns
