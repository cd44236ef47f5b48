"""Which checkpoints of a thread must stay when only the latest are kept."""

from __future__ import annotations

from collections.abc import Sequence

from otel_agent_replay.langgraph.reading import Head
from otel_agent_replay.store.states import Place, States, ValueKey

__all__ = ["kept"]


def kept(states: States, heads: Sequence[Head]) -> frozenset[Place]:
    """Return the latest checkpoint of each namespace, and what they are made from.

    A `DeltaChannel` has no value of its own in most checkpoints: it is made from the
    writes since the last one that has it, so all of these stay.

    Args:
        states: Where they are stored.
        heads: All checkpoints of a thread, the latest first.
    """
    if not heads:
        return frozenset()
    wanted = {key for head in heads for key in head.wanted}
    values = states.values(heads[0].saved.thread, wanted)
    stored = {(v.namespace, v.channel, v.version) for v in values}
    by_place = {head.saved.place: head for head in heads}
    latest = {head.saved.namespace: head for head in reversed(heads)}
    keep: set[Place] = set()
    for namespace, head in latest.items():
        keep.add(head.saved.place)
        lacking = _lacking(head, _delta_channels(head), stored)
        above: Head | None = head
        while lacking and above is not None:
            above = by_place.get((namespace, above.saved.parent_id))
            if above is not None:
                keep.add(above.saved.place)
                lacking = _lacking(above, lacking, stored)
    return frozenset(keep)


def _delta_channels(head: Head) -> set[str]:
    return {*head.metadata.get("counters_since_delta_snapshot", {})}


def _lacking(head: Head, channels: set[str], stored: set[ValueKey]) -> set[str]:
    """Return those of these channels that a checkpoint has no value of."""
    has = {channel for _, channel, _ in stored & {*head.wanted}}
    return channels - has
