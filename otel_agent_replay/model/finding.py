"""What looks wrong in a run, and where to fork it to find out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from otel_agent_replay.model.payload import JsonValue

__all__ = ["Confidence", "Finding", "FindingKind", "ForkPoint"]

FindingKind: TypeAlias = Literal[
    "failed",
    "unfinished_write",
    "repeated_calls",
    "empty_results",
    "repeated_errors",
    "error_passed_over",
    "answer_without_evidence",
    "answer_cut_off",
    "answer_refused",
    "invalid_arguments",
    "growing_context",
    "slow_step",
    "expensive_step",
]
Confidence: TypeAlias = Literal["certain", "likely", "possible"]
"""`certain`: recorded so; `likely`, `possible`: how it reads to a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that a person should look at.

    Attributes:
        kind: What sort of thing.
        confidence: How sure a rule can be that it was wrong.
        steps: The steps it is about, in order; empty if it is about the whole run.
        text: What was seen, in one sentence.
        evidence: A line a step, or what else shows it.
    """

    kind: FindingKind
    confidence: Confidence
    steps: tuple[int, ...] = ()
    text: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkPoint:
    """A place to fork a run, and what to change there.

    Attributes:
        at: The last step that the fork shares with the run.
        change: What is changed.
        path: Of a state or parameter, which.
        value: The value to begin with; a person puts in what is right.
        why: What the fork would show.
    """

    at: int
    change: Literal["state", "result", "answer", "parameter", "code"]
    path: str = ""
    value: JsonValue = None
    why: str
