"""How this process ends: with an exception, an exit code, or as a `multiprocessing` child."""

from __future__ import annotations

import atexit
import functools
import logging
import multiprocessing.process
import multiprocessing.util
import os
import sys
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Final, NoReturn, TypeVar

from otel_agent_replay._setup.sigterm import wake_worker
from otel_agent_replay.instrument.on_import import when_imported

__all__ = [
    "at_celery_worker_end",
    "at_exit",
    "finalize_child",
    "is_failure",
    "run_watched",
    "watch_end",
]

_T = TypeVar("_T")
_LOGGER = logging.getLogger("otel_agent_replay")
_callbacks: Final[list[tuple[Callable[[], object], int | None]]] = []
"""What to call, and in which process; None is in each."""
_watching: Final[list[Callable[[BaseException], None]]] = []
"""Who hears of the exception that the process ends with."""
_FIRST: Final = 100
"""Priority of our finalizer in a `multiprocessing` child: before its queues close."""


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
        wake_worker()


def _run() -> None:
    for callback, process in reversed(_callbacks):
        if process in {None, os.getpid()}:
            callback()


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


def run_watched(run: Callable[[], _T]) -> _T:
    """Run what a child of `multiprocessing` does; who watches hears of its exception.

    Such a child prints it by itself, and from Python 3.13 on its finalizers no longer
    run while it is handled.
    """
    try:
        return run()
    except BaseException as error:
        for failed in _watching:
            failed(error)
        raise


def watch_end(
    failed: Callable[[BaseException], None],
    leaving: Callable[[SystemExit], None],
) -> None:
    """Hear of the exception that the process ends with, and of calls of `sys.exit`.

    Python tells nobody that an exit code leaves it, and a call of `sys.exit` may be
    caught; so `leaving` is only asked for. Who set `sys.excepthook` before is called
    after.
    """
    _watching.append(failed)
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
