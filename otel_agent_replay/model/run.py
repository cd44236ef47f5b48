"""A `Run`, its `Step`s and `Checkpoint`s, rebuilt from stored spans."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from otel_agent_replay.errors import StepNotFoundError
from otel_agent_replay.model.call import Outcome
from otel_agent_replay.model.checkpoint import Checkpoint, checkpoint_after
from otel_agent_replay.model.messages import Usage
from otel_agent_replay.model.payload import JsonObject, JsonValue
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.model.step import Step

__all__ = [
    "Gap",
    "ParentRun",
    "PolicyId",
    "Recording",
    "Retention",
    "Run",
    "RunClass",
    "RunFilter",
    "RunMark",
    "RunSource",
    "RunStatus",
    "RunSummary",
]

RunStatus: TypeAlias = Literal["success", "failed", "interrupted"]
RunClass: TypeAlias = Literal["success", "failed", "flagged", "test"]
RunMark: TypeAlias = Literal["flagged", "golden"]
"""What a person says of a stored run: `flagged` is its run class from then on;
a `golden` one is never pruned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyId:
    """The redaction policy a run was recorded under; `off` means none."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentRun:
    """The run that this one came from.

    `step` is the last shared step of a fork, None for a replay or a resume.
    """

    run_id: str
    relation: Literal["replay", "fork"]
    step: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something the run should have and has not; `text` says what.

    `at_end`: a killed process lost it with its last moments; a resume makes it again.
    """

    text: str
    step: int | None = None
    at_end: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSource:
    """Where a run was loaded from, and the key of the pseudonyms in it."""

    store_url: str = field(repr=False)
    pseudonym_key: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of an agent, from its root span.

    `steps` are in order of start. `gaps` is empty for a run that can be replayed
    without doubt; `dropped` counts losses by reason.
    """

    run_id: str
    trace_id: str
    root_span_id: str | None = None
    agent_name: str = ""
    agent_version: str | None = None
    user: str | None = None
    conversation: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    model_configuration: JsonObject = field(default_factory=dict)
    environment: JsonObject = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    status: RunStatus = "success"
    run_class: RunClass = "success"
    parent: ParentRun | None = None
    policy: PolicyId | None = None
    start_ns: int = 0
    end_ns: int = 0
    input: JsonValue = None
    outcome: Outcome = field(default_factory=Outcome)
    steps: tuple[Step, ...] = ()
    gaps: tuple[Gap, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)
    spans: tuple[SpanRecord, ...] = ()
    source: RunSource | None = field(default=None, compare=False, repr=False)

    @property
    def output(self) -> JsonValue:
        """What the agent returned; None if it did not."""
        return self.outcome.value

    @property
    def usage(self) -> Usage:
        """Tokens of all model steps added up; None where no step says."""
        names = Usage.__slots__
        found = [step.response.usage for step in self.steps if step.response]
        sums = {
            name: [v for usage in found if (v := getattr(usage, name)) is not None]
            for name in names
        }
        return Usage(
            **{name: sum(each) if each else None for name, each in sums.items()}
        )

    @property
    def cost_usd(self) -> float | None:
        """US dollars of all priced steps; None if no step has a price."""
        costs = [step.cost_usd for step in self.steps if step.cost_usd is not None]
        return sum(costs) if costs else None

    def step(self, index: int) -> Step:
        """Return a step by index.

        Raises:
            StepNotFoundError: The run has no such step.
        """
        if not 0 <= index < len(self.steps):
            raise StepNotFoundError(self.run_id, index, len(self.steps))
        return self.steps[index]

    def checkpoint(self, index: int) -> Checkpoint:
        """Return everything needed to go on after a step.

        Raises:
            StepNotFoundError: The run has no such step.
        """
        step = self.step(index)
        return checkpoint_after(
            step,
            self.steps,
            run_id=self.run_id,
            agent_name=self.agent_name,
            agent_version=self.agent_version,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A line of a run list.

    `cost_usd` is None where no step has a known price; times are Unix
    nanoseconds; `end_ns` is that of the last span seen.
    """

    run_id: str
    trace_id: str
    agent_name: str = ""
    agent_version: str | None = None
    user: str | None = None
    conversation: str | None = None
    status: RunStatus = "success"
    run_class: RunClass = "success"
    parent_run_id: str | None = None
    tags: tuple[str, ...] = ()
    start_ns: int = 0
    end_ns: int = 0
    step_count: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    dropped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How many days after their start runs are kept, by run class.

    A run that was cut short is kept as a failed one.
    """

    success: int = 7
    failed: int = 30
    flagged: int = 90
    test: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs to list; every field that is set must hold.

    `text` is looked for in the run's payloads, case ignored. Times are Unix
    nanoseconds, `since_ns` inclusive, `until_ns` exclusive, on the run's start.
    """

    run_id_prefix: str | None = None
    parent_run_id: str | None = None
    agent: str | None = None
    status: RunStatus | None = None
    run_class: RunClass | None = None
    user: str | None = None
    tag: str | None = None
    text: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    min_cost_usd: float | None = None
    max_cost_usd: float | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A run in portable form: its spans, payloads inline."""

    run_id: str
    spans: tuple[SpanRecord, ...]
