"""The states of threads as the code of a session must find them.

A session runs an agent from its start, so the agent must find its threads as they
were when the recorded run began. A replay or fork works on such a copy, which goes
when the session ends. A resume takes back what the run has written, and writes it
again, up to where it stopped and on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from otel_agent_replay._setup import sessions
from otel_agent_replay._setup.specs import SessionSpec
from otel_agent_replay.errors import ThreadWentOnError
from otel_agent_replay.store.sqlite import SqliteStore
from otel_agent_replay.store.states import (
    Place,
    SavedCheckpoint,
    SavedContent,
    SavedList,
    SavedValue,
    SavedWrite,
    StateBatch,
    StateFilter,
    States,
    ValueKey,
)

__all__ = ["states_in_force"]

_ALL = StateFilter()
_copies: dict[str, SqliteStore] = {}
_seen: set[tuple[str, str]] = set()


def states_in_force(stored: States) -> States:
    """Return the states that the calling code reads and writes."""
    spec = sessions.current_spec()
    if spec is None:
        return stored
    if spec.mode == "resume":
        return _Prepared(stored, lambda thread: _take_back(stored, thread, spec))
    copy = _copy_in(spec)
    return _Prepared(copy, lambda thread: _fill(copy, stored, thread, spec))


class _Prepared(States):
    """States of which each thread is made ready before it is used first."""

    def __init__(self, states: States, prepare: Callable[[str], None]) -> None:
        self._states = states
        self._prepare = prepare

    @property
    def url(self) -> str:
        return self._states.url

    def add(self, batch: StateBatch) -> bool:
        self._prepare(batch.thread)
        return self._states.add(batch)

    def checkpoints(self, where: StateFilter) -> list[SavedCheckpoint]:
        if where.thread is not None:
            self._prepare(where.thread)
        return self._states.checkpoints(where)

    def values(self, thread: str, wanted: Collection[ValueKey]) -> list[SavedValue]:
        self._prepare(thread)
        return self._states.values(thread, wanted)

    def writes(self, thread: str, places: Collection[Place]) -> list[SavedWrite]:
        self._prepare(thread)
        return self._states.writes(thread, places)

    def lists(self, thread: str, roots: Collection[bytes]) -> list[SavedList]:
        self._prepare(thread)
        return self._states.lists(thread, roots)

    def contents(self, thread: str, keys: Collection[bytes]) -> list[SavedContent]:
        self._prepare(thread)
        return self._states.contents(thread, keys)

    def whole(self, thread: str) -> StateBatch:
        self._prepare(thread)
        return self._states.whole(thread)

    def delete_thread(self, thread: str) -> None:
        self._prepare(thread)
        self._states.delete_thread(thread)

    def delete(self, thread: str, places: Collection[Place]) -> None:
        self._prepare(thread)
        self._states.delete(thread, places)

    def delete_framework_runs(self, run_ids: Collection[str]) -> None:
        self._states.delete_framework_runs(run_ids)

    def erase(self, run_id: str, *, thread: str | None = None) -> int:
        return self._states.erase(run_id, thread=thread)

    def count(self) -> int:
        return self._states.count()


def _copy_in(spec: SessionSpec) -> States:
    """Return the states in the folder of a session, which goes when it ends."""
    if spec.directory not in _copies:
        while _copies:
            _copies.popitem()[1].close()
        _copies[spec.directory] = SqliteStore(Path(spec.directory) / "threads.db")
    return _copies[spec.directory].states()


def _fill(copy: States, stored: States, thread: str, spec: SessionSpec) -> None:
    """Give a copy what a thread held when the recorded run began."""
    if (spec.directory, thread) in _seen:
        return
    batch = _before(stored.whole(thread), spec.run_id)
    if batch.checkpoints or batch.writes:
        copy.add(batch)
    _seen.add((spec.directory, thread))


def _before(batch: StateBatch, run_id: str) -> StateBatch:
    """Return a thread as it was before a run wrote to it."""
    own = [c.checkpoint_id for c in batch.checkpoints if c.recorded_by == run_id]
    kept = [c for c in batch.checkpoints if not own or c.checkpoint_id < min(own)]
    places = {each.place for each in kept}
    writes = [
        write
        for write in batch.writes
        if write.recorded_by != run_id
        and (write.namespace, write.checkpoint_id) in places
    ]
    return replace(batch, checkpoints=kept, writes=writes)


def _take_back(stored: States, thread: str, spec: SessionSpec) -> None:
    """Undo what a run has written to a thread, once a session.

    Raises:
        ThreadWentOnError: Another run has gone on from it.
    """
    if (spec.directory, thread) in _seen:
        return
    if _is_first(spec, thread):
        there = stored.checkpoints(replace(_ALL, thread=thread))
        own = [c.checkpoint_id for c in there if c.recorded_by == spec.run_id]
        later = [c for c in there if own and c.checkpoint_id > max(own)]
        if later:
            raise ThreadWentOnError(thread, spec.run_id)
        stored.erase(spec.run_id, thread=thread)
    _seen.add((spec.directory, thread))


def _is_first(spec: SessionSpec, thread: str) -> bool:
    """Tell whether no process of the session has used the thread before."""
    name = f"thread-{sha256(thread.encode()).hexdigest()}"
    with suppress(FileExistsError):
        os.close(os.open(Path(spec.directory) / name, os.O_CREAT | os.O_EXCL, 0o600))
        return True
    return False
