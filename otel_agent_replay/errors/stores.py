"""What goes wrong with what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_agent_replay.errors.base import AgentReplayError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "AmbiguousRunError",
    "RunNotFoundError",
    "StateDamagedError",
    "StateTypeError",
    "StoreAccessError",
    "StoreError",
    "StoreSchemaError",
    "StoreUnavailableError",
    "ThreadWentOnError",
]


class StoreError(AgentReplayError):
    """Base of what can go wrong with a store."""


class StoreUnavailableError(StoreError):
    """The store cannot be reached or opened."""

    def __init__(self, url: str, problem: str) -> None:
        self.url = url
        self.problem = problem
        check = (
            "the path, and that this user may write to the file and its folder"
            if url.startswith("sqlite:")
            else "the address and that the server runs, then try again"
        )
        super().__init__(f"Store {url} cannot be reached: {problem}. Check {check}.")

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


class StateDamagedError(AgentReplayError):
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
