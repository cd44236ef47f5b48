"""How a live call is told from a recorded one, and what it may be allowed by."""

from __future__ import annotations

from otel_agent_replay.intercept import OpenCall
from otel_agent_replay.model.call import Call
from otel_agent_replay.model.divergence import FieldDifference, differences
from otel_agent_replay.model.key import host_of, without_modules
from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.model.step import Step

__all__ = ["differing", "listed", "names_above", "names_of", "state_of"]


def differing(
    expected: JsonValue, actual: JsonValue, path: str = ""
) -> tuple[FieldDifference, ...]:
    """Return every place where two values differ.

    As for keys, the module of a class makes no difference.
    """
    return differences(without_modules(expected), without_modules(actual), path)


def listed(items: tuple[JsonValue, ...] | None) -> JsonValue:
    """Return a generator's items as a JSON list; None if it was none."""
    return None if items is None else list(items)


def names_of(call: Call) -> frozenset[str]:
    """Return what a call can be allowed by: its name, its host with port or without."""
    host = host_of(call) or ""
    name, _, port = host.rpartition(":")
    bare = name if port.isdecimal() else host
    return frozenset(filter(None, (call.name, host, bare)))


def names_above(opened: OpenCall) -> tuple[str, ...]:
    """Return the names of the calls that a call is inside, outermost first."""
    return tuple(reversed([above.call.name for above in opened.ancestors()]))


def state_of(checkpoint: Step) -> JsonValue:
    """Return the state that a recorded checkpoint was given."""
    return (checkpoint.call.inputs or {}).get("state")
