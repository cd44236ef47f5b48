"""What goes wrong with a recording, and with giving it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_agent_replay.errors.base import AgentReplayError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "GoldenError",
    "RecordedError",
    "RecordedStreamEndedError",
    "RecordingError",
    "ResultTypeError",
    "RunIncompleteError",
    "StepNotFoundError",
    "UnrenderableError",
]


class RecordedError(AgentReplayError):
    """Stands for a recorded exception whose class is not importable here."""

    def __init__(self, type_name: str, message: str) -> None:
        self.type_name = type_name
        self.message = message
        super().__init__(f"{type_name}: {message}")

    def __reduce__(self) -> tuple[type[RecordedError], tuple[str, str]]:
        return type(self), (self.type_name, self.message)


class RecordedStreamEndedError(AgentReplayError):
    """A recorded response was read on where the recorded caller had stopped."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"The recorded caller of {name} stopped reading here, so what would "
            "follow is not known. Record the run again with the code as it is now.",
        )

    def __reduce__(self) -> tuple[type[RecordedStreamEndedError], tuple[str]]:
        return type(self), (self.name,)


class RecordingError(AgentReplayError, ValueError):
    """A recording file is damaged, too large, or of a version not known here."""

    def __init__(self, source: str, problem: str) -> None:
        self.source = source
        self.problem = problem
        super().__init__(f"{source} is no readable recording: {problem}.")

    def __reduce__(self) -> tuple[type[RecordingError], tuple[str, str]]:
        return type(self), (self.source, self.problem)


class GoldenError(AgentReplayError):
    """A golden cannot be made, found or used; the message says what to do."""

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        self.problem = problem
        super().__init__(f"Golden {name}: {problem}")

    def __reduce__(self) -> tuple[type[GoldenError], tuple[str, str]]:
        return type(self), (self.name, self.problem)


class RunIncompleteError(AgentReplayError):
    """The run has gaps, so a replay of it could be wrong without anyone seeing it."""

    def __init__(
        self,
        run_id: str,
        gaps: Sequence[str],
        advice: str = "Pass allow_gaps=True (--allow-gaps) to replay what is there.",
    ) -> None:
        self.run_id = run_id
        self.gaps = tuple(gaps)
        self.advice = advice
        super().__init__(f"Run {run_id} is incomplete: {'; '.join(gaps)}. {advice}")

    def __reduce__(
        self,
    ) -> tuple[type[RunIncompleteError], tuple[str, tuple[str, ...], str]]:
        return type(self), (self.run_id, self.gaps, self.advice)


class StepNotFoundError(AgentReplayError, LookupError):
    """The run has no step with this index."""

    def __init__(self, run_id: str, step: int, count: int) -> None:
        self.run_id = run_id
        self.step = step
        self.count = count
        super().__init__(
            f"Run {run_id} has no step {step}; it has {count} "
            f"{'step' if count == 1 else 'steps'}, counted from 0.",
        )

    def __reduce__(self) -> tuple[type[StepNotFoundError], tuple[str, int, int]]:
        return type(self), (self.run_id, self.step, self.count)


class UnrenderableError(AgentReplayError, ValueError):
    """An answer cannot be written in the wire form of its API."""

    def __init__(self, api: str, problem: str) -> None:
        self.api = api
        self.problem = problem
        super().__init__(
            f"An answer of {api} cannot be written: {problem}. "
            "Serve its recorded bytes, or leave this step unchanged.",
        )

    def __reduce__(self) -> tuple[type[UnrenderableError], tuple[str, str]]:
        return type(self), (self.api, self.problem)


class ResultTypeError(AgentReplayError, TypeError):
    """A recorded value cannot be given back as the native type it had."""

    def __init__(self, type_name: str, problem: str) -> None:
        self.type_name = type_name
        self.problem = problem
        super().__init__(
            f"A recorded value of type {type_name} cannot be rebuilt: {problem}. "
            "Annotate the function's return type, or return JSON values.",
        )

    def __reduce__(self) -> tuple[type[ResultTypeError], tuple[str, str]]:
        return type(self), (self.type_name, self.problem)
