"""What is new in a thread, cut so that nothing is stored twice."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby, takewhile
from operator import eq
from typing import Final

from langgraph.checkpoint.serde.base import SerializerProtocol

from otel_agent_replay.langgraph.serializing import content_of, fingerprint, key_of
from otel_agent_replay.store.states import (
    Entry,
    SavedContent,
    SavedList,
    SavedValue,
    packed_entries,
)

__all__ = ["Draft", "KnownList", "KnownThread", "Memory"]

_MOST_THREADS: Final = 128
_MOST_CONTENTS: Final = 100_000
_SMALL: Final = 64
"""Characters below which a text is stored with its neighbours."""
_SLACK: Final = 64
_SCALARS: Final = (int, float, bool, type(None))


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownList:
    """A list that is stored, as this process knows it.

    Attributes:
        fingerprints: Of each element.
        key, root: Its key, and that of the first list of its family.
        cost: How many elements have to be read to have it.
    """

    fingerprints: Sequence[bytes]
    key: bytes
    root: bytes
    cost: int


@dataclass(slots=True, kw_only=True)
class KnownThread:
    """What this process knows to be stored of a thread.

    Attributes:
        contents: Keys of contents by the fingerprints of their values.
        lists: The last list of each namespace and channel.
        lock: Held while something is added to the thread here.
    """

    contents: dict[bytes, bytes] = field(default_factory=dict)
    lists: dict[tuple[str, str], KnownList] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def forget(self) -> None:
        """Take nothing for stored any more."""
        self.contents.clear()
        self.lists.clear()


class Memory:
    """What this process knows of the threads it used last."""

    def __init__(self) -> None:
        self._threads: OrderedDict[str, KnownThread] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, thread: str) -> KnownThread:
        """Return what is known of a thread."""
        with self._lock:
            known = self._threads.setdefault(thread, KnownThread())
            self._threads.move_to_end(thread)
            while len(self._threads) > _MOST_THREADS:
                self._threads.popitem(last=False)
            return known


class Draft:
    """Rows to be added to a thread, and what they build on."""

    def __init__(self, known: KnownThread, serde: SerializerProtocol) -> None:
        self.contents: dict[bytes, SavedContent] = {}
        self.lists: list[SavedList] = []
        self.values: list[SavedValue] = []
        self.builds_on: set[bytes] = set()
        self._known = known
        self._serde = serde
        self._stored: dict[bytes, bytes] = {}
        self._lists: dict[tuple[str, str], KnownList] = {}

    def value(self, place: tuple[str, str], version: str, value: object) -> None:
        """Add what the channel of a namespace holds at a version."""
        root = b""
        if type(value) is list:
            made = self._list(place, value)
            key, root = made.key, made.root
            self._lists[place] = made
        else:
            key = self._content(value)
        namespace, channel = place
        self.values.append(
            SavedValue(
                namespace=namespace,
                channel=channel,
                version=version,
                key=key,
                root=root,
            )
        )

    def entries(self, value: object) -> tuple[bool, tuple[Entry, ...]]:
        """Add a value; return whether it is a list, and its entries."""
        if type(value) is list:
            return True, self._entries(value)
        return False, ((self._content(value), 0),)

    def keep(self) -> None:
        """Note that all of it is stored."""
        known = self._known
        if len(known.contents) > _MOST_CONTENTS:
            known.forget()
        known.contents.update(self._stored)
        known.lists.update(self._lists)

    def _list(self, place: tuple[str, str], value: list[object]) -> KnownList:
        marks = [self._mark(each) for each in value]
        before = self._known.lists.get(place)
        shared = _shared(before.fingerprints, marks) if before else 0
        if before and shared == len(marks) == len(before.fingerprints):
            self.builds_on.add(before.key)
            return before
        cost = before.cost + len(value) - shared if before else 0
        if before and shared and cost <= 2 * len(value) + _SLACK:
            self.builds_on.add(before.key)
            return self._added(before, shared, value, marks)
        return self._added(None, 0, value, marks)

    def _added(
        self,
        before: KnownList | None,
        shared: int,
        value: list[object],
        marks: list[bytes],
    ) -> KnownList:
        """Add a list that shares its first elements with another one."""
        entries = self._entries(value[shared:])
        earlier = before.key if before else b""
        key = key_of(earlier, shared.to_bytes(8), packed_entries(entries))
        root = before.root if before else key
        self.lists.append(
            SavedList(root=root, key=key, before=earlier, keep=shared, entries=entries)
        )
        cost = len(value) - shared + (before.cost if before else 0)
        return KnownList(fingerprints=marks, key=key, root=root, cost=cost)

    def _entries(self, elements: list[object]) -> tuple[Entry, ...]:
        """Add elements of a list: small ones together, each of the others alone."""
        found: list[Entry] = []
        for small, group in groupby(elements, _is_small):
            if small:
                several = [*group]
                found.append((self._content(several), len(several)))
            else:
                found += [(self._content(each), 0) for each in group]
        return tuple(found)

    def _mark(self, value: object) -> bytes:
        """Return the fingerprint of an element; where there is none, its content's key."""
        mark = fingerprint(value)
        if mark is None:
            mark = content_of(self._serde, value, plain=True).key
        return mark

    def _content(self, value: object) -> bytes:
        mark = fingerprint(value)
        stored = None if mark is None else self._known_content(mark)
        if stored is not None:
            return stored
        content = content_of(self._serde, value, plain=mark is not None)
        mark = mark or content.key
        stored = self._known_content(mark)
        if stored is not None:
            return stored
        self.contents[content.key] = content
        self._stored[mark] = content.key
        return content.key

    def _known_content(self, mark: bytes) -> bytes | None:
        """Return the key of a content that is stored, or will be with this draft."""
        if mark in self._stored:
            return self._stored[mark]
        key = self._known.contents.get(mark)
        if key is not None:
            self.builds_on.add(key)
        return key


def _shared(before: Sequence[bytes], now: Sequence[bytes]) -> int:
    return sum(1 for _ in takewhile(bool, map(eq, before, now)))


def _is_small(value: object) -> bool:
    return isinstance(value, _SCALARS) or (
        isinstance(value, str) and len(value) < _SMALL
    )
