"""Ids of spans, drawn without touching the program's own randomness."""

from __future__ import annotations

import os
import struct
from typing import Final

from opentelemetry.sdk.trace.id_generator import IdGenerator

from otel_agent_replay.capture.forks import in_forked_child

__all__ = ["OwnIds"]

_HALF: Final = 64
_AT_ONCE: Final = 256
_NUMBERS: Final = struct.Struct(f"{_AT_ONCE}Q")


class OwnIds(IdGenerator):
    """Draws ids from the operating system, many at once; safe from any thread.

    The SDK's own draws them from the generator of `random`, so that a program which
    seeds that would draw other numbers while it is recorded. Asking the system gives
    up the interpreter's lock, which a worker at work keeps for up to 5 ms.
    """

    def __init__(self) -> None:
        self._forget()
        in_forked_child(self._forget)

    def _forget(self) -> None:
        self._drawn: list[int] = []

    def generate_span_id(self) -> int:
        """Return a new id of a span; never 0."""
        while True:
            try:
                return self._drawn.pop()
            except IndexError:
                numbers = _NUMBERS.unpack(os.urandom(_NUMBERS.size))
                self._drawn = [each for each in numbers if each]

    def generate_trace_id(self) -> int:
        """Return a new id of a trace; never 0."""
        return self.generate_span_id() << _HALF | self.generate_span_id()
