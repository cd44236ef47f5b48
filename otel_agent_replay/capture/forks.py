"""What a forked child does with what its parent held."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable

__all__ = ["in_forked_child"]

_methods: list[weakref.WeakMethod[Callable[[], None]]] = []
_hooked = False


def in_forked_child(method: Callable[[], None]) -> None:
    """Call a bound method in every forked child, in order, while its object lives.

    Locks of the parent may be held by threads that the child does not have, so a
    child makes new ones.
    """
    global _hooked  # noqa: PLW0603 - one hook for the process: they cannot be removed
    if not _hooked:
        _hooked = True
        os.register_at_fork(after_in_child=_call_all)
    _methods.append(weakref.WeakMethod(method, _methods.remove))


def _call_all() -> None:
    for reference in tuple(_methods):
        method = reference()
        if method is not None:
            method()
