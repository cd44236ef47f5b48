"""What capture says of itself, as OpenTelemetry metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final
from weakref import WeakSet

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from otel_agent_replay import semconv
from otel_agent_replay.capture.pipeline import Pipeline

__all__ = ["observe"]

_REASON: Final = "reason"
_observed: Final[WeakSet[Pipeline]] = WeakSet()
"""One set of instruments reads them all: a meter's instruments cannot be taken back."""
_metered: Final[WeakSet[Meter]] = WeakSet()


def observe(pipeline: Pipeline, meter: Meter) -> None:
    """Let a meter read what a pipeline lost and what waits in it, while it lives.

    The values are read when metrics are collected, on the reader's thread; the
    agent's threads do nothing for it.
    """
    _observed.add(pipeline)
    if meter in _metered:
        return
    _metered.add(meter)
    meter.create_observable_counter(
        semconv.METRIC_DROPPED,
        [_dropped],
        unit="{span}",
        description="Spans and payloads that were lost while recording.",
    )
    meter.create_observable_gauge(
        semconv.METRIC_QUEUE_BYTES,
        [_sum_of(lambda pipeline: pipeline.queued_bytes)],
        unit="By",
        description="What waits in memory to be redacted.",
    )
    meter.create_observable_gauge(
        semconv.METRIC_WAITING,
        [_sum_of(lambda pipeline: pipeline.waiting)],
        unit="{span}",
        description="Spans that wait for the store.",
    )


def _sum_of(
    read: Callable[[Pipeline], int],
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda _: [Observation(sum(read(each) for each in list(_observed)))]


def _dropped(_: CallbackOptions) -> list[Observation]:
    total: Counter[str] = Counter()
    for each in list(_observed):
        total.update(each.losses.total())
    return [Observation(number, {_REASON: reason}) for reason, number in total.items()]
