"""A thread that takes what waits to the store, oldest first, until it is stored."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import Context
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from otel_agent_replay import intercept
from otel_agent_replay.capture.flag import Flag
from otel_agent_replay.capture.forks import AtWork, in_forked_child
from otel_agent_replay.capture.guard import LOGGER, place_of
from otel_agent_replay.capture.spool.backlog import Backlog
from otel_agent_replay.capture.spool.recovery import recover
from otel_agent_replay.errors import StoreError
from otel_agent_replay.model.content import PackedBatch, PackedSpan

__all__ = ["Drain", "PackedWriter"]

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 30.0
_CHANCE: Final = random.SystemRandom()
"""Not the module's generator: the agent may have seeded that."""
_NO_PROGRESS: Final = 5.0
"""Seconds after which a process that ends leaves the rest in its files."""
_LOOK_AGAIN: Final = 0.25
_LAST_PAUSES: Final = (0.05, 0.2, 0.8)
"""Before trying again once the process ends."""


_LAST_SECONDS: Final = 3.0
"""How long a process that ends goes on to look after others."""


class PackedWriter(Protocol):
    """What is written to; a store is one."""

    def write_packed(self, batch: PackedBatch) -> None:
        """Store a batch; the same one again changes nothing."""

    def close(self) -> None:
        """Release connections."""


class Drain:
    """Writes a backlog to a store.

    While the store cannot be written it tries again, after longer and longer pauses;
    once the process ends it gives up soon, and what is in files stays there.

    Args:
        backlog: What waits.
        connect: Opens the store.
        lost: Hears of spans that no store takes.
        dead: The spool whose dead processes it cleans up after, when it has time.
    """

    def __init__(
        self,
        backlog: Backlog,
        connect: Callable[[], PackedWriter],
        *,
        lost: Callable[[Sequence[PackedSpan], str], None],
        dead: Path | None,
    ) -> None:
        self._backlog = backlog
        self._connect = connect
        self._lost = lost
        self._dead = dead
        self.at_work = AtWork()
        self._inherited: list[PackedWriter | None] = []
        """Connections of parent processes: never used here, and never closed here."""
        self._writer: PackedWriter | None = None
        self._forget()
        in_forked_child(self._forget)

    def _forget(self) -> None:
        self._inherited.append(self._writer)
        self._writer = None
        self._thread: threading.Thread | None = None
        self._ended = Flag()
        self._troubled = False
        self._looked = False
        self._last: float | None = None

    def start(self) -> None:
        """Begin; what comes later is taken too."""
        if self._thread is not None:
            return
        self._thread = threading.Thread(
            target=self._serve, name="agent-replay-store", daemon=True
        )
        try:
            # Not in the agent's context: the thread would keep it for good.
            Context().run(self._thread.start)
        except RuntimeError:  # no thread can be had: `shutdown` does its work
            self._thread = None

    def flush(self, timeout: float) -> bool:
        """Wait until all that waits now is stored; False if time ran out."""
        if self._backlog.closing.is_set():  # whoever closes it has waited
            return not self._backlog.left()
        return self._backlog.wait(self._backlog.hurry(), timeout)

    def shutdown(self, timeout: float) -> bool:
        """Store what waits, then stop; False if something is left."""
        self.end(timeout)
        return not self._backlog.left()

    def end(self, timeout: float) -> bool:
        """Store what can be stored, then stop; False if it is still at that."""
        self._backlog.hurry()
        self._backlog.closing.set()
        self._backlog.hurry()
        if self._thread is None:
            self._serve()
        ended = self._wait_for_end(timeout)
        # Where nothing of ours is left, it looks after what others left.
        stored = not self._backlog.left()
        if ended or stored:
            self._backlog.finish()
        return ended or stored

    def _wait_for_end(self, timeout: float) -> bool:
        """Wait for the thread; no longer than it makes sense if nothing can be lost."""
        end = time.monotonic() + timeout
        left, since = self._backlog.left(), time.monotonic()
        while (now := time.monotonic()) < end:
            if self._ended.wait(min(_LOOK_AGAIN, end - now)):
                return True
            if self._backlog.left() != left:
                left, since = self._backlog.left(), time.monotonic()
            elif now - since > _NO_PROGRESS and self._backlog.is_safe():
                return False
        return self._ended.is_set()

    def _serve(self) -> None:
        try:
            with intercept.suppressed():
                while (sending := self._backlog.next()) is not None:
                    with self.at_work:
                        if not self._store(sending.batch):
                            break
                        self._backlog.done(sending.last)
                    self._look_after_the_dead()
                if self._writer is not None:
                    self._writer.close()
        finally:
            self._ended.set()

    def _store(self, batch: PackedBatch) -> bool:
        """Write a batch; False if the process ends before it could be."""
        try:
            return self._insist(batch)
        except Exception as error:  # noqa: BLE001 - a span that no store can take
            if len(batch.spans) > 1:
                return self._store_alone(batch)
            LOGGER.error("A span cannot be stored (%s)", place_of(error))
            self._lost(batch.spans, "store")
            return True

    def _store_alone(self, batch: PackedBatch) -> bool:
        """Write each span of a batch by itself, so that one takes no other with it."""
        for number, span in enumerate(batch.spans):
            alone = PackedBatch(token=f"{batch.token}-{number}", spans=(span,))
            if not self._store(alone):
                return False
        return True

    def _insist(self, batch: PackedBatch) -> bool:
        """Try until it works; False if the process ends before that.

        Raises:
            Exception: What is not the store's state, but what it was given.
        """
        for rest in self._pauses():
            try:
                if self._writer is None:
                    self._writer = self._connect()
                self._writer.write_packed(batch)
            except StoreError as error:
                if not self._troubled:
                    self._troubled = True
                    LOGGER.warning(
                        "The store cannot be written, trying again: %s", error
                    )
                self.at_work.rest(rest)
            else:
                self._troubled = False
                return True
        return False

    def _pauses(self) -> Iterator[Callable[[], object]]:
        closing = self._backlog.closing
        pause = _FIRST_PAUSE
        while not closing.is_set():
            # Jitter, so that many processes do not come back at the same moment.
            yield partial(closing.wait, pause * _CHANCE.uniform(0.5, 1.0))
            pause = min(pause * 2, _LONGEST_PAUSE)
        for seconds in _LAST_PAUSES:
            yield partial(time.sleep, seconds)

    def _must_end(self) -> bool:
        """Whether the process has waited for long enough for what is not its own."""
        if not self._backlog.closing.is_set():
            return False
        if self._last is None:
            self._last = time.monotonic() + _LAST_SECONDS
        return time.monotonic() > self._last

    def _look_after_the_dead(self) -> None:
        """Take over, once, what processes before this one left."""
        if self._looked or self._dead is None or self._backlog.left():
            return
        self._looked = True
        writer = self._writer
        if writer is None:
            return
        try:
            with self.at_work:
                recover(self._dead, writer.write_packed, stop=self._must_end)
        except Exception as error:  # noqa: BLE001 - our own spans must go on
            LOGGER.warning(
                "What is left in the spool cannot be stored (%s)", place_of(error)
            )
