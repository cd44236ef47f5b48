"""What has begun and not ended, as the store gets it if the process is cut off."""

from __future__ import annotations

from otel_agent_replay.model.content import PackedSpan

__all__ = ["Journal", "Key"]

Key = tuple[int, int]
"""Trace id and span id."""


class Journal:
    """The open runs and steps of a process; written from one thread, read from any."""

    def __init__(self) -> None:
        self._open: dict[Key, PackedSpan] = {}

    def began(self, key: Key, packed: PackedSpan) -> None:
        """Take a run or step that has begun."""
        self._open[key] = packed

    def ended(self, key: Key) -> None:
        """Forget one that has ended."""
        self._open.pop(key, None)

    def opened(self) -> list[PackedSpan]:
        """Return what is open, in the order it began in."""
        return [*self._open.values()]
