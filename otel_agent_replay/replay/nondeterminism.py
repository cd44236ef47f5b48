"""Why runs of one input are not alike: what differed first, and where it came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from otel_agent_replay.model.call import EFFECT_KINDS, Kind
from otel_agent_replay.model.comparison import AlignedSteps
from otel_agent_replay.model.divergence import (
    Divergence,
    FieldDifference,
    differences,
)
from otel_agent_replay.model.payload import JsonObject, JsonValue
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.causes import cause_of
from otel_agent_replay.replay.compare import compare

__all__ = [
    "Nondeterminism",
    "Source",
    "UnlikeRuns",
    "nondeterminism_json",
    "nondeterminism_of",
]

Source: TypeAlias = Literal[
    "input",
    "clock",
    "randomness",
    "environment",
    "file",
    "model",
    "tool",
    "service",
    "order",
    "redaction",
    "code",
]
_OF_KIND: Final[Mapping[Kind, Source]] = {
    "clock": "clock",
    "random": "randomness",
    "environment": "environment",
    "file": "file",
    "model": "model",
    "tool": "tool",
    "http": "service",
    "retrieval": "service",
    "memory": "service",
    "approval": "input",
}
"""What made an answer another one, where the same was asked for."""
_CODE: Final = ("git_commit", "program", "python", "otel_agent_replay", "platform")
_LEAST: Final = 4
"""Characters of a value that is looked for in later ones; shorter ones are anywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nondeterminism:
    """Something that two runs do not have alike.

    Attributes:
        source: What made it so.
        name: The call's name; `input` or `output` of the run itself.
        a, b: Indices of its steps in the two runs; None where a run has none.
        fields: Where they differ.
        origin: Index of an earlier step of the first run that it follows from: its
            other answer stands in this one.
        recorded: Whether the source is on record, so that a replay answers it.
    """

    source: Source
    name: str
    a: int | None = None
    b: int | None = None
    fields: tuple[FieldDifference, ...] = ()
    origin: int | None = None
    recorded: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlikeRuns:
    """Two runs, and why they are not alike.

    Attributes:
        a, b: Their ids.
        first: What differed first; None if nothing did.
        effect: The first call that asked for something else, or was made by one of
            them only: where the runs part. None if none was.
        counts: How many calls each source answered otherwise.
        environment: How the processes differed: commit, versions, settings.
    """

    a: str
    b: str
    first: Nondeterminism | None = None
    effect: Nondeterminism | None = None
    counts: Mapping[Source, int]
    environment: tuple[FieldDifference, ...] = ()


def nondeterminism_of(a: Run, b: Run) -> UnlikeRuns:
    """Return what differed first between two runs of one input, and why."""
    comparison = compare(a, b)
    changed = differences(_settings(a), _settings(b))
    rows = [row for row in comparison.rows if not row.same]
    found = [_of_row(row, rows[:at], changed) for at, row in enumerate(rows)]
    parting = [f for f, row in zip(found, rows, strict=True) if not _is_source(row)]
    sources = [f.source for f, row in zip(found, rows, strict=True) if _is_source(row)]
    given: list[Nondeterminism] = []
    if comparison.input:
        given = [Nondeterminism(source="input", name="input", fields=comparison.input)]
    elif comparison.answer and not rows:
        given = [_of_answer(comparison.answer, changed)]
    return UnlikeRuns(
        a=a.run_id,
        b=b.run_id,
        first=next(iter((*given, *found)), None),
        effect=next(iter(parting), None),
        counts=dict(Counter(sources)),
        environment=changed,
    )


def nondeterminism_json(found: Sequence[UnlikeRuns]) -> JsonValue:
    """Return findings as JSON, for scripts."""
    return [
        {
            "a": each.a,
            "b": each.b,
            "same": each.first is None,
            "first": _finding_json(each.first),
            "effect": _finding_json(each.effect),
            "counts": {str(name): count for name, count in each.counts.items()},
            "environment": [_field_json(field) for field in each.environment],
        }
        for each in found
    ]


def _finding_json(found: Nondeterminism | None) -> JsonObject | None:
    if found is None:
        return None
    return {
        "source": found.source,
        "name": found.name,
        "a": found.a,
        "b": found.b,
        "origin": found.origin,
        "recorded": found.recorded,
        "fields": [_field_json(field) for field in found.fields],
    }


def _field_json(field: FieldDifference) -> JsonObject:
    told: JsonObject = {"path": field.path}
    if field.in_expected:
        told["a"] = field.expected
    if field.in_actual:
        told["b"] = field.actual
    return told


# --- one row -----------------------------------------------------------------------


def _settings(run: Run) -> JsonObject:
    return {**run.environment, "agent_version": run.agent_version}


def _is_source(row: AlignedSteps) -> bool:
    """Return whether the same was asked for and answered in another way."""
    return row.answered_otherwise and _step(row).call.kind in _OF_KIND


def _step(row: AlignedSteps) -> Step:
    step = row.a or row.b
    if step is None:
        raise ValueError(row)
    return step


def _of_row(
    row: AlignedSteps,
    earlier: Sequence[AlignedSteps],
    changed: tuple[FieldDifference, ...],
) -> Nondeterminism:
    step = _step(row)
    source: Source
    origin: int | None = None
    if _is_source(row):
        source, recorded = _OF_KIND[step.call.kind], True
    else:
        source, origin, recorded = _why(row, earlier, changed)
    return Nondeterminism(
        source=source,
        name=step.call.name,
        a=row.a.index if row.a else None,
        b=row.b.index if row.b else None,
        fields=row.fields,
        origin=origin,
        recorded=recorded,
    )


def _why(
    row: AlignedSteps,
    earlier: Sequence[AlignedSteps],
    changed: tuple[FieldDifference, ...],
) -> tuple[Source, int | None, bool]:
    """Return what made a call another one, the step it comes from, and if on record."""
    if row.fields and all(field.path == "index" for field in row.fields):
        return "order", None, False
    sources = [each for each in earlier if _is_source(each)]
    told = next((each for each in sources if _stands_in(each, row.fields)), None)
    if told is not None:
        return _OF_KIND[_step(told).call.kind], _step(told).index, True
    look = cause_of(Divergence(kind="changed", name="", fields=row.fields))
    if row.fields and look in {"clock", "randomness", "redaction"}:
        kind: Kind = "clock" if look == "clock" else "random"
        read = next((e for e in sources if _step(e).call.kind == kind), None)
        origin = None if read is None else _step(read).index
        return look, origin, read is not None
    if any(field.path in _CODE for field in changed):
        return "code", None, False
    # Whoever answered otherwise before may have led the code another way.
    answers = [e for e in sources if _step(e).call.kind not in EFFECT_KINDS]
    for each in (*answers, *sources)[:1]:
        return _OF_KIND[_step(each).call.kind], _step(each).index, True
    return "code", None, False


def _of_answer(
    fields: tuple[FieldDifference, ...], changed: tuple[FieldDifference, ...]
) -> Nondeterminism:
    """Return why runs with equal steps have other outputs."""
    source, _, recorded = _why(AlignedSteps(fields=fields), (), changed)
    return Nondeterminism(
        source=source, name="output", fields=fields, recorded=recorded
    )


def _stands_in(source: AlignedSteps, fields: tuple[FieldDifference, ...]) -> bool:
    """Return whether what a step was answered with stands in later differences."""
    for answer in source.fields:
        pairs = [*_texts(answer.expected)], [*_texts(answer.actual)]
        for field in fields:
            then, now = str(field.expected), str(field.actual)
            in_both = any(t in then for t in pairs[0]) and any(
                t in now for t in pairs[1]
            )
            if in_both:
                return True
    return False


def _texts(value: JsonValue) -> Iterator[str]:
    """Yield the values inside one as texts, those that are long enough to tell."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif value is not None and len(str(value)) >= _LEAST:
        yield str(value)
