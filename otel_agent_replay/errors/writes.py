"""What stops a write."""

from __future__ import annotations

from otel_agent_replay.errors.base import AgentReplayError

__all__ = [
    "WriteBlockedError",
    "WriteChangedError",
    "WriteInDoubtError",
    "WriteNotBegunError",
]


class WriteBlockedError(AgentReplayError):
    """A write was asked for where only reads may run."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(
            f"{name} is a write and was not run: {reason}. Allow it by name with "
            f"allow_writes=[{name!r}] (--allow-write {name}).",
        )

    def __reduce__(self) -> tuple[type[WriteBlockedError], tuple[str, str]]:
        return type(self), (self.name, self.reason)


class WriteNotBegunError(AgentReplayError):
    """A write with an idempotency key was not run: its intention could not be stored."""

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        self.problem = problem
        super().__init__(
            f"{name} was not run, because what it was about to do could not be written "
            f"ahead: {problem} It is safe to call it again once that is mended.",
        )

    def __reduce__(self) -> tuple[type[WriteNotBegunError], tuple[str, str]]:
        return type(self), (self.name, self.problem)


class WriteInDoubtError(AgentReplayError):
    """A write with an idempotency key has begun before, and its end is not known.

    Attributes:
        name: The write, `tool:key`.
        problem: What is known of it.
    """

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        self.problem = problem
        super().__init__(
            f"{name} is in doubt and was not run: {problem}. See in the system it "
            "writes to whether it happened. Then resume the run with "
            f"in_doubt={{{name!r}: 'assume_done'}} if it did, or 'retry' if it did not "
            f"(--in-doubt '{name}=assume_done').",
        )

    def __reduce__(self) -> tuple[type[WriteInDoubtError], tuple[str, str]]:
        return type(self), (self.name, self.problem)


class WriteChangedError(AgentReplayError):
    """A write came again under the same idempotency key with other arguments."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name} was called in this run before, with other arguments, and was not "
            "run again. Make the key of all that tells one write from another.",
        )

    def __reduce__(self) -> tuple[type[WriteChangedError], tuple[str]]:
        return type(self), (self.name,)
