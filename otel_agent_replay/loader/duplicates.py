"""One step a call, where several spans tell of the same one."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from otel_agent_replay.loader.draft import Draft
from otel_agent_replay.loader.selection import ById

__all__ = ["distinct"]

_SERVER: Final = "Server"


def distinct(drafts: list[Draft], spans: ById) -> list[Draft]:
    """Return the drafts without those that tell of a call once more.

    Where we recorded at all, a foreign agent only holds our steps, a foreign span
    around or inside our step of the same call adds nothing, and that of a server
    tells what the other side of a call did. Of nested foreign
    inference spans the outer one stays, with the inner's content if it has none.
    """
    if any(each.own for each in drafts):
        drafts = _beside_ours(drafts, spans)
    return _without_nested_inference(drafts, spans)


def _beside_ours(drafts: list[Draft], spans: ById) -> list[Draft]:
    own = {each.span_id: each for each in drafts if each.own}
    around = {id_ for each in own.values() for id_ in _above(each, spans)}
    return [
        each
        for each in drafts
        if each.own
        or not (
            each.call.kind in {"agent", "step"}
            or each.span.kind == _SERVER
            or each.span_id in around
            or _inside_same(each, own, spans)
        )
    ]


def _inside_same(inner: Draft, own: dict[str, Draft], spans: ById) -> bool:
    nearest = next((own[id_] for id_ in _above(inner, spans) if id_ in own), None)
    if nearest is None or nearest.call.kind != inner.call.kind:
        return False
    return inner.call.kind != "tool" or nearest.call.name == inner.call.name


def _above(draft: Draft, spans: ById) -> list[str]:
    """Return the ids of the spans around a step, nearest first."""
    found: list[str] = []
    above = spans.get(draft.span.parent_span_id)
    while above is not None and above.span_id not in found:
        found.append(above.span_id)
        above = spans.get(above.parent_span_id)
    return found


def _without_nested_inference(drafts: list[Draft], spans: ById) -> list[Draft]:
    kept = {each.span_id: each for each in drafts}
    models = {id_: each for id_, each in kept.items() if each.call.kind == "model"}
    for inner in models.values():
        outer = next((id_ for id_ in _above(inner, spans) if id_ in kept), None)
        if inner.own or outer is None or outer not in models:
            continue
        if _same_inference(kept[outer], inner):
            kept[outer] = _merged(kept[outer], inner)
            del kept[inner.span_id]
    return list(kept.values())


def _same_inference(outer: Draft, inner: Draft) -> bool:
    ids = {each.response.id for each in (outer, inner) if each.response}
    if len(ids) == 1 and None not in ids:
        return True
    starts_before_end = inner.span.start_ns <= outer.span.end_ns
    return starts_before_end and outer.span.start_ns <= inner.span.end_ns


def _merged(outer: Draft, inner: Draft) -> Draft:
    if outer.own or outer.dropped is None or inner.dropped is not None:
        return outer
    return replace(inner, span=outer.span)
