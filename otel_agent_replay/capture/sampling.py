"""Tail sampling: which successful runs keep their payloads, decided when they end.

Until then the spans of a run that may be left out are held. Failed, flagged and
interrupted runs are always kept. Whether a success is kept follows from a hash of
its run id, so every process decides alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from otel_agent_replay import semconv
from otel_agent_replay.model.content import PackedSpan

__all__ = ["Rates", "Sampler", "Sifted"]

_HELD_BYTES: Final = 64 << 20
_REMEMBERED: Final = 10_000
_SCALE: Final = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How many of a hundred successful runs are kept whole, by agent."""

    success: int = 100
    by_agent: Mapping[str, int] = field(default_factory=dict)

    @property
    def leave_out(self) -> bool:
        """Whether any run may be left out."""
        return min(self.success, *self.by_agent.values(), 100) < 100  # noqa: PLR2004 - per cent

    def keeps(self, run_id: str, agent: str) -> bool:
        """Return whether a successful run is kept whole, the same everywhere."""
        percent = self.by_agent.get(agent, self.success)
        digest = hashlib.sha256(run_id.encode()).digest()
        return int.from_bytes(digest[:4]) * 100 < percent * _SCALE


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """What becomes of a span.

    Attributes:
        store: What goes to the store now.
        held: Whether the span is held back.
        settled: The run that was decided on.
        left_out: Whether it was decided to leave it out.
    """

    store: tuple[PackedSpan, ...] = ()
    held: bool = False
    settled: str | None = None
    left_out: bool = False


class Sampler:
    """Holds spans of open runs back. Not safe from several threads."""

    def __init__(self, rates: Rates) -> None:
        self._rates = rates
        self._active = rates.leave_out
        self._held: dict[str, list[PackedSpan]] = {}
        self._bytes = 0
        self._kept: dict[str, None] = {}
        self._out: dict[str, None] = {}

    def sift(self, packed: PackedSpan) -> Sifted:
        """Say what becomes of a span that has ended."""
        attributes = packed.span.attributes
        run_id = attributes.get(semconv.RUN_ID, "")
        if run_id in self._out:
            return Sifted(store=(_without_payload(packed),))
        if not self._active or not run_id or run_id in self._kept:
            return Sifted(store=(packed,))
        if self._rates.keeps(run_id, attributes.get(semconv.AGENT_NAME, "")):
            return Sifted(store=(packed,))
        if semconv.RUN_STATUS in attributes:
            return self._decide(run_id, packed)
        self._held.setdefault(run_id, []).append(packed)
        self._bytes += _size(packed)
        if self._bytes > _HELD_BYTES:
            return self._give_up(run_id)
        return Sifted(held=True)

    def rest(self) -> tuple[PackedSpan, ...]:
        """Return what is held of runs that never ended here, and forget it."""
        held = tuple(span for spans in self._held.values() for span in spans)
        self._held, self._bytes = {}, 0
        return held

    def _decide(self, run_id: str, root: PackedSpan) -> Sifted:
        spans = (*self._take(run_id), root)
        if root.span.attributes.get(semconv.RUN_CLASS) != "success":
            _remember(self._kept, run_id)
            return Sifted(store=spans, settled=run_id)
        _remember(self._out, run_id)
        stripped = tuple(map(_without_payload, spans))
        return Sifted(store=stripped, settled=run_id, left_out=True)

    def _give_up(self, run_id: str) -> Sifted:
        """Keep a run whole that is too large to be held."""
        _remember(self._kept, run_id)
        return Sifted(store=self._take(run_id), settled=run_id)

    def _take(self, run_id: str) -> tuple[PackedSpan, ...]:
        spans = tuple(self._held.pop(run_id, ()))
        self._bytes -= sum(map(_size, spans))
        return spans


def _remember(runs: dict[str, None], run_id: str) -> None:
    runs[run_id] = None
    if len(runs) > _REMEMBERED:
        del runs[next(iter(runs))]


def _size(packed: PackedSpan) -> int:
    return 1000 + sum(map(len, packed.contents.values()))


def _without_payload(packed: PackedSpan) -> PackedSpan:
    """Return the span with what a run list and its sums are made of, and no more."""
    span = packed.span
    attributes = {
        name: value
        for name, value in span.attributes.items()
        if not name.startswith(semconv.CONTENT_PREFIX)
    }
    attributes[semconv.STEP_SAMPLED] = semconv.SAMPLED_OUT
    slim = replace(span, attributes=attributes, events=())
    return replace(packed, span=slim, contents={}, recipes=frozenset())
