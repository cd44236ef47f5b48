"""Context into threads, so that calls made there keep their parents.

`asyncio` tasks and `asyncio.to_thread` carry their context already; bare threads
and thread pools do not, unless Python was told to (`thread_inherit_context`). A pool's
own threads serve many callers: it is the work that carries the context, not they.
"""

from __future__ import annotations

import contextvars
import functools
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import ModuleType
from typing import Any, Final, TypeAlias

from otel_agent_replay import intercept, lanes
from otel_agent_replay.instrument.on_import import when_imported

__all__ = ["install"]

_POOL_WORK: Final = ("apply_async", "_map_async", "imap", "imap_unordered")
"""What every way of giving work to a `ThreadPool` ends in; each takes a function."""
_POOL_THREADS: Final = {
    ("concurrent.futures.thread", "_worker"),
    ("multiprocessing.pool", "worker"),
}
_Wrap: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]
_installed = False


def install(task: _Wrap) -> None:
    """Make threads and thread pools carry the context of who started them; once.

    Args:
        task: Wraps what a `multiprocessing` pool of threads is given to do.
    """
    global _installed  # noqa: PLW0603 - the patch is one for the process
    if _installed:
        return
    _installed = True
    _patch_start(threading.Thread.start)
    _patch_submit(ThreadPoolExecutor.submit)
    when_imported("multiprocessing.pool", functools.partial(_patch_pools, task))


def _patch_start(start: Callable[[threading.Thread], None]) -> None:
    @functools.wraps(start)
    def start_in_context(self: threading.Thread) -> None:
        if not intercept.active() or _has_context(self) or self.ident is not None:
            return start(self)
        context, run = contextvars.copy_context(), self.run

        def run_in_context() -> None:
            # It would keep the thread alive through itself.
            vars(self).pop("run", None)
            context.run(run)

        vars(self)["run"] = run_in_context
        try:
            return start(self)
        except BaseException:
            vars(self).pop("run", None)
            raise

    threading.Thread.start = start_in_context  # type: ignore[method-assign]


def _has_context(thread: threading.Thread) -> bool:
    """Whether it has one of its own, or Python gives it one, or it must have none."""
    inherits = getattr(sys.flags, "thread_inherit_context", False)
    given = getattr(thread, "_context", None) is not None
    target = getattr(thread, "_target", None)
    names = getattr(target, "__module__", None), getattr(target, "__name__", None)
    return bool(inherits) or given or names in _POOL_THREADS


def _patch_submit(submit: Callable[..., Future[Any]]) -> None:
    @functools.wraps(submit)
    def submit_in_context(
        self: ThreadPoolExecutor,
        fn: Callable[..., Any],
        /,
        *args: Any,
        **kwargs: Any,
    ) -> Future[Any]:
        if not intercept.active() or _runs_elsewhere(self):
            return submit(self, fn, *args, **kwargs)
        context = contextvars.copy_context()
        lanes.leave(context)
        return submit(self, context.run, fn, *args, **kwargs)

    ThreadPoolExecutor.submit = submit_in_context  # type: ignore[assignment,method-assign]


def _runs_elsewhere(pool: ThreadPoolExecutor) -> bool:
    """Whether a pool's threads run other interpreters; no context can go there."""
    module = sys.modules.get("concurrent.futures.interpreter")
    kind = getattr(module, "InterpreterPoolExecutor", None)
    return kind is not None and isinstance(pool, kind)


def _patch_pools(task: _Wrap, module: ModuleType) -> None:
    for name in _POOL_WORK:
        _patch_pool(module.ThreadPool, name, task)


def _patch_pool(pool: type, name: str, task: _Wrap) -> None:
    give = getattr(pool, name)

    @functools.wraps(give)
    def give_in_context(
        self: object, func: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        if not intercept.active():
            return give(self, func, *args, **kwargs)
        context = contextvars.copy_context()
        lanes.leave(context)
        work = task(func)

        @functools.wraps(func)
        def run_in_context(*items: Any, **named: Any) -> Any:
            # One context runs one thing at a time; a pool does many.
            return context.copy().run(work, *items, **named)

        return give(self, run_in_context, *args, **kwargs)

    setattr(pool, name, give_in_context)
