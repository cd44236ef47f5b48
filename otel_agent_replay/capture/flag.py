"""An event that whoever interrupts a thread may use on that very thread."""

from __future__ import annotations

import threading

__all__ = ["Flag"]


class Flag:
    """As `threading.Event`, but for signal handlers and finalizers too.

    Those run between any two steps of the thread they interrupt. Where that is in the
    middle of an `Event.set`, another one on the same thread waits for ever.
    """

    __slots__ = ("_changed", "_on")

    def __init__(self) -> None:
        self._changed = threading.Condition()  # its lock is reentrant
        self._on = False

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self._on

    def set(self) -> None:
        """Set it, and wake all who wait."""
        with self._changed:
            self._on = True
            self._changed.notify_all()

    def clear(self) -> None:
        """Take it back."""
        with self._changed:
            self._on = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set; return False if that took longer than `timeout` s."""
        with self._changed:
            return self._on or self._changed.wait_for(self.is_set, timeout)
