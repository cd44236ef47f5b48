"""Redacted spans on their way to an OTLP receiver."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otel_agent_replay.capture.forks import in_forked_child
from otel_agent_replay.capture.guard import LOGGER, place_of
from otel_agent_replay.capture.worker import Worker

__all__ = ["Forwarder"]

_BATCH_BYTES: Final = 3 * 1024 * 1024
"""An OTLP receiver refuses gRPC messages over 4 MiB by default."""
_SPAN_BYTES: Final = 2048


class Forwarder:
    """Sends spans on from a thread of its own, so that no receiver delays the store.

    What it cannot send is lost to the receiver, not to the run: the store has it.
    """

    def __init__(self, make: Callable[[], SpanExporter], *, limit: int) -> None:
        self._make = make
        self._forget()
        self._worker: Worker[Sequence[ReadableSpan]] = Worker(
            "agent-replay-otlp",
            self._send,
            limit=limit,
            ended=self._close,
        )
        in_forked_child(self._forget)

    def _forget(self) -> None:
        """Begin anew: a forked child must not use its parent's connections."""
        self._exporter: SpanExporter | None = None
        self._failing = False

    def put(self, spans: Sequence[ReadableSpan]) -> None:
        """Take spans, or drop them if too many wait already."""
        if not self._worker.put(spans, sum(map(_size, spans))):
            self._complain(len(spans), "too many wait to be sent")

    def flush(self, timeout: float) -> bool:
        """Wait until all spans taken so far are sent; False if time ran out."""
        return self._worker.flush(timeout)

    def shutdown(self, timeout: float) -> bool:
        """Send what waits, then stop; False if time ran out."""
        start = time.monotonic()
        done = self._worker.shutdown(timeout / 2)
        if not done and self._exporter is not None:
            self._exporter.shutdown()  # ends what it still tries again
            done = self._worker.shutdown(timeout - (time.monotonic() - start))
        return done

    def _send(self, batches: Sequence[Sequence[ReadableSpan]]) -> None:
        exporter = self._exporter = self._exporter or self._make()
        for part in _parts(chain.from_iterable(batches)):
            try:
                result = exporter.export(part)
            except Exception as error:  # noqa: BLE001 - an exporter may fail in any way
                self._complain(len(part), place_of(error))
                continue
            if result is SpanExportResult.SUCCESS:
                self._failing = False
            else:
                self._complain(len(part), "the receiver did not take them")

    def _complain(self, number: int, problem: str) -> None:
        """Log the first failure of a row of them."""
        if not self._failing:
            self._failing = True
            LOGGER.warning("%d spans were not sent over OTLP: %s", number, problem)

    def _close(self) -> None:
        if self._exporter is not None:
            self._exporter.shutdown()
            self._exporter = None


def _parts(spans: Iterable[ReadableSpan]) -> list[list[ReadableSpan]]:
    """Cut a batch so that each part stays under what a receiver takes."""
    parts: list[list[ReadableSpan]] = []
    held = 0
    for span in spans:
        size = _size(span)
        if not parts or held + size > _BATCH_BYTES:
            parts.append([])
            held = 0
        parts[-1].append(span)
        held += size
    return parts


def _size(span: ReadableSpan) -> int:
    groups = [span.attributes or {}, *(e.attributes or {} for e in span.events)]
    return _SPAN_BYTES + sum(
        len(value)
        for group in groups
        for value in group.values()
        if isinstance(value, str)
    )
