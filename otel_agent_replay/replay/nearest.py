"""Which recorded steps a call comes closest to, and where it differs from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from otel_agent_replay.model.call import Call
from otel_agent_replay.model.divergence import (
    Candidate,
    FieldDifference,
    differences,
)
from otel_agent_replay.model.key import address_of, asked_for, key_of
from otel_agent_replay.model.payload import JsonValue, dump_json
from otel_agent_replay.model.step import Step

__all__ = ["call_differences", "nearest"]

_LOOKED_AT: Final = 60
"""Steps compared field by field: of those left the first, of those used the last."""


def nearest(
    call: Call, left: Sequence[Step], used: Sequence[Step], *, any_host: bool = False
) -> tuple[Candidate, ...]:
    """Return steps of a call's kind, those that differ least first.

    Steps of the same name come before others, whatever they were asked; of those that
    differ equally the ones that are left come first.

    Args:
        call: The call.
        left: Steps that could still answer.
        used: Steps that have answered.
        any_host: Whether another host makes no difference.
    """
    known = [(step, False) for step in _alike(call, left)[:_LOOKED_AT]]
    known += [(step, True) for step in _alike(call, used)[-_LOOKED_AT:]]
    named = [each for each in known if each[0].call.name == call.name]
    found = [
        Candidate(
            step=step.index,
            name=step.call.name,
            used=is_used,
            fields=call_differences(step.call, call, any_host=any_host),
        )
        for step, is_used in named or known
    ]
    return tuple(sorted(found, key=_distance))


def _alike(call: Call, steps: Iterable[Step]) -> list[Step]:
    return [step for step in steps if step.call.kind == call.kind]


def _distance(found: Candidate) -> tuple[int, int, bool]:
    size = sum(_size(each.expected) + _size(each.actual) for each in found.fields)
    return len(found.fields), size, found.used


def _size(value: JsonValue) -> int:
    return len(value) if isinstance(value, str) else len(dump_json(value))


def call_differences(
    then: Call, now: Call, *, any_host: bool = False
) -> tuple[FieldDifference, ...]:
    """Return where a call differs from a recorded one, as far as its key looks."""
    names = () if then.request else differences(then.name, now.name, "name")
    host = not any_host or now.kind != "model"
    urls = differences(address_of(then, host=host), address_of(now, host=host), "url")
    found = (*names, *urls, *differences(asked_for(then), asked_for(now)))
    # Calls can differ in what is no text, such as the bytes of an upload.
    return found or differences(key_of(then), key_of(now), "key")
