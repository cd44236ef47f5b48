"""Finished spans on their way: a bounded queue, a worker, the store, OTLP.

The agent's thread only puts references into the queue; the worker redacts,
encodes and writes. The queue is bounded by bytes; when it is full the newest span
is dropped and counted against its run.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otel_agent_replay import intercept, semconv
from otel_agent_replay.capture.encode import Finisher, Payload, to_record
from otel_agent_replay.capture.genai import Plain
from otel_agent_replay.capture.losses import Losses
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.redact import RedactionError

__all__ = ["FinishedSpan", "Outlet", "Pipeline", "SpanWriter"]

_LOGGER = logging.getLogger("otel_agent_replay")
_BATCH: Final = 512
_SPAN_BYTES: Final = 2048
_RETRY_DELAYS: Final = (0.05, 0.2, 0.8, 2.0)
_OTLP_BATCH_BYTES: Final = 3 * 1024 * 1024
"""An OTLP receiver refuses gRPC messages over 4 MiB by default."""


class SpanWriter(Protocol):
    """What the pipeline writes to; a store is one."""

    def write(self, spans: Sequence[SpanRecord]) -> None:
        """Store spans; writing the same span again changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """Where spans go: what redacts and completes them, and what keeps them."""

    finisher: Finisher
    writer: SpanWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedSpan:
    """A span that has ended, its payload, and attributes it gets on the way."""

    span: ReadableSpan
    payload: Payload | None = None
    extra: Mapping[str, Plain] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        return _SPAN_BYTES + (self.payload.size if self.payload else 0)

    @property
    def run_id(self) -> str:
        """The run it belongs to; empty if none."""
        return str((self.span.attributes or {}).get(semconv.RUN_ID, ""))


class Pipeline:
    """Takes finished spans from any thread; never blocks and never raises there.

    The worker starts with the first span, also in a forked child, which starts
    with an empty queue of its own.
    """

    def __init__(
        self,
        connect: Callable[[], Outlet],
        *,
        exporters: Sequence[SpanExporter] = (),
        losses: Losses,
        queue_bytes: int,
    ) -> None:
        self._connect = connect
        self._exporters = tuple(exporters)
        self._losses = losses
        self._limit = queue_bytes
        self._outlet: Outlet | None = None
        self._inherited: list[Outlet | None] = []
        """Connections of parent processes: never used here, and never closed here."""
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._queue: deque[FinishedSpan] = deque()
        self._bytes = 0
        self._busy = False
        self._closed = False
        self._condition = threading.Condition()
        self._worker: threading.Thread | None = None
        self._inherited.append(self._outlet)
        self._outlet = None

    def put(self, finished: FinishedSpan) -> None:
        """Take a span, or drop it and count it if the queue is full."""
        with self._condition:
            if self._closed or self._bytes + finished.size > self._limit:
                self._losses.count(finished.run_id, "queue")
                return
            self._queue.append(finished)
            self._bytes += finished.size
            if self._worker is None:
                self._worker = threading.Thread(
                    target=self._work,
                    name="agent-replay-writer",
                    daemon=True,
                )
                self._worker.start()
            self._condition.notify_all()

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until all spans taken so far are written; False if time ran out."""
        with self._condition:
            return self._condition.wait_for(
                lambda: not self._queue and not self._busy,
                timeout,
            )

    def shutdown(self, timeout: float = 30.0) -> bool:
        """Write what is queued, then stop; False if time ran out. Safe to repeat."""
        done = self.flush(timeout)
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        for exporter in self._exporters:
            exporter.shutdown()
        return done

    def _work(self) -> None:
        with intercept.suppressed():
            while True:
                with self._condition:
                    self._condition.wait_for(lambda: self._queue or self._closed)
                    if not self._queue:
                        return
                    batch = [
                        self._queue.popleft()
                        for _ in range(min(_BATCH, len(self._queue)))
                    ]
                    self._bytes -= sum(each.size for each in batch)
                    self._busy = True
                try:
                    self.deliver(batch)
                finally:
                    with self._condition:
                        self._busy = False
                        self._condition.notify_all()

    def deliver(self, batch: Sequence[FinishedSpan]) -> None:
        """Redact, encode, write and export a batch on the calling thread."""
        outlet = self._connected()
        if outlet is None:
            self._lose([each.run_id for each in batch], "store")
            return
        ready = [s for each in batch if (s := self._finish(outlet, each)) is not None]
        if not ready:
            return
        records = [to_record(span) for span in ready]
        if not self._persist(lambda: outlet.writer.write(records)):
            self._outlet = None
            self._lose([r.attributes.get(semconv.RUN_ID, "") for r in records], "store")
        for exporter in self._exporters:
            self._export(exporter, ready)

    def _connected(self) -> Outlet | None:
        def connect() -> None:
            self._outlet = self._connect()

        if self._outlet is None:
            self._persist(connect)
        return self._outlet

    def _finish(self, outlet: Outlet, finished: FinishedSpan) -> ReadableSpan | None:
        try:
            return outlet.finisher.finish(
                finished.span,
                finished.payload,
                finished.extra,
            )
        except RedactionError:
            reason = "redaction"
        except Exception:
            reason = "encoding"
            _LOGGER.exception("A span could not be encoded and is dropped")
        self._losses.count(finished.run_id, reason)
        return None

    def _persist(self, attempt: Callable[[], None]) -> bool:
        """Try, and try again after a while; return whether it worked in the end."""
        for delay in (*_RETRY_DELAYS, None):
            try:
                attempt()
            except Exception as error:  # noqa: BLE001 - a store may fail in any way
                if delay is None:
                    _LOGGER.warning("The store cannot be written: %s", error)
                    return False
                time.sleep(delay)
            else:
                return True
        return False

    def _lose(self, run_ids: Sequence[str], reason: str) -> None:
        for run_id in run_ids:
            self._losses.count(run_id, reason)

    def _export(self, exporter: SpanExporter, spans: Sequence[ReadableSpan]) -> None:
        for part in _parts(spans):
            try:
                result = exporter.export(part)
            except Exception:
                _LOGGER.exception("Spans could not be sent on over OTLP")
                continue
            if result is not SpanExportResult.SUCCESS:
                _LOGGER.warning("%d spans could not be sent on over OTLP", len(part))


def _parts(spans: Sequence[ReadableSpan]) -> list[list[ReadableSpan]]:
    """Cut a batch so that each part stays under what a receiver takes."""
    parts: list[list[ReadableSpan]] = [[]]
    held = 0
    for span in spans:
        size = _size(span)
        if parts[-1] and held + size > _OTLP_BATCH_BYTES:
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
