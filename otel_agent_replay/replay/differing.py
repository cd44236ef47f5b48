"""How a live call is told from a recorded one, and what it may be allowed by."""

from __future__ import annotations

from collections.abc import Collection

from otel_agent_replay.intercept import OpenCall
from otel_agent_replay.model.call import Call
from otel_agent_replay.model.canonical import canonical_text, one_form
from otel_agent_replay.model.divergence import (
    FieldDifference,
    Normalised,
    differences,
)
from otel_agent_replay.model.key import host_of, without_modules
from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.normalise import normalised, where_normalised

__all__ = [
    "agreeing",
    "differing",
    "listed",
    "names_above",
    "names_of",
    "parents_of",
    "state_of",
]


def differing(
    expected: JsonValue, actual: JsonValue, path: str = ""
) -> tuple[FieldDifference, ...]:
    """Return every place where two values differ.

    As for keys, the module of a class makes no difference.
    """
    then, now = one_form(without_modules(expected)), one_form(without_modules(actual))
    return differences(then, now, path)


def agreeing(
    expected: JsonValue,
    actual: JsonValue,
    path: str,
    names: Collection[str],
) -> tuple[Normalised, ...] | None:
    """Return where two values differ by nature; None if they differ in more."""
    if not names:
        return None
    then, now = one_form(without_modules(expected)), one_form(without_modules(actual))
    first, was = normalised(then, names)
    second, found = normalised(now, names)
    if canonical_text(first) != canonical_text(second):
        return None
    return tuple(
        Normalised(step=None, normaliser=each.normaliser, path=_joined(path, each.path))
        for each in where_normalised(was, found)
    )


def _joined(path: str, inner: str) -> str:
    if not path or not inner or inner.startswith("["):
        return path + inner
    return f"{path}.{inner}"


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


def parents_of(run: Run, index: int) -> tuple[str, ...]:
    """Return the names of the steps that a step is inside, outermost first."""
    names: list[str] = []
    parent = run.steps[index].parent
    while parent is not None:
        names.append(run.steps[parent].call.name)
        parent = run.steps[parent].parent
    return tuple(reversed(names))
