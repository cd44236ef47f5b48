"""A thread that takes items from a queue which is bounded by bytes."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from otel_agent_replay import intercept
from otel_agent_replay.capture.flag import Flag
from otel_agent_replay.capture.forks import AtWork, in_forked_child
from otel_agent_replay.capture.guard import LOGGER, place_of

__all__ = ["Worker"]

_T = TypeVar("_T")
_BATCH: Final = 512
_LINGER: Final = 0.01
"""Seconds in which more may come: each awakening takes the interpreter's lock."""


class _Mark:
    """A place in the queue: `reached` is set once all before it is done."""

    def __init__(self, *, last: bool = False) -> None:
        self.reached = Flag()
        self.last = last


class Worker(Generic[_T]):
    """Gives items in order, in batches, to a function on a thread of its own.

    `put` never raises, blocks only where it is told to, and may be called from
    finalizers. The thread starts with the first item, also in a forked child, which starts with an
    empty queue.

    Args:
        name: The thread's name.
        work: Takes a batch. What it raises is logged, and the batch is gone.
        limit: How many bytes may wait, those of the batch in work included.
        ended: Called on the thread when the last item is done.
        lost: Hears of a batch that is gone.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[_T]], None],
        *,
        limit: int,
        ended: Callable[[], None],
        lost: Callable[[Sequence[_T]], None] = lambda _: None,
    ) -> None:
        self._name = name
        self._work = work
        self._limit = limit
        self._ended = ended
        self._lost = lost
        self.at_work = AtWork()
        self._reset()
        in_forked_child(self._reset)

    def _reset(self) -> None:
        # Its `put` is one C call, safe even where a finalizer interrupts another.
        self._queue: queue.SimpleQueue[tuple[_T, int] | _Mark] = queue.SimpleQueue()
        self._lock = threading.RLock()
        self._room = threading.Condition(self._lock)
        self._hurried = Flag()
        self._bytes = 0
        self._thread: threading.Thread | None = None
        self._threadless = False
        self._ends: list[_Mark] = []
        """Where the queue ends: the first counts. A handler may add one in between."""
        self.closing = Flag()
        """Set once no more is taken and what waits should be done with soon."""

    def put(self, item: _T, size: int, *, spare: int = 0, wait: float = 0.0) -> bool:
        """Take an item; False if it is over the limit by more than `spare`, or late.

        Where there is no room it waits, for up to `wait` seconds.
        """
        with self._lock:
            if not self._fits(size, spare) and wait and self._may_wait():
                self._room.wait_for(lambda: self._fits(size, spare), wait)
            if self._ends or not self._fits(size, spare):
                return False
            self._bytes += size
            self._queue.put((item, size))
            if self._thread is None:
                self._start()
            return True

    @property
    def bytes(self) -> int:
        """How many bytes wait, those of the batch in work included."""
        return self._bytes

    def _fits(self, size: int, spare: int) -> bool:
        return self._bytes + size <= self._limit + spare

    def _may_wait(self) -> bool:
        """Whether somebody else makes room; a finalizer may run on our own thread."""
        return self._thread not in {None, threading.current_thread()}

    def flush(self, timeout: float) -> bool:
        """Wait until all items taken so far are done; False if time ran out."""
        with self._lock:
            if self._ends:
                mark = self._ends[0]
            else:
                mark = _Mark()
                self._queue.put(mark)
        self._hurried.set()
        return self._wait(mark, timeout)

    def shutdown(self, timeout: float) -> bool:
        """Take no more and wait until all is done; False if time ran out."""
        with self._lock:
            if not self._ends:
                own = _Mark(last=True)
                self._ends.append(own)
                if self._ends[0] is own:
                    self._queue.put(own)
            mark = self._ends[0]
        self.closing.set()
        self._hurried.set()
        return self._wait(mark, timeout)

    def _wait(self, mark: _Mark, timeout: float) -> bool:
        if self._thread is threading.current_thread():
            return False
        if self._thread is not None:
            return mark.reached.wait(timeout)
        if self._threadless:
            with self._lock:
                if not mark.reached.is_set():
                    self._serve(mark)
        # A signal handler may come in the middle of the first `put`.
        return self._threadless or not self._bytes

    def _start(self) -> None:
        thread = threading.Thread(
            target=self._serve,
            args=(None,),
            name=self._name,
            daemon=True,
        )
        if self._thread is not None:  # a finalizer, run meanwhile, was first
            return
        self._thread = thread
        try:
            # Not in the agent's context: the thread would keep it for good.
            contextvars.Context().run(thread.start)
            self._threadless = False
        except RuntimeError:  # no thread can be had, now or never again
            self._thread = None
            self._threadless = True

    def _serve(self, until: _Mark | None) -> None:
        with intercept.suppressed():
            while True:
                batch, mark = self._next()
                if batch:
                    self._do(batch)
                if mark is None:
                    continue
                if mark.last:
                    with self.at_work:
                        self._ended()
                mark.reached.set()
                if mark.last or mark is until:
                    return

    def _next(self) -> tuple[list[tuple[_T, int]], _Mark | None]:
        """Wait for something; return it, with what has come since, up to a mark."""
        batch: list[tuple[_T, int]] = []
        found = self._queue.get()
        if not isinstance(found, _Mark):
            self._hurried.wait(_LINGER)
        try:
            while True:
                if isinstance(found, _Mark):
                    self._hurried.clear()
                    return batch, found
                batch.append(found)
                if len(batch) >= _BATCH:
                    return batch, None
                found = self._queue.get_nowait()
        except queue.Empty:
            return batch, None

    def _do(self, batch: list[tuple[_T, int]]) -> None:
        try:
            with self.at_work:
                self._work([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - what comes next must go on
            LOGGER.error("%s: a batch is lost (%s)", self._name, place_of(error))
            self._lost([item for item, _ in batch])
        with self._lock:
            self._bytes -= sum(size for _, size in batch)
            self._room.notify_all()
