"""SIGTERM: what is written before it ends the process."""

from __future__ import annotations

import logging
import multiprocessing.process
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final, TypeAlias

from otel_agent_replay._setup.waking import hear_again, heard, wake_main_thread

__all__ = ["at_sigterm", "undisturbed", "wake_worker"]

_LOGGER = logging.getLogger("otel_agent_replay")
_handlers: Final[list[object]] = []
"""Those that we have set for SIGTERM."""
_WAITS: Final = 0.05
"""Seconds that a signal handler waits at first; twice as long each time."""
_GOES_ON: Final = 0.002
"""Seconds in which what it interrupts goes on in between."""
_Write: TypeAlias = Callable[[float], bool]
_OURS: Final = frozenset({"otel_agent_replay", "opentelemetry"})


class _Undisturbed:
    """Whether the main thread is at what SIGTERM must not cut short."""

    depth = 0
    late = False
    """Whether the signal came meanwhile."""


@contextmanager
def undisturbed() -> Generator[None]:
    """Put SIGTERM off until what is done inside is done."""
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers interrupt the main thread only
        return
    _Undisturbed.depth += 1
    try:
        yield
    finally:
        _Undisturbed.depth -= 1
        if _Undisturbed.late and not _Undisturbed.depth:
            _Undisturbed.late = False
            os.kill(os.getpid(), signal.SIGTERM)


def at_sigterm(flush: _Write, end: _Write, patience: float) -> None:
    """Have all written when SIGTERM comes; then what would have been done is done.

    Nothing happens where the signal is ignored, or outside the main thread, the only
    one that Python lets set a handler; nor where ours is set still. Who sets one later
    takes ours away. A signal that comes while the handler waits is passed on at once.

    Args:
        flush: Writes what there is; takes for how many seconds it may wait, and returns
            False if that was not enough.
        end: Takes no more and writes everything, if the process ends by the signal, as
            nobody handles it. Told to wait for 0 seconds, it is the last time.
        patience: For how many seconds they are called again.
    """
    before = signal.getsignal(signal.SIGTERM)
    if not _may_replace(before):
        return
    writing = _Writing(flush, end, patience)

    def handler(number: int, frame: FrameType | None) -> None:
        heard()
        if _Undisturbed.depth:
            _Undisturbed.late = True
            return
        if callable(before):
            if not writing.at_work:
                writing.call(flush, patience)
            before(number, frame)
        elif not writing.at_work and writing.is_done(number, frame):
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, handler)
    _handlers.append(handler)
    wake_worker()


class _Writing:
    """What a signal handler has written before the process ends.

    Other threads do the writing. They may need a lock that the interrupted code holds,
    if that is our own; then it goes on for a moment every now and then.
    """

    def __init__(self, flush: _Write, end: _Write, patience: float) -> None:
        self._flush = flush
        self._end = end
        self._patience = patience
        self._begin_anew()
        os.register_at_fork(after_in_child=self._begin_anew)

    def _begin_anew(self) -> None:
        self._until: float | None = None
        self._waits = _WAITS
        self.at_work = False

    def is_done(self, number: int, frame: FrameType | None) -> bool:
        """Return whether it is written, or took too long; if not, it is called again."""
        now = time.monotonic()
        if self._until is None:
            self._until = now + self._patience
        left = self._until - now
        if left > 0 and not self._is_written(frame, left):
            self._waits *= 2
            if hear_again(number, _GOES_ON):
                return False
            left = 0.0
        if left <= 0:
            self.call(self._end, 0.0)
        self._begin_anew()
        return True

    def _is_written(self, frame: FrameType | None, left: float) -> bool:
        # What our own code does before we are called again is to be recorded.
        may_go_on = left > self._patience / 2 and _is_ours_at_work(frame)
        if may_go_on and not self.call(self._flush, self._waits):
            return False
        return self.call(self._end, max(left / 2, _WAITS))

    def call(self, write: _Write, seconds: float) -> bool:
        """Return whether it is written; what fails will not be."""
        self.at_work = True
        try:
            return write(seconds)
        except Exception as error:  # noqa: BLE001 - the program must end as it would
            _LOGGER.warning("At SIGTERM not all could be written: %r", error)
            return True
        finally:
            self.at_work = False


def _is_ours_at_work(frame: FrameType | None) -> bool:
    """Return whether the innermost code that is not Python's own is ours."""
    while frame is not None:
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package in _OURS or package not in sys.stdlib_module_names:
            return package in _OURS
        frame = frame.f_back
    return False


def wake_worker() -> None:
    """Have a child of `multiprocessing` hear SIGTERM, which is what ends it."""
    ours = _is_ours(signal.getsignal(signal.SIGTERM))
    if ours and multiprocessing.process.parent_process() is not None:
        wake_main_thread(signal.SIGTERM)


def _may_replace(handler: object) -> bool:
    if threading.current_thread() is not threading.main_thread():
        return False
    ignored = handler is None or handler == signal.SIG_IGN
    return not (ignored or _is_ours(handler))


def _is_ours(handler: object) -> bool:
    return any(handler is each for each in _handlers)
