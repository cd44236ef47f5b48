"""Signals that come while the main thread waits in C code."""

from __future__ import annotations

import _thread
import contextvars
import os
import signal
import threading
import time
from typing import Final

__all__ = ["hear_again", "heard", "wake_main_thread"]

_PATIENCE: Final = 0.2
_RECENT: Final = 1.0


class _Watch:
    """What watches in this process."""

    process: int | None = None
    heard_at = 0.0
    times = 0
    """How often a handler has run."""


def heard() -> None:
    """Note that the handler of a signal runs."""
    _Watch.heard_at = time.monotonic()
    _Watch.times += 1


def hear_again(number: int, seconds: float) -> bool:
    """Have the handler run once more, after so many seconds of what it interrupts.

    For handlers, which run on the main thread. Takes no lock of Python's threads: the
    handler may have interrupted whoever holds it.

    Returns:
        False if no thread can be had for it.
    """
    handler = signal.getsignal(number)

    def call(main: int, times: int) -> None:
        time.sleep(seconds)
        while _Watch.times == times and signal.getsignal(number) is handler:
            signal.pthread_kill(main, number)
            time.sleep(_PATIENCE)

    try:
        _thread.start_new_thread(call, (threading.get_ident(), _Watch.times))
    except RuntimeError:
        return False
    return True


def wake_main_thread(number: int) -> None:
    """See that the handler of a signal runs, whatever the main thread waits for.

    Python calls handlers between two steps of the main thread. A signal that comes in
    the instant before that thread waits for a semaphore, as workers of a pool do, or
    that the system gives to another thread, would be heard when the wait ends. Whoever
    sent it to a worker joins it next, so that is never.

    Does nothing if somebody listens to the signals of this process already, as an
    event loop does. For the main thread; once a process.
    """
    if _Watch.process == os.getpid():
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    other = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    if other != -1:
        signal.set_wakeup_fd(other)
        os.close(reading)
        os.close(writing)
        return
    _Watch.process = os.getpid()
    watching = threading.Thread(
        target=_watch,
        args=(number, reading, threading.get_ident()),
        name="agent-replay-signals",
        daemon=True,
    )
    contextvars.Context().run(watching.start)


def _watch(number: int, reading: int, main: int) -> None:
    while True:
        if number not in os.read(reading, 1):
            continue
        time.sleep(_PATIENCE)
        if time.monotonic() - _Watch.heard_at > _RECENT:
            signal.pthread_kill(main, number)


def _forget() -> None:
    """Let no signal of a forked child wake its parent."""
    if _Watch.process is not None:
        _Watch.process = None
        signal.set_wakeup_fd(-1)


os.register_at_fork(after_in_child=_forget)
