"""Runs side by side: two aligned step by step, or many against the first."""

from __future__ import annotations

from dataclasses import dataclass, field

from otel_agent_replay.model.divergence import FieldDifference
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step

__all__ = [
    "AlignedRow",
    "AlignedSteps",
    "ComparedRuns",
    "Comparison",
    "Figure",
    "ToolCalls",
]


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

    @property
    def answered_otherwise(self) -> bool:
        """Whether both sides asked for the same and were answered differently."""
        return bool(self.fields) and all(
            each.path.startswith("outcome") for each in self.fields
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number of both runs; None where a run does not have it."""

    a: float | None = None
    b: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCalls:
    """How often a tool was called, how often it failed, and was answered otherwise.

    `other_results` counts the calls that both runs made with the same arguments and
    that gave something else.
    """

    name: str
    calls: Figure
    failed: Figure
    other_results: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs, aligned step by step.

    Attributes:
        a, b: The runs' ids.
        rows: The steps of both; those that a resume made again are left out.
        first_divergence: Index into `rows` of the first row that is not the same,
            None if all are.
        answer, input: The differences of the final outputs, and of the inputs.
        state: The differences of the last states that checkpoints hold.
        tools: Each tool that either run called, in order of its first call.
        superseded: How many steps of each run a resume made again.
    """

    a: str
    b: str
    rows: tuple[AlignedSteps, ...] = ()
    first_divergence: int | None = None
    answer: tuple[FieldDifference, ...] = ()
    input: tuple[FieldDifference, ...] = ()
    state: tuple[FieldDifference, ...] = ()
    tools: tuple[ToolCalls, ...] = ()
    input_tokens: Figure = field(default_factory=Figure)
    output_tokens: Figure = field(default_factory=Figure)
    cost_usd: Figure = field(default_factory=Figure)
    duration_ns: Figure = field(default_factory=Figure)
    superseded: Figure = field(default_factory=lambda: Figure(a=0, b=0))

    @property
    def same(self) -> bool:
        """Whether steps, inputs and answers are alike."""
        return self.first_divergence is None and not self.answer and not self.input


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignedRow:
    """A row of many runs: a step of each, None where a run has none.

    `fields` holds, a run, where its step differs from that of the first run.
    """

    steps: tuple[Step | None, ...]
    fields: tuple[tuple[FieldDifference, ...], ...]

    @property
    def step(self) -> Step:
        """The step of the first run that has one."""
        return next(each for each in self.steps if each is not None)

    @property
    def same(self) -> bool:
        """Whether every run has the step, and all are alike."""
        return None not in self.steps and not any(self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRuns:
    """Runs against the first of them.

    Attributes:
        runs: The runs; the first is what the others are compared with.
        comparisons: The first run with each of the others, in order.
        rows: The steps of all.
        shared: How many rows at the beginning are the same in all runs.
    """

    runs: tuple[Run, ...]
    comparisons: tuple[Comparison, ...]
    rows: tuple[AlignedRow, ...] = ()
    shared: int = 0

    @property
    def same(self) -> bool:
        """Whether every run is like the first."""
        return all(each.same for each in self.comparisons)
