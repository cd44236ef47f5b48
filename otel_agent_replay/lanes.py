"""Lanes: which task, or thread, or work item of a pool, code runs in.

What is called in one lane is called one after another; between lanes there is no
order. A lane lives in the context, which each task and each work item has its own
copy of; who it was made for tells an inherited lane from an own one.
"""

from __future__ import annotations

import sys
import threading
from asyncio import _get_running_loop, current_task
from contextlib import suppress
from contextvars import Context, ContextVar
from typing import Final
from weakref import ReferenceType, ref

__all__ = ["Lane", "here", "leave"]


class Lane:
    """One line of execution, told apart by its identity.

    Attributes:
        number: Its number among the lanes of what numbered it last.
        numbered_by: The id of that.
    """

    __slots__ = ("_owner", "number", "numbered_by")

    def __init__(self, owner: ReferenceType[object] | int) -> None:
        self._owner = owner
        self.numbered_by = ""
        self.number = -1


_lane: Final[ContextVar[Lane | None]] = ContextVar("agent_replay_lane", default=None)


def here() -> Lane:
    """Return the lane of the calling code."""
    task = _task()
    found = _lane.get()
    if found is not None:
        owner = found._owner  # noqa: SLF001 - hot path
        if owner == threading.get_ident() if task is None else _is(owner, task):
            return found
    made = Lane(threading.get_ident() if task is None else ref(task))
    _lane.set(made)
    return made


def leave(context: Context) -> None:
    """Make what will run in a context a lane of its own, also in the same thread."""
    context.run(_lane.set, None)


def _is(owner: ReferenceType[object] | int, task: object) -> bool:
    return not isinstance(owner, int) and owner() is task


def _task() -> object | None:
    """Return the running task of asyncio or Trio; None in a plain thread."""
    loop = _get_running_loop()
    if loop is not None:
        return current_task(loop)
    trio_task = getattr(sys.modules.get("trio.lowlevel"), "current_task", None)
    if trio_task is not None:
        with suppress(RuntimeError):  # not in Trio at the moment
            task: object = trio_task()
            return task
    return None
