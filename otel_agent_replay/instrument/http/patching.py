"""Methods of client classes replaced, and put back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

__all__ = ["Patches"]

_lock: Final = threading.Lock()


class Patches:
    """Replaced methods of one library.

    Applying is idempotent. A method that somebody else has wrapped meanwhile stays
    replaced when the patches are taken off, and is not replaced a second time: ours
    passes everything on while no settings are in force.
    """

    def __init__(self) -> None:
        self._replaced: dict[
            tuple[type, str],
            tuple[Callable[..., Any], Callable[..., Any]],
        ] = {}

    def apply(
        self,
        owner: type,
        name: str,
        wrap: Callable[[Callable[..., Any]], Callable[..., Any]],
    ) -> None:
        """Replace a method by what `wrap` makes of it.

        Raises:
            AttributeError: The class itself has no such method.
        """
        with _lock:
            if (owner, name) in self._replaced:
                return
            if name not in owner.__dict__:
                problem = f"{owner.__module__}.{owner.__qualname__} has no {name}"
                raise AttributeError(problem)
            original = owner.__dict__[name]
            replacement = wrap(original)
            setattr(owner, name, replacement)
            self._replaced[owner, name] = (original, replacement)

    def remove(self) -> None:
        """Put back what still is ours."""
        with _lock:
            for (owner, name), (original, replacement) in list(self._replaced.items()):
                if owner.__dict__.get(name) is replacement:
                    setattr(owner, name, original)
                    del self._replaced[owner, name]
