"""The contract for the states of threads: what an agent's framework goes on from.

A *thread* is a conversation with an agent; its *checkpoints* form a tree, in
namespaces of their own for agents inside agents. A checkpoint says which version of
each channel it holds. What a channel holds at a version is one content, or a list
that is told by what it adds to an earlier list, so that a history that grows costs
what is new in it. Contents are bytes that a serializer made; no back end reads them.

Keys of contents and lists are hashes of what they stand for. Everything belongs to
one thread, so deleting a thread deletes all of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, runtime_checkable

__all__ = [
    "KEY_BYTES",
    "Entry",
    "HoldsStates",
    "Live",
    "Place",
    "SavedCheckpoint",
    "SavedContent",
    "SavedList",
    "SavedValue",
    "SavedWrite",
    "StateBatch",
    "StateFilter",
    "States",
    "ValueKey",
    "entries_of",
    "live",
    "packed_entries",
]

KEY_BYTES: Final = 16
"""The length of every key."""

Place: TypeAlias = tuple[str, str]
"""Namespace and id of a checkpoint."""

ValueKey: TypeAlias = tuple[str, str, str]
"""Namespace, channel and version of a value."""

Entry: TypeAlias = tuple[bytes, int]
"""A content, and how many elements of a list it holds; 0 says that it is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedContent:
    """A serialised value: its key, what the serializer calls its form, its bytes."""

    key: bytes
    form: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedList:
    """A list: the first `keep` elements of the list `before`, then `entries`.

    `root` is the key of the first list of its family, its own if it is that one;
    `before` is then empty.
    """

    root: bytes
    key: bytes
    before: bytes
    keep: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedValue:
    """What a channel holds at a version: a list if it has a root, else a content."""

    namespace: str
    channel: str
    version: str
    key: bytes
    root: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedWrite:
    """What a task wrote to a channel, to be part of the next checkpoint.

    Attributes:
        namespace, checkpoint_id: The checkpoint that the task started from.
        task_id, position: Which write it is. One at a negative position takes the
            place of an earlier one; at any other, the earlier one stays.
        channel, path: The channel, and the path of the task in its graph.
        is_list: Whether the value is the list of all that `entries` hold, or one.
        entries: The value.
        recorded_by: The recorded run that wrote it; empty if none did.
    """

    namespace: str
    checkpoint_id: str
    task_id: str
    position: int
    channel: str
    path: str
    is_list: bool
    entries: tuple[Entry, ...]
    recorded_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedCheckpoint:
    """A checkpoint without the values of its channels.

    Attributes:
        thread, namespace, checkpoint_id: Which one it is. Ids sort by age.
        parent_id: The checkpoint it follows; empty if it is the first.
        framework_run: What the framework calls the run that made it.
        recorded_by: The recorded run that made it; empty if none did.
        versions: The version of each channel, as a JSON object.
        form, body: The rest, serialised.
    """

    thread: str
    namespace: str
    checkpoint_id: str
    parent_id: str
    framework_run: str
    recorded_by: str
    versions: str
    form: str
    body: bytes

    @property
    def place(self) -> Place:
        """Where it stands in its thread."""
        return self.namespace, self.checkpoint_id


@dataclass(frozen=True, slots=True, kw_only=True)
class StateBatch:
    """What is stored at once.

    Attributes:
        thread: The thread that all of it belongs to.
        checkpoints, values, writes, lists, contents: New rows.
        builds_on: Keys of lists and contents that these name and do not bring along.
    """

    thread: str
    checkpoints: Sequence[SavedCheckpoint] = ()
    values: Sequence[SavedValue] = ()
    writes: Sequence[SavedWrite] = ()
    lists: Sequence[SavedList] = ()
    contents: Sequence[SavedContent] = ()
    builds_on: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFilter:
    """Which checkpoints are wanted; None is any.

    Attributes:
        thread, namespace, checkpoint_id: Those of one thread, namespace, id.
        before: Only ids that sort before this one.
        recorded_by: Those that this recorded run made.
        after: Only what the order puts after this checkpoint: the next page.
        limit: At most so many.
    """

    thread: str | None = None
    namespace: str | None = None
    checkpoint_id: str | None = None
    before: str | None = None
    recorded_by: str | None = None
    after: SavedCheckpoint | None = None
    limit: int | None = None


class States(Protocol):
    """The states of threads. Every method may be called from several threads at once.

    Any method may raise `StoreUnavailableError` or `StoreAccessError`.
    """

    @property
    def url(self) -> str:
        """Where the store is; a password is shown as `***`."""

    def add(self, batch: StateBatch) -> bool:
        """Store a batch; when it returns, every reader sees all of it.

        Storing it again changes nothing. A checkpoint or value that comes again
        takes the place of the earlier one; of writes see `SavedWrite`.

        Returns:
            False if something that it builds on is gone; nothing is stored then.
        """

    def checkpoints(self, where: StateFilter) -> list[SavedCheckpoint]:
        """Return the checkpoints that fit: latest id first, then thread, namespace."""

    def values(self, thread: str, wanted: Collection[ValueKey]) -> list[SavedValue]:
        """Return those of these values that there are."""

    def writes(self, thread: str, places: Collection[Place]) -> list[SavedWrite]:
        """Return the writes at these checkpoints, by path, task id and position."""

    def lists(self, thread: str, roots: Collection[bytes]) -> list[SavedList]:
        """Return all lists of these families."""

    def contents(self, thread: str, keys: Collection[bytes]) -> list[SavedContent]:
        """Return those of these contents that there are."""

    def whole(self, thread: str) -> StateBatch:
        """Return all that is stored of a thread."""

    def delete_thread(self, thread: str) -> None:
        """Delete all of a thread; one that is not there is none."""

    def delete(self, thread: str, places: Collection[Place]) -> None:
        """Delete checkpoints with their writes, and what only they needed."""

    def delete_framework_runs(self, run_ids: Collection[str]) -> None:
        """Delete the checkpoints that the framework made in these runs, as `delete`."""

    def erase(self, run_id: str, *, thread: str | None = None) -> int:
        """Delete the checkpoints and writes of a recorded run, as `delete` does.

        Args:
            run_id: The run.
            thread: Only in this thread; by default in all.

        Returns:
            How many checkpoints there were.
        """

    def count(self) -> int:
        """Return how many checkpoints there are."""


@runtime_checkable
class HoldsStates(Protocol):
    """A store that keeps states of threads beside its runs."""

    def states(self) -> States:
        """Return the states in this store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What the checkpoints of a thread need."""

    values: frozenset[ValueKey]
    keys: frozenset[bytes]


_NO_ROOT: Final = b""
_COUNT_BYTES: Final = 4
_ENTRY_BYTES: Final = KEY_BYTES + _COUNT_BYTES


def packed_entries(entries: Iterable[Entry]) -> bytes:
    """Return entries as bytes."""
    return b"".join(key + count.to_bytes(_COUNT_BYTES) for key, count in entries)


def entries_of(packed: bytes) -> tuple[Entry, ...]:
    """Return the entries that bytes hold."""
    ends = range(_ENTRY_BYTES, len(packed) + 1, _ENTRY_BYTES)
    return tuple(
        (
            packed[end - _ENTRY_BYTES : end - _COUNT_BYTES],
            int.from_bytes(packed[end - _COUNT_BYTES : end]),
        )
        for end in ends
    )


def live(
    versions: Iterable[tuple[str, Mapping[str, object]]],
    values: Iterable[SavedValue],
    writes: Iterable[SavedWrite],
    lists: Iterable[SavedList],
) -> Live:
    """Return what is still needed of a thread: all else may go.

    Args:
        versions: The namespace of each checkpoint, and its version of each channel.
        values: The thread's values.
        writes: The writes that stay.
        lists: The thread's lists.
    """
    wanted = {
        (namespace, channel, str(version))
        for namespace, channels in versions
        for channel, version in channels.items()
    }
    kept = [v for v in values if (v.namespace, v.channel, v.version) in wanted]
    keys = {each.key for each in kept}
    keys.update(key for write in writes for key, _ in write.entries)
    by_key = {each.key: each for each in lists}
    for value in kept:
        found = by_key.get(value.key) if value.root != _NO_ROOT else None
        while found is not None:
            keys.update(key for key, _ in found.entries)
            if found.before in keys:
                break
            keys.add(found.before)
            found = by_key.get(found.before)
    return Live(
        values=frozenset((v.namespace, v.channel, v.version) for v in kept),
        keys=frozenset(keys),
    )
