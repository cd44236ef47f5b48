"""What a forked child does with what its parent held, and when a fork may happen."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Final

__all__ = ["AtWork", "in_forked_child"]

_PATIENCE: Final = 2.0

_methods: list[weakref.WeakMethod[Callable[[], None]]] = []
_workers: weakref.WeakSet[AtWork] = weakref.WeakSet()
_held: list[AtWork] = []
_hooked = False


class AtWork:
    """A lock that a thread of ours holds while it must not be cut off by a fork.

    A child has none of its parent's threads, but whatever they were in the middle
    of: half imported modules, locks inside SQLite. So a fork waits a little until
    nothing of ours is.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        _hook()
        _workers.add(self)

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *failure: object) -> None:
        self.lock.release()

    def rest(self, wait: Callable[[], object]) -> None:
        """Wait, inside it, with the lock given up."""
        self.lock.release()
        try:
            wait()
        finally:
            self.lock.acquire()


def in_forked_child(method: Callable[[], None]) -> None:
    """Call a bound method in every forked child, in order, while its object lives.

    Locks of the parent may be held by threads that the child does not have, so a
    child makes new ones.
    """
    _hook()
    _methods.append(weakref.WeakMethod(method, _methods.remove))


def _hook() -> None:
    global _hooked  # noqa: PLW0603 - one hook for the process: they cannot be removed
    if not _hooked:
        _hooked = True
        os.register_at_fork(
            before=_wait_for_workers,
            after_in_parent=_release,
            after_in_child=_begin_anew,
        )


def _wait_for_workers() -> None:
    end = time.monotonic() + _PATIENCE
    _held.extend(
        each
        for each in tuple(_workers)
        if each.lock.acquire(timeout=max(0.0, end - time.monotonic()))
    )


def _release() -> None:
    while _held:
        _held.pop().lock.release()


def _begin_anew() -> None:
    _held.clear()
    for each in tuple(_workers):
        each.lock = threading.RLock()
    for reference in tuple(_methods):
        method = reference()
        if method is not None:
            method()
