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
│   ├── AmbiguousRunError         the prefix fits several runs (also LookupError)
│   └── StateDamagedError         a checkpoint of a thread lacks a part
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
├── WriteBlockedError             a write was asked for where only reads may run
├── WriteNotBegunError            a write with a key was not run: it could not be written ahead
├── WriteInDoubtError             a write with a key has begun before, and nobody knows its end
├── WriteChangedError             a write with a key came again with other arguments
└── DivergenceError               a replay differed from its recording

Each error carries the ids it is about as attributes, and its message says
what happened, to what, and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "AgentReplayError",
    "AmbiguousRunError",
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


class AgentReplayError(Exception):
    """Base of every error that this package raises."""


class ConfigurationError(AgentReplayError, ValueError):
    """A setting has no meaning; the message names it and says what is allowed."""

    def __init__(self, setting: str, problem: str) -> None:
        self.setting = setting
        self.problem = problem
        super().__init__(f"{setting}: {problem}")

    def __reduce__(self) -> tuple[type[ConfigurationError], tuple[str, str]]:
        return type(self), (self.setting, self.problem)


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


class StoreError(AgentReplayError):
    """Base of what can go wrong with a store."""


class StoreUnavailableError(StoreError):
    """The store cannot be reached or opened."""

    def __init__(self, url: str, problem: str) -> None:
        self.url = url
        self.problem = problem
        super().__init__(
            f"Store {url} cannot be reached: {problem}. "
            "Check the address and that the server runs, then try again.",
        )

    def __reduce__(self) -> tuple[type[StoreUnavailableError], tuple[str, str]]:
        return type(self), (self.url, self.problem)


class StoreAccessError(StoreError):
    """The store was reached, but it refuses this user or password."""

    def __init__(self, url: str, problem: str) -> None:
        self.url = url
        self.problem = problem
        super().__init__(
            f"Store {url} refuses access: {problem}. Check user, password and rights.",
        )

    def __reduce__(self) -> tuple[type[StoreAccessError], tuple[str, str]]:
        return type(self), (self.url, self.problem)


class StoreSchemaError(StoreError):
    """The store's schema is not one that this version of the package knows."""

    def __init__(self, url: str, found: int, known: int) -> None:
        self.url = url
        self.found = found
        self.known = known
        super().__init__(
            f"Store {url} has schema version {found}, this package knows up to "
            f"{known}. Upgrade otel-agent-replay, or use another store.",
        )

    def __reduce__(self) -> tuple[type[StoreSchemaError], tuple[str, int, int]]:
        return type(self), (self.url, self.found, self.known)


class RunNotFoundError(StoreError, LookupError):
    """No run with this id is stored."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(
            f"No run {run_id!r} in this store. List what is there with "
            "`agent-replay runs`.",
        )

    def __reduce__(self) -> tuple[type[RunNotFoundError], tuple[str]]:
        return type(self), (self.run_id,)


class AmbiguousRunError(StoreError, LookupError):
    """The given prefix fits more than one run."""

    def __init__(self, prefix: str, run_ids: Sequence[str]) -> None:
        self.prefix = prefix
        self.run_ids = tuple(run_ids)
        super().__init__(
            f"{prefix!r} fits {len(run_ids)} runs: {', '.join(run_ids[:5])}"
            f"{', …' if len(run_ids) > len(run_ids[:5]) else ''}. Give more of the id.",
        )

    def __reduce__(self) -> tuple[type[AmbiguousRunError], tuple[str, tuple[str, ...]]]:
        return type(self), (self.prefix, self.run_ids)


class StateDamagedError(StoreError):
    """A checkpoint of a thread lacks a part."""

    def __init__(self, thread: str, checkpoint_id: str, problem: str) -> None:
        self.thread = thread
        self.checkpoint_id = checkpoint_id
        self.problem = problem
        super().__init__(
            f"Checkpoint {checkpoint_id} of thread {thread!r} cannot be put together: "
            f"{problem}. Go on from an earlier one, or delete the thread.",
        )

    def __reduce__(self) -> tuple[type[StateDamagedError], tuple[str, str, str]]:
        return type(self), (self.thread, self.checkpoint_id, self.problem)


class StateTypeError(AgentReplayError, TypeError):
    """A state holds a type that may not be made from stored data."""

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name
        super().__init__(
            f"The state holds a {module}.{name}, which may not be made from stored "
            "data. If you trust it, allow it: AgentReplaySaver(…, "
            f"allowed_msgpack_modules=[({module!r}, {name!r})]).",
        )

    def __reduce__(self) -> tuple[type[StateTypeError], tuple[str, str]]:
        return type(self), (self.module, self.name)


class ThreadWentOnError(AgentReplayError):
    """A run cannot be resumed: a later one has gone on from a thread of its."""

    def __init__(self, thread: str, run_id: str) -> None:
        self.thread = thread
        self.run_id = run_id
        super().__init__(
            f"Thread {thread!r} went on after run {run_id}, so that run cannot be "
            "resumed without undoing what came later. Go on from the thread itself, "
            "or fork the run.",
        )

    def __reduce__(self) -> tuple[type[ThreadWentOnError], tuple[str, str]]:
        return type(self), (self.thread, self.run_id)


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

    def __init__(self, run_id: str, gaps: Sequence[str]) -> None:
        self.run_id = run_id
        self.gaps = tuple(gaps)
        super().__init__(
            f"Run {run_id} is incomplete: {'; '.join(gaps)}. "
            "Pass allow_gaps=True (--allow-gaps) to replay what is there.",
        )

    def __reduce__(
        self,
    ) -> tuple[type[RunIncompleteError], tuple[str, tuple[str, ...]]]:
        return type(self), (self.run_id, self.gaps)


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
