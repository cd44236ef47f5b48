"""What a replayer needs and does not know itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from otel_agent_replay.model.call import Call, Kind, Outcome
from otel_agent_replay.model.messages import ModelRequest
from otel_agent_replay.model.step import Step

__all__ = ["Tools"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the replayer needs and does not know itself.

    Attributes:
        redact: Redacts a live call by the recording's policy.
        redact_outcome: The same for what came of a call of a kind.
        rewrite: Applies a fork's changes to a live model call.
        render_answer: Gives the outcome of a model step with another text.
        read: Reads what a model call says off the wire; None if it cannot be read.
        synthesise: Gives the answer of a model step without bytes to the call that
            asks; None if it cannot be written.
    """

    redact: Callable[[Call], Call]
    redact_outcome: Callable[[Outcome, Kind], Outcome]
    rewrite: Callable[[Call], Call] = field(default=lambda call: call)
    render_answer: Callable[[Step, str], Outcome] = field(
        default=lambda step, _: step.outcome,
    )
    read: Callable[[Call], ModelRequest | None] = field(default=lambda _: None)
    synthesise: Callable[[Step, Call], Outcome | None] = field(
        default=lambda _, __: None
    )
