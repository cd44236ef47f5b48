"""Every exception of the package, in one tree.

AgentReplayError
├── ConfigurationError            a setting has no meaning (also ValueError)
├── RecordedError                 stands for a recorded exception whose class cannot be had here
├── RecordedStreamEndedError      read on where the recorded caller had stopped reading
├── StoreError
│   ├── StoreUnavailableError     cannot be reached or opened
│   ├── StoreAccessError          reached, but user or password is refused
│   ├── StoreSchemaError          the store is newer than this code, or not ours
│   ├── RunNotFoundError          no run with this id (also LookupError)
│   └── AmbiguousRunError         the prefix fits several runs (also LookupError)
├── StateDamagedError             a checkpoint of a thread lacks a part
├── ThreadWentOnError             a run cannot be resumed: a later one has gone on from its thread
├── StateTypeError                a state holds a type that may not be made from stored data (also TypeError)
├── RecordingError                a recording file is damaged, too large or of another version (also ValueError)
├── GoldenError                   a golden cannot be made, found or used
├── RunIncompleteError            the run has a gap and cannot be replayed
├── StepNotFoundError             the run has no such step (also LookupError)
├── UnrenderableError             an answer cannot be written in a provider's wire form (also ValueError)
├── ResultTypeError               a recorded value cannot be given back as its native type (also TypeError)
├── LostContextError              a call cannot be told which of several sessions it belongs to
├── SessionEndedError             a call was made by code of a session that has ended
├── LaunchError                   a program cannot be started
├── PushError                     spans cannot be sent on over OTLP
├── BisectionError                what made one of two runs end otherwise cannot be found out
├── WriteBlockedError             a write was asked for where only reads may run
├── WriteNotBegunError            a write with a key was not run: it could not be written ahead
├── WriteInDoubtError             a write with a key has begun before, and nobody knows its end
├── WriteChangedError             a write with a key came again with other arguments
└── DivergenceError               a replay differed from its recording

Each error carries the ids it is about as attributes, and its message says
what happened, to what, and what to do.
"""

from __future__ import annotations

from otel_agent_replay.errors.base import (
    AgentReplayError,
    ConfigurationError,
)
from otel_agent_replay.errors.recordings import (
    GoldenError,
    RecordedError,
    RecordedStreamEndedError,
    RecordingError,
    ResultTypeError,
    RunIncompleteError,
    StepNotFoundError,
    UnrenderableError,
)
from otel_agent_replay.errors.running import (
    BisectionError,
    DivergenceError,
    LaunchError,
    LostContextError,
    PushError,
    SessionEndedError,
)
from otel_agent_replay.errors.stores import (
    AmbiguousRunError,
    RunNotFoundError,
    StateDamagedError,
    StateTypeError,
    StoreAccessError,
    StoreError,
    StoreSchemaError,
    StoreUnavailableError,
    ThreadWentOnError,
)
from otel_agent_replay.errors.writes import (
    WriteBlockedError,
    WriteChangedError,
    WriteInDoubtError,
    WriteNotBegunError,
)

__all__ = [
    "AgentReplayError",
    "AmbiguousRunError",
    "BisectionError",
    "ConfigurationError",
    "DivergenceError",
    "GoldenError",
    "LaunchError",
    "LostContextError",
    "PushError",
    "RecordedError",
    "RecordedStreamEndedError",
    "RecordingError",
    "ResultTypeError",
    "RunIncompleteError",
    "RunNotFoundError",
    "SessionEndedError",
    "StateDamagedError",
    "StateTypeError",
    "StepNotFoundError",
    "StoreAccessError",
    "StoreError",
    "StoreSchemaError",
    "StoreUnavailableError",
    "ThreadWentOnError",
    "UnrenderableError",
    "WriteBlockedError",
    "WriteChangedError",
    "WriteInDoubtError",
    "WriteNotBegunError",
]
