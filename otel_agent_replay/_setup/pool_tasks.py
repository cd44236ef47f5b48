"""Workers of a `multiprocessing.Pool` or `ThreadPool` that a replay stops.

A pool replaces a worker that ends, and nobody answers for the task it was at: whoever
waits for that waits for ever. So a worker of a replay does not end; its task fails, and
whoever waits for it is stopped in its place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from typing import Any, Final, TypeAlias

from otel_agent_replay.replay.replayer import ReplayStopped

__all__ = ["TaskStoppedError", "failing_task", "failing_worker"]

_Task: TypeAlias = tuple[Any, ...]
"""Its job, its number in that, the function, arguments, and those by name."""
_WORKER: Final = ("multiprocessing.pool", "worker")


class TaskStoppedError(Exception):
    """`ReplayStopped`, as a worker may say it; in another process it is that again."""

    def __reduce__(self) -> tuple[type[BaseException], tuple[object, ...]]:
        return ReplayStopped, self.args


def failing_worker(target: object) -> object:
    """Return what a process of a replay is to run; `target`, unless it is a pool's."""
    name = (getattr(target, "__module__", None), getattr(target, "__qualname__", None))
    return _Worker(target) if callable(target) and name == _WORKER else target


@dataclass(frozen=True)
class _Worker:
    """Does a pool's tasks; picklable."""

    target: Callable[..., object]

    def __call__(self, tasks: SimpleQueue[_Task | None], *rest: object) -> None:
        self.target(_Tasks(tasks), *rest)


@dataclass(frozen=True)
class _Tasks:
    """A pool's queue of tasks, each of which fails if it is stopped."""

    queue: SimpleQueue[_Task | None]

    def __getattr__(self, name: str) -> object:
        return getattr(self.queue, name)

    def get(self) -> _Task | None:
        """Return the next task; None is the last."""
        task = self.queue.get()
        if task is None:
            return None
        job, number, function, *rest = task
        return (job, number, failing_task(function), *rest)


def failing_task(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that raises a `TaskStoppedError` where it would stop."""
    return functools.partial(_done, function)


def _done(function: Callable[..., object], *args: object, **kwargs: object) -> object:
    try:
        return function(*args, **kwargs)
    except ReplayStopped as stopped:
        raise TaskStoppedError(*stopped.args) from stopped
