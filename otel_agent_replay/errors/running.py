"""What goes wrong while an agent runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_agent_replay.errors.base import AgentReplayError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "BisectionError",
    "DivergenceError",
    "LaunchError",
    "LostContextError",
    "PushError",
    "SessionEndedError",
]


class LostContextError(AgentReplayError):
    """A call lost its context while several sessions are open."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name} was called outside any known context while several replay "
            "sessions are open, so it cannot be told which one it belongs to. Start "
            "its thread inside the session, or run one session at a time.",
        )

    def __reduce__(self) -> tuple[type[LostContextError], tuple[str]]:
        return type(self), (self.name,)


class SessionEndedError(AgentReplayError):
    """A call was made by code that was started in a session that has ended."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name} was called by a task or thread that was started in a replay, "
            "resume or fork that has ended; nothing was sent. End what a session "
            "starts before the session.",
        )

    def __reduce__(self) -> tuple[type[SessionEndedError], tuple[str]]:
        return type(self), (self.name,)


class LaunchError(AgentReplayError):
    """A program cannot be started."""

    def __init__(self, program: str, problem: str) -> None:
        self.program = program
        self.problem = problem
        super().__init__(f"{program!r} cannot be started: {problem}.")

    def __reduce__(self) -> tuple[type[LaunchError], tuple[str, str]]:
        return type(self), (self.program, self.problem)


class PushError(AgentReplayError):
    """Spans cannot be sent on over OTLP."""

    def __init__(self, url: str, problem: str) -> None:
        self.url = url
        self.problem = problem
        super().__init__(
            f"Spans cannot be sent to {url}: {problem}. Give the base address of an "
            "OTLP/HTTP receiver, such as http://127.0.0.1:4318.",
        )

    def __reduce__(self) -> tuple[type[PushError], tuple[str, str]]:
        return type(self), (self.url, self.problem)


class BisectionError(AgentReplayError):
    """It cannot be found out what made one of two runs end otherwise.

    Attributes:
        good, bad: The runs' ids.
        problem: Why not, and what to do.
    """

    def __init__(self, good: str, bad: str, problem: str) -> None:
        self.good = good
        self.bad = bad
        self.problem = problem
        super().__init__(f"Runs {good} and {bad} cannot be bisected: {problem}")

    def __reduce__(self) -> tuple[type[BisectionError], tuple[str, str, str]]:
        return type(self), (self.good, self.bad, self.problem)


class DivergenceError(AgentReplayError):
    """A replay differed from its recording.

    Attributes:
        run_id: The recorded run.
        differences: One line a difference, the first one first.
    """

    def __init__(self, run_id: str, differences: Sequence[str]) -> None:
        self.run_id = run_id
        self.differences = tuple(differences)
        more = len(differences) - 5
        lines = "\n".join(f"  - {line}" for line in differences[:5])
        tail = f"\n  … and {more} more" if more > 0 else ""
        super().__init__(
            f"The replay of run {run_id} differs from its recording:\n{lines}{tail}",
        )

    def __reduce__(self) -> tuple[type[DivergenceError], tuple[str, tuple[str, ...]]]:
        return type(self), (self.run_id, self.differences)
