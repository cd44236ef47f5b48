"""Checkpoints put together from what is stored of a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import orjson
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from otel_agent_replay.errors import StateDamagedError
from otel_agent_replay.langgraph.drafts import KnownList, KnownThread
from otel_agent_replay.langgraph.serializing import fingerprint, value_of
from otel_agent_replay.store.states import (
    Entry,
    Place,
    SavedCheckpoint,
    SavedContent,
    SavedList,
    SavedValue,
    SavedWrite,
    States,
    ValueKey,
)

__all__ = ["Head", "config_of", "head_of", "tuples_of"]

_EPOCH: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A checkpoint without the values of its channels, read."""

    saved: SavedCheckpoint
    versions: ChannelVersions
    rest: dict[str, Any]
    metadata: CheckpointMetadata

    @property
    def wanted(self) -> list[ValueKey]:
        """The values that it holds, and perhaps some that there are none of."""
        namespace = self.saved.namespace
        return [(namespace, name, str(at)) for name, at in self.versions.items()]

    @property
    def made_ns(self) -> int:
        """When LangGraph made it, in Unix nanoseconds; 0 if that is not known."""
        try:
            made = datetime.fromisoformat(str(self.rest.get("ts")))
        except ValueError:
            return 0
        return (made - _EPOCH) // timedelta(microseconds=1) * 1000


def head_of(serde: SerializerProtocol, saved: SavedCheckpoint) -> Head:
    """Return a checkpoint read, but for the values of its channels."""
    body = SavedContent(key=b"", form=saved.form, body=saved.body)
    rest, metadata = cast(
        "tuple[dict[str, Any], CheckpointMetadata]", value_of(serde, body)
    )
    return Head(
        saved=saved,
        versions=orjson.loads(saved.versions),
        rest=rest,
        metadata=metadata,
    )


def config_of(thread: str, namespace: str, checkpoint_id: str) -> RunnableConfig:
    """Return the configuration that names a checkpoint."""
    return {
        "configurable": {
            "thread_id": thread,
            "checkpoint_ns": namespace,
            "checkpoint_id": checkpoint_id,
        }
    }


def tuples_of(
    states: States,
    serde: SerializerProtocol,
    heads: Sequence[Head],
    known: KnownThread | None = None,
) -> list[CheckpointTuple]:
    """Return checkpoints of one thread whole, in their order.

    Args:
        states: Where they are stored.
        serde: What made their bytes.
        heads: The checkpoints.
        known: Learns what the lists in them are.

    Raises:
        StateDamagedError: A part is missing.
        StateTypeError: A value is of a type that may not be read back.
    """
    if not heads:
        return []
    thread = heads[0].saved.thread
    parts = _Parts(states, thread, heads)
    return [_tuple(serde, head, parts, known) for head in heads]


class _Parts:
    """What checkpoints of a thread are made of."""

    def __init__(self, states: States, thread: str, heads: Sequence[Head]) -> None:
        wanted = {key for head in heads for key in head.wanted}
        values = states.values(thread, wanted)
        self._values = {(v.namespace, v.channel, v.version): v for v in values}
        roots = {value.root for value in values if value.root}
        self._lists = {each.key: each for each in states.lists(thread, roots)}
        places = [(h.saved.namespace, h.saved.checkpoint_id) for h in heads]
        self._writes: dict[Place, list[SavedWrite]] = {}
        for write in states.writes(thread, places):
            place = (write.namespace, write.checkpoint_id)
            self._writes.setdefault(place, []).append(write)
        keys = {value.key for value in values if not value.root}
        keys |= {key for each in self._lists.values() for key, _ in each.entries}
        keys |= {
            key for ws in self._writes.values() for w in ws for key, _ in w.entries
        }
        self.contents: Mapping[bytes, SavedContent] = {
            content.key: content for content in states.contents(thread, keys)
        }

    def value(self, key: ValueKey) -> SavedValue | None:
        """Return what a channel holds; None if it holds nothing."""
        return self._values.get(key)

    def writes(self, place: Place) -> Sequence[SavedWrite]:
        """Return the writes at a checkpoint, in their order."""
        return self._writes.get(place, ())

    def path(self, key: bytes) -> list[SavedList]:
        """Return a list and those it builds on, the first one first.

        Raises:
            KeyError: One is missing.
        """
        found: list[SavedList] = []
        while key:
            found.append(self._lists[key])
            key = found[-1].before
            if len(found) > len(self._lists):
                raise KeyError(key)
        return found[::-1]


def _tuple(
    serde: SerializerProtocol, head: Head, parts: _Parts, known: KnownThread | None
) -> CheckpointTuple:
    saved = head.saved
    try:
        values = _values(serde, head, parts, known)
        writes = [
            (write.task_id, write.channel, _written(serde, parts, write))
            for write in parts.writes((saved.namespace, saved.checkpoint_id))
        ]
    except KeyError as error:
        raise StateDamagedError(
            saved.thread, saved.checkpoint_id, f"part {error} is missing"
        ) from error
    parent = saved.parent_id
    checkpoint = {
        **head.rest,
        "channel_versions": head.versions,
        "channel_values": values,
    }
    return CheckpointTuple(
        config=config_of(saved.thread, saved.namespace, saved.checkpoint_id),
        checkpoint=cast("Checkpoint", checkpoint),
        metadata=head.metadata,
        parent_config=(
            config_of(saved.thread, saved.namespace, parent) if parent else None
        ),
        pending_writes=writes,
    )


def _values(
    serde: SerializerProtocol, head: Head, parts: _Parts, known: KnownThread | None
) -> dict[str, object]:
    found: dict[str, object] = {}
    for key in head.wanted:
        value = parts.value(key)
        if value is None:
            continue
        namespace, channel, _ = key
        if not value.root:
            found[channel] = value_of(serde, parts.contents[value.key])
            continue
        slots, cost = _slots_of(parts.path(value.key))
        elements = found[channel] = _elements(serde, parts, slots)
        if known is not None:
            known.lists[namespace, channel] = KnownList(
                fingerprints=[
                    fingerprint(element) or key
                    for element, (key, _) in zip(elements, slots, strict=True)
                ],
                key=value.key,
                root=value.root,
                cost=cost,
            )
    return found


def _slots_of(path: Sequence[SavedList]) -> tuple[list[Entry], int]:
    """Return where each element of a list stands, and how many had to be read."""
    slots: list[Entry] = []
    cost = 0
    for each in path:
        del slots[each.keep :]
        added = _slots(each.entries)
        slots += added
        cost += len(added)
    return slots, cost


def _written(serde: SerializerProtocol, parts: _Parts, write: SavedWrite) -> object:
    if write.is_list:
        return _elements(serde, parts, _slots(write.entries))
    (key, _), *_ = write.entries
    return value_of(serde, parts.contents[key])


def _slots(entries: Sequence[Entry]) -> list[Entry]:
    """Return where each element stands: its content, and its place there from 1 on."""
    return [
        (key, place)
        for key, count in entries
        for place in (range(1, count + 1) if count else (0,))
    ]


def _elements(
    serde: SerializerProtocol, parts: _Parts, slots: Sequence[Entry]
) -> list[object]:
    several: dict[bytes, list[object]] = {}
    found: list[object] = []
    for key, place in slots:
        if not place:
            found.append(value_of(serde, parts.contents[key]))
            continue
        if key not in several:
            made = value_of(serde, parts.contents[key])
            several[key] = cast("list[object]", made)
        found.append(several[key][place - 1])
    return found
