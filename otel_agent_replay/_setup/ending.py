"""How this process ends: with an exception, an exit code, or as a `multiprocessing` child."""

from __future__ import annotations

import atexit
import functools
import logging
import multiprocessing.process
import multiprocessing.util
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType, ModuleType, TracebackType
from typing import Final, NoReturn

from otel_agent_replay._setup.waking import heard, wake_main_thread
from otel_agent_replay.instrument.on_import import when_imported

__all__ = [
    "at_celery_worker_end",
    "at_exit",
    "at_sigterm",
    "finalize_child",
    "is_failure",
    "undisturbed",
    "watch_end",
]

_LOGGER = logging.getLogger("otel_agent_replay")
_callbacks: Final[list[tuple[Callable[[], object], int | None]]] = []
"""What to call, and in which process; None is in each."""
_handlers: Final[list[object]] = []
"""Those that we have set for SIGTERM."""
_FIRST: Final = 100
"""Priority of our finalizer in a `multiprocessing` child: before its queues close."""


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


class _Registry:
    """What `multiprocessing` holds on to for as long as it shall call back."""

    process: int | None = None
    """The child that will call back."""


def at_exit(callback: Callable[[], object], *, in_forks: bool = False) -> None:
    """Call back when the process ends, the latest first.

    Also where it is a child of `multiprocessing`: such end without `atexit`, but run
    their own finalizers. Not after `os._exit`, a signal, or `os.exec*`.

    Args:
        callback: What to call.
        in_forks: Whether forked children, of `multiprocessing` or not, call it too.
    """
    if not _callbacks:
        atexit.register(_run)
        # A forked child of `multiprocessing` drops the finalizers it was forked with.
        multiprocessing.util.register_after_fork(_Registry, finalize_child)
        if multiprocessing.process.parent_process() is not None:
            finalize_child()
    _callbacks.append((callback, None if in_forks else os.getpid()))


def finalize_child(_: object = None) -> None:
    """Have this child of `multiprocessing` call back too; once a process."""
    if _Registry.process != os.getpid():
        _Registry.process = os.getpid()
        multiprocessing.util.Finalize(None, _run, exitpriority=_FIRST)
        _wake_worker()


def _wake_worker() -> None:
    """Have a child of `multiprocessing` hear SIGTERM, which is what ends it."""
    ours = _is_ours(signal.getsignal(signal.SIGTERM))
    if ours and multiprocessing.process.parent_process() is not None:
        wake_main_thread(signal.SIGTERM)


def _run() -> None:
    for callback, process in reversed(_callbacks):
        if process in {None, os.getpid()}:
            callback()


def _may_replace(handler: object) -> bool:
    if threading.current_thread() is not threading.main_thread():
        return False
    ignored = handler is None or handler == signal.SIG_IGN
    return not (ignored or _is_ours(handler))


def _is_ours(handler: object) -> bool:
    return any(handler is each for each in _handlers)


def at_celery_worker_end(callback: Callable[[], object]) -> None:
    """Call back before one of Celery's workers leaves, which it does by `os._exit`."""

    def watch(signals: ModuleType) -> None:
        def leaves(**_: object) -> None:
            callback()

        signals.worker_process_shutdown.connect(leaves, weak=False)

    when_imported("celery.signals", watch)


def is_failure(error: BaseException) -> bool:
    """Return whether a process that ends with an exception has failed."""
    return not (isinstance(error, SystemExit) and error.code in {None, 0})


def at_sigterm(callback: Callable[[bool], object]) -> None:
    """Call back when SIGTERM comes; then what would have been done is done.

    Nothing happens where the signal is ignored, or outside the main thread, the only
    one that Python lets set a handler; nor where ours is set still. Who sets one later
    takes ours away. A signal that comes while the callback is at an earlier one does
    not call back again.

    Args:
        callback: Takes whether the process ends by the signal: nobody handles it.
    """
    before = signal.getsignal(signal.SIGTERM)
    if not _may_replace(before):
        return
    dies = not callable(before)
    at_work = False

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal at_work
        heard()
        if _Undisturbed.depth:
            _Undisturbed.late = True
            return
        nested = at_work
        if not nested:
            at_work = True
            try:
                callback(dies)
            except Exception as error:  # noqa: BLE001 - the program must end as it would
                _LOGGER.warning("At SIGTERM not all could be written: %r", error)
            finally:
                at_work = False
        if callable(before):
            before(number, frame)
        elif not nested:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, handler)
    _handlers.append(handler)
    _wake_worker()


def watch_end(
    failed: Callable[[BaseException], None],
    leaving: Callable[[SystemExit], None],
) -> None:
    """Hear of the exception that the process ends with, and of calls of `sys.exit`.

    Python tells nobody that an exit code leaves it, and a call of `sys.exit` may be
    caught; so `leaving` is only asked for. Who set `sys.excepthook` before is called
    after.
    """
    previous = sys.excepthook

    def hook(
        kind: type[BaseException],
        error: BaseException,
        traceback: TracebackType | None,
    ) -> None:
        failed(error)
        previous(kind, error, traceback)

    sys.excepthook = hook
    leave: Callable[..., NoReturn] = sys.exit

    @functools.wraps(leave)
    def noting_exit(status: object = None, /) -> NoReturn:
        leaving(SystemExit(status))
        leave(status)

    sys.exit = noting_exit
