"""Ids of spans, drawn without touching the program's own randomness."""

from __future__ import annotations

import os
from typing import Final

from opentelemetry.sdk.trace.id_generator import IdGenerator

__all__ = ["OwnIds"]

_SPAN: Final = 8
_TRACE: Final = 16


class OwnIds(IdGenerator):
    """Draws ids from the operating system.

    The SDK's own draws them from the generator of `random`, so that a program which
    seeds that would draw other numbers while it is recorded.
    """

    def generate_span_id(self) -> int:
        """Return a new id of a span; never 0."""
        return _drawn(_SPAN)

    def generate_trace_id(self) -> int:
        """Return a new id of a trace; never 0."""
        return _drawn(_TRACE)


def _drawn(size: int) -> int:
    found = 0
    while not found:
        found = int.from_bytes(os.urandom(size))
    return found
