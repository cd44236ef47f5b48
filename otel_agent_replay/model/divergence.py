"""Differences: between two values, between a replay and its recording."""

from __future__ import annotations

from dataclasses import dataclass
from math import copysign, isnan
from typing import Literal, TypeAlias

from otel_agent_replay.model.payload import JsonValue

__all__ = [
    "Candidate",
    "Cause",
    "Divergence",
    "DivergenceKind",
    "FieldDifference",
    "Normalised",
    "ReplayReport",
    "differences",
]

DivergenceKind: TypeAlias = Literal["unexpected", "missing", "changed", "out_of_order"]
Cause: TypeAlias = Literal["code", "tool", "model", "redaction", "clock", "randomness"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDifference:
    """One place where two values differ.

    `path` is like `messages[2].content`; an absent side is None with its flag off.
    """

    path: str
    expected: JsonValue = None
    actual: JsonValue = None
    in_expected: bool = True
    in_actual: bool = True

    def __str__(self) -> str:
        if not self.in_expected:
            return f"{self.path or 'value'}: not recorded, now {_short(self.actual)}"
        if not self.in_actual:
            return f"{self.path or 'value'}: was {_short(self.expected)}, now absent"
        was, now = _short(self.expected), _short(self.actual)
        return f"{self.path or 'value'}: was {was}, now {now}"


def _short(value: JsonValue, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def differences(
    expected: JsonValue,
    actual: JsonValue,
    path: str = "",
) -> tuple[FieldDifference, ...]:
    """Return every place where two JSON values differ, in document order."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return tuple(
            found
            for key in dict.fromkeys((*expected, *actual))
            for found in _member(expected, actual, key, path)
        )
    if isinstance(expected, list) and isinstance(actual, list):
        return _list_differences(expected, actual, path)
    if _same(expected, actual):
        return ()
    return (FieldDifference(path=path, expected=expected, actual=actual),)


def _same(expected: JsonValue, actual: JsonValue) -> bool:
    """Return whether two values are one; 1 is 1.0, but not True, and 0 not -0.0."""
    if isinstance(expected, bool) is not isinstance(actual, bool):
        return False
    if expected == actual:
        return _negative_zero(expected) is _negative_zero(actual)
    return _is_nan(expected) and _is_nan(actual)


def _is_nan(value: JsonValue) -> bool:
    return isinstance(value, float) and isnan(value)


def _negative_zero(value: JsonValue) -> bool:
    return isinstance(value, float) and value == 0 and copysign(1, value) < 0


def _member(
    expected: dict[str, JsonValue],
    actual: dict[str, JsonValue],
    key: str,
    path: str,
) -> tuple[FieldDifference, ...]:
    where = f"{path}.{key}" if path else key
    if key not in actual:
        return (FieldDifference(path=where, expected=expected[key], in_actual=False),)
    if key not in expected:
        return (FieldDifference(path=where, actual=actual[key], in_expected=False),)
    return differences(expected[key], actual[key], where)


def _list_differences(
    expected: list[JsonValue],
    actual: list[JsonValue],
    path: str,
) -> tuple[FieldDifference, ...]:
    shared = min(len(expected), len(actual))
    found: list[FieldDifference] = []
    for index in range(shared):
        found.extend(differences(expected[index], actual[index], f"{path}[{index}]"))
    found.extend(
        FieldDifference(path=f"{path}[{i}]", expected=expected[i], in_actual=False)
        for i in range(shared, len(expected))
    )
    found.extend(
        FieldDifference(path=f"{path}[{i}]", actual=actual[i], in_expected=False)
        for i in range(shared, len(actual))
    )
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A recorded step that a call comes close to.

    Attributes:
        step: Its index.
        name: Its call's name.
        used: Whether it had answered another call already.
        fields: Where the call differs from it; none if it asks for the same.
    """

    step: int
    name: str
    used: bool = False
    fields: tuple[FieldDifference, ...] = ()

    def __str__(self) -> str:
        used = ", used already" if self.used else ""
        if not self.fields:
            return f"step {self.step} {self.name}{used}: the same"
        more = len(self.fields) - 1
        tail = f"; and {more} more" if more else ""
        return f"step {self.step} {self.name}{used}: {self.fields[0]}{tail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """A difference between a replay and its recording.

    Attributes:
        kind: `unexpected`: asked for, not recorded; `missing`: recorded, never
            asked for; `changed`: asked for with other arguments; `out_of_order`:
            asked for at another place.
        name: The call's name.
        step: Index of the recorded step it is about; for `unexpected` the closest
            one, if any.
        parent: Names of the calls it was made inside, outermost first.
        fields: Where the arguments differ from the closest recorded ones.
        cause: What made the difference, as far as its look tells: the `code`, a
            `tool` or `model` that answered otherwise, `redaction` under another key
            or policy, the `clock`, `randomness`.
        candidates: The closest recorded steps, the closest first.
        reason: What else there is to say, such as what it should have come after.
        follows: Whether an earlier divergence explains it.
    """

    kind: DivergenceKind
    name: str
    step: int | None = None
    parent: tuple[str, ...] = ()
    fields: tuple[FieldDifference, ...] = ()
    cause: Cause = "code"
    candidates: tuple[Candidate, ...] = ()
    reason: str = ""
    follows: bool = False

    def __str__(self) -> str:
        at = "" if self.step is None else f" (step {self.step})"
        inside = f" in {' > '.join(self.parent)}" if self.parent else ""
        told = [self.reason, *(str(each) for each in self.fields[:3])]
        what = "; ".join(filter(None, told))
        return f"{self.kind}: {self.name}{at}{inside}{f': {what}' if what else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalised:
    """A place where a call differs from the step that answered it, and may.

    Attributes:
        step: Index of the recorded step; None for the run's own input or output.
        normaliser: Which one let it pass.
        path: Like that of a `FieldDifference`.
    """

    step: int | None
    normaliser: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """What a replay, resume or fork did.

    Attributes:
        run_id: The recorded run.
        served: Indices of recorded steps that answered a call.
        unused: Indices of recorded steps that were never asked for.
        live: Names of calls that ran live, in order.
        blocked: Names of writes that were refused.
        in_doubt: Writes that the agent was stopped at, as nobody knows whether they
            happened: `tool:key`, and what is known.
        divergences: The differences, in the order they were found; the first is
            where to look.
        normalised: What was let pass by a normaliser.
        notes: What else a reader should know, such as a host that stood for another.
    """

    run_id: str
    served: tuple[int, ...] = ()
    unused: tuple[int, ...] = ()
    live: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    in_doubt: tuple[tuple[str, str], ...] = ()
    divergences: tuple[Divergence, ...] = ()
    normalised: tuple[Normalised, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing differed and nothing was refused."""
        return not (self.divergences or self.blocked or self.in_doubt)
