"""What the exit codes of `agent-replay` mean."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from otel_agent_replay.errors import (
    AgentReplayError,
    AmbiguousRunError,
    BisectionError,
    ConfigurationError,
    DivergenceError,
    GoldenError,
    LaunchError,
    PushError,
    RecordingError,
    RunIncompleteError,
    RunNotFoundError,
    StepNotFoundError,
    StoreAccessError,
    StoreSchemaError,
    StoreUnavailableError,
    UnrenderableError,
    WriteBlockedError,
    WriteInDoubtError,
)

__all__ = ["ExitCode", "exit_code_of"]


class ExitCode(IntEnum):
    """Exit codes; those above 2 lie where programs and shells seldom have theirs."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    CHECK_FAILED = 79
    UNKNOWN_RUN = 80
    AMBIGUOUS_RUN = 81
    UNKNOWN_STEP = 82
    STORE_UNAVAILABLE = 83
    ACCESS_REFUSED = 84
    NEWER_SCHEMA = 85
    DAMAGED_RECORDING = 86
    RUN_INCOMPLETE = 87
    NOT_STARTED = 88
    NOT_CAPTURED = 89
    DIVERGED = 90
    WRITE_BLOCKED = 91
    NOT_SENT = 92
    NOT_GONE = 93
    WRITE_IN_DOUBT = 94
    INTERRUPTED = 130


_CODES: Final[dict[type[AgentReplayError], ExitCode]] = {
    AmbiguousRunError: ExitCode.AMBIGUOUS_RUN,
    BisectionError: ExitCode.DIVERGED,
    ConfigurationError: ExitCode.USAGE,
    DivergenceError: ExitCode.DIVERGED,
    GoldenError: ExitCode.CHECK_FAILED,
    LaunchError: ExitCode.NOT_STARTED,
    PushError: ExitCode.NOT_SENT,
    RecordingError: ExitCode.DAMAGED_RECORDING,
    RunIncompleteError: ExitCode.RUN_INCOMPLETE,
    RunNotFoundError: ExitCode.UNKNOWN_RUN,
    StepNotFoundError: ExitCode.UNKNOWN_STEP,
    StoreAccessError: ExitCode.ACCESS_REFUSED,
    StoreSchemaError: ExitCode.NEWER_SCHEMA,
    StoreUnavailableError: ExitCode.STORE_UNAVAILABLE,
    UnrenderableError: ExitCode.USAGE,
    WriteBlockedError: ExitCode.WRITE_BLOCKED,
    WriteInDoubtError: ExitCode.WRITE_IN_DOUBT,
}


def exit_code_of(error: AgentReplayError) -> ExitCode:
    """Return the exit code that stands for an error."""
    codes = (_CODES.get(cls) for cls in type(error).__mro__)
    return next((code for code in codes if code is not None), ExitCode.UNEXPECTED)
