"""Differences: between two values, a replay and its recording, two runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.model.step import Step

__all__ = [
    "AlignedSteps",
    "Comparison",
    "Divergence",
    "DivergenceKind",
    "FieldDifference",
    "Figure",
    "ReplayReport",
    "differences",
]

DivergenceKind: TypeAlias = Literal["unexpected", "missing", "changed", "out_of_order"]


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
    if expected == actual and isinstance(expected, bool) is isinstance(actual, bool):
        return ()
    return (FieldDifference(path=path, expected=expected, actual=actual),)


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
    """

    kind: DivergenceKind
    name: str
    step: int | None = None
    parent: tuple[str, ...] = ()
    fields: tuple[FieldDifference, ...] = ()

    def __str__(self) -> str:
        at = "" if self.step is None else f" (step {self.step})"
        inside = f" in {' > '.join(self.parent)}" if self.parent else ""
        what = "; ".join(str(each) for each in self.fields[:3])
        return f"{self.kind}: {self.name}{at}{inside}{f': {what}' if what else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """What a replay, resume or fork did.

    Attributes:
        run_id: The recorded run.
        served: Indices of recorded steps that answered a call.
        unused: Indices of recorded steps that were never asked for.
        live: Names of calls that ran live, in order.
        blocked: Names of writes that were refused.
        divergences: The differences, in the order they were found.
        notes: What else a reader should know, such as a host that stood for another.
    """

    run_id: str
    served: tuple[int, ...] = ()
    unused: tuple[int, ...] = ()
    live: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    divergences: tuple[Divergence, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing differed and nothing was refused."""
        return not self.divergences and not self.blocked


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignedSteps:
    """A row of a comparison: a step of each run, or of one of them."""

    a: Step | None = None
    b: Step | None = None
    fields: tuple[FieldDifference, ...] = ()

    @property
    def same(self) -> bool:
        """Whether both sides are there and alike."""
        return self.a is not None and self.b is not None and not self.fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number of both runs; None where a run does not have it."""

    a: float | None = None
    b: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs, aligned step by step.

    `first_divergence` is the index into `rows` of the first row that is not the
    same, None if all are. `answer` holds the differences of the final outputs.
    """

    a: str
    b: str
    rows: tuple[AlignedSteps, ...] = ()
    first_divergence: int | None = None
    answer: tuple[FieldDifference, ...] = ()
    input: tuple[FieldDifference, ...] = ()
    input_tokens: Figure = field(default_factory=Figure)
    output_tokens: Figure = field(default_factory=Figure)
    cost_usd: Figure = field(default_factory=Figure)
    duration_ns: Figure = field(default_factory=Figure)

    @property
    def same(self) -> bool:
        """Whether steps, inputs and answers are alike."""
        return self.first_divergence is None and not self.answer and not self.input
