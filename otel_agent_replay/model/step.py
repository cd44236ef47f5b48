"""A `Step`: a recorded call inside a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.messages import ModelRequest, ModelResponse

__all__ = ["Fidelity", "Step"]

Fidelity: TypeAlias = Literal["wire", "semantic", "inferred"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A recorded call inside a run.

    Attributes:
        index: Position in the run, from 0, by start time.
        span_id: Id of its span; unique in the run.
        parent: Index of the step it ran inside; None directly under the run.
        occurrence: How many equal calls started before it under the same parent.
        lane: Number of the task or thread it was started in; calls of one lane were
            started one after another. None where it was not recorded.
        attempt: 0, or how many equal calls failed directly before this retry.
        fidelity: `wire`: bytes as sent; `semantic`: a normalised view; `inferred`:
            pieced together from neighbours.
        start_ns, end_ns: Unix nanoseconds.
        request, response: The provider codec's reading; model steps only.
        cost_usd: US dollars; None where the price is not known.
        superseded: Whether a resume made this call again: kept to be seen, never used
            to answer.
        dropped: Why its payload is missing (`redaction`, `unserialisable`, …).
    """

    index: int
    span_id: str
    parent: int | None = None
    call: Call
    outcome: Outcome
    occurrence: int = 0
    lane: int | None = None
    attempt: int = 0
    fidelity: Fidelity = "wire"
    start_ns: int = 0
    end_ns: int = 0
    request: ModelRequest | None = None
    response: ModelResponse | None = None
    cost_usd: float | None = None
    dropped: str | None = None
    superseded: bool = False

    @property
    def is_open(self) -> bool:
        """Whether its process ended before it did, so that it has no outcome."""
        return self.outcome.ended == "open"

    @property
    def duration_ns(self) -> int:
        """How long the call took, in nanoseconds."""
        return self.end_ns - self.start_ns
