"""What goes wrong in redaction: the payload is then dropped, never sent."""

from __future__ import annotations

from otel_agent_replay.errors import AgentReplayError

__all__ = ["RedactionError"]


class RedactionError(AgentReplayError):
    """A payload could not be redacted, so it must not leave the process.

    Its text names what failed and never quotes the payload.
    """

    def __init__(self, part: str, problem: str) -> None:
        self.part = part
        self.problem = problem
        super().__init__(f"{part} could not be redacted: {problem}.")

    def __reduce__(self) -> tuple[type[RedactionError], tuple[str, str]]:
        return type(self), (self.part, self.problem)
