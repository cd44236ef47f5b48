"""How this process ends: with an exception, an exit code, or as a `multiprocessing` child."""

from __future__ import annotations

import atexit
import functools
import multiprocessing.process
import multiprocessing.util
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Final, NoReturn

__all__ = ["at_exit", "exit_asked", "failure_of", "watch_end"]

_callbacks: Final[list[Callable[[], object]]] = []
_FIRST: Final = 100
"""Priority of our finalizer in a `multiprocessing` child: before its queues close."""


class _Asked:
    """What `sys.exit` was last asked for."""

    error: SystemExit | None = None


def at_exit(callback: Callable[[], object]) -> None:
    """Call back when the process ends, the latest first; once for equal callbacks.

    Also in children of `multiprocessing`, which end without `atexit` but run their
    own finalizers. Not after `os._exit`, a signal, or `os.exec*`.
    """
    if callback in _callbacks:
        return
    _callbacks.append(callback)
    if len(_callbacks) > 1:
        return
    atexit.register(_run)
    # A forked child of `multiprocessing` drops the finalizers it was forked with.
    multiprocessing.util.register_after_fork(_Asked, _finalize_in_child)
    if multiprocessing.process.parent_process() is not None:
        _finalize_in_child()


def _finalize_in_child(_: object = None) -> None:
    multiprocessing.util.Finalize(None, _run, exitpriority=_FIRST)


def _run() -> None:
    for callback in reversed(_callbacks):
        callback()


def failure_of(error: BaseException | None) -> BaseException | None:
    """Return an exception that a process ends with if it is a failure."""
    if isinstance(error, SystemExit) and error.code in {None, 0}:
        return None
    return error


def exit_asked() -> SystemExit | None:
    """Return what `sys.exit` was last called for, or what is on its way out now."""
    error = sys.exception()
    return error if isinstance(error, SystemExit) else _Asked.error


def watch_end(failed: Callable[[BaseException], None]) -> None:
    """Hear of the exception that the process ends with, and of calls of `sys.exit`.

    Who set `sys.excepthook` before is called after.
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
    leave = sys.exit

    @functools.wraps(leave)
    def noting_exit(status: object = None, /) -> NoReturn:
        _Asked.error = SystemExit(status)
        leave(status)  # type: ignore[arg-type]

    sys.exit = noting_exit
