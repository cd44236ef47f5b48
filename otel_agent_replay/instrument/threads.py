"""Context into threads, so that calls made there keep their parents.

`asyncio` tasks and `asyncio.to_thread` carry their context already; bare threads
and thread pools do not before Python 3.14.
"""

from __future__ import annotations

import contextvars
import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from otel_agent_replay import intercept

__all__ = ["install"]

_installed = False


def install() -> None:
    """Make threads and thread pools carry the context of who started them; once."""
    global _installed  # noqa: PLW0603 - the patch is one for the process
    if _installed:
        return
    _installed = True
    _patch_start(threading.Thread.start)
    _patch_submit(ThreadPoolExecutor.submit)


def _patch_start(start: Callable[[threading.Thread], None]) -> None:
    @functools.wraps(start)
    def start_in_context(self: threading.Thread) -> None:
        if intercept.active():
            context, run = contextvars.copy_context(), self.run
            self.run = lambda: context.run(run)  # type: ignore[method-assign]
        start(self)

    threading.Thread.start = start_in_context  # type: ignore[method-assign]


def _patch_submit(submit: Callable[..., Future[Any]]) -> None:
    @functools.wraps(submit)
    def submit_in_context(
        self: ThreadPoolExecutor,
        fn: Callable[..., Any],
        /,
        *args: Any,
        **kwargs: Any,
    ) -> Future[Any]:
        if not intercept.active():
            return submit(self, fn, *args, **kwargs)
        context = contextvars.copy_context()
        return submit(self, context.run, fn, *args, **kwargs)

    ThreadPoolExecutor.submit = submit_in_context  # type: ignore[assignment,method-assign]
