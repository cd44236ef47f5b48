"""Finished spans on their way: a bounded queue, a worker, the store, OTLP.

The agent's thread only puts references into the queue; the worker redacts,
encodes and writes. The queue is bounded by bytes. When it is full, the newest
spans come without their payload; when that is too much, they are dropped, and
counted against their run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple, Protocol

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter

from otel_agent_replay import semconv
from otel_agent_replay.capture.encode import Finisher
from otel_agent_replay.capture.finished import SPAN_BYTES, FinishedSpan
from otel_agent_replay.capture.forks import in_forked_child
from otel_agent_replay.capture.forward import Forwarder
from otel_agent_replay.capture.guard import LOGGER, place_of
from otel_agent_replay.capture.losses import Losses
from otel_agent_replay.capture.record import to_record
from otel_agent_replay.capture.worker import Worker
from otel_agent_replay.errors import StoreError
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.redact import RedactionError

__all__ = ["Outlet", "Pipeline", "SpanWriter"]

_PAUSES: Final = (0.05, 0.2, 0.8, 2.0, 5.0)
"""Before trying again; the last one is repeated."""
_LAST_PAUSES: Final = (0.05, 0.2, 0.8)
"""The same once the process ends."""
_SPARE: Final = 4 * 1024 * 1024
"""Room over the limit, for spans without their payloads."""
_ENDS_OF_RUNS: Final = 1 << 40
"""Room for the few spans that say that a run has ended, and what it lost."""


class SpanWriter(Protocol):
    """What the pipeline writes to; a store is one."""

    def write(self, spans: Sequence[SpanRecord]) -> None:
        """Store spans; writing the same span again changes nothing."""

    def close(self) -> None:
        """Release connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """Where spans go: what redacts and completes them, and what keeps them."""

    finisher: Finisher
    writer: SpanWriter


class _Ready(NamedTuple):
    """A span as it may leave the process, and our stored copy of it."""

    run_id: str
    span: ReadableSpan
    record: SpanRecord


class Pipeline:
    """Takes finished spans from any thread; never blocks and never raises there.

    While the store cannot be written it tries again and again, and the queue fills;
    once the process ends it gives up soon, and counts and logs what is lost.
    """

    def __init__(
        self,
        connect: Callable[[], Outlet],
        *,
        exporters: Sequence[Callable[[], SpanExporter]] = (),
        losses: Losses,
        queue_bytes: int,
    ) -> None:
        self._connect = connect
        self.losses = losses
        self._outlet: Outlet | None = None
        self._inherited: list[Outlet | None] = []
        """Connections of parent processes: never used here, and never closed here."""
        self._forget()
        self._worker = Worker(
            "agent-replay-writer",
            self._deliver,
            limit=queue_bytes,
            ended=self._disconnect,
        )
        self._forwarders = [Forwarder(make, limit=queue_bytes) for make in exporters]
        in_forked_child(self._forget)

    def _forget(self) -> None:
        self._inherited.append(self._outlet)
        self._outlet = None
        self._dead = False
        self._troubled = False
        self._lost = 0

    def put(self, finished: FinishedSpan) -> None:
        """Take a span, without its payload or not at all if the queue is full."""
        put = self._worker.put
        spare = _ENDS_OF_RUNS if finished.tells_losses else 0
        if put(finished, finished.size, spare=spare):
            return
        if finished.payload is not None:
            alone = finished.without_payload("queue")
            if put(alone, SPAN_BYTES, spare=_SPARE):
                return
        self.losses.count(finished.run_id, "queue")

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until all spans taken so far are written; False if time ran out."""
        return self._each(timeout, Worker.flush, Forwarder.flush)

    def shutdown(self, timeout: float = 30.0) -> bool:
        """Write what is queued, then stop; safe to repeat.

        Returns:
            False if time ran out or the store did not take everything.
        """
        return self._each(timeout, Worker.shutdown, Forwarder.shutdown)

    def _each(
        self,
        timeout: float,
        worker: Callable[[Worker[FinishedSpan], float], bool],
        forwarder: Callable[[Forwarder, float], bool],
    ) -> bool:
        end = time.monotonic() + timeout
        done = worker(self._worker, timeout)
        for each in self._forwarders:
            done &= forwarder(each, max(0.0, end - time.monotonic()))
        return done and not self._dead

    # --- on the worker's thread --------------------------------------------------

    def _deliver(self, batch: Sequence[FinishedSpan]) -> None:
        """Redact, encode, send on and write a batch."""
        outlet = self._connected()
        if outlet is None:
            self._lose([each.run_id for each in batch], "store")
            return
        finisher, writer = outlet.finisher, outlet.writer
        ready = [r for each in batch if (r := self._finished(finisher, each))]
        for forwarder in self._forwarders:
            forwarder.put([each.span for each in ready])
        if ready:
            self._write(writer, ready)

    def _connected(self) -> Outlet | None:
        def connect() -> None:
            self._outlet = self._connect()

        try:
            if self._outlet is None:
                self._insist(connect)
        except Exception as error:  # noqa: BLE001 - the agent must go on
            LOGGER.error("The store cannot be opened (%s)", place_of(error))
        return self._outlet

    def _disconnect(self) -> None:
        if self._dead:
            LOGGER.warning("%d spans are lost: no store took them", self._lost)
        if self._outlet is not None:
            self._outlet.writer.close()
            self._outlet = None

    def _finished(self, finisher: Finisher, each: FinishedSpan) -> _Ready | None:
        lost = self.losses.take(each.run_id) if each.tells_losses else {}
        told = {semconv.RUN_DROPPED + reason: count for reason, count in lost.items()}
        try:
            span = finisher.finish(each, told)
            return _Ready(each.run_id, span, to_record(span))
        except RedactionError:
            reason = "redaction"
        except Exception as error:  # noqa: BLE001 - the other spans must go on
            reason = "encoding"
            LOGGER.error("A span is dropped (%s)", place_of(error))
        self._lose([each.run_id], reason)
        return None

    def _write(self, writer: SpanWriter, ready: Sequence[_Ready]) -> None:
        records = [each.record for each in ready]
        try:
            if not self._insist(lambda: writer.write(records)):
                self._lose([each.run_id for each in ready], "store")
        except Exception as error:  # noqa: BLE001 - a span that no store can take
            if len(ready) > 1:
                for each in ready:
                    self._write(writer, [each])
                return
            LOGGER.error("A span cannot be stored (%s)", place_of(error))
            self._lose([ready[0].run_id], "store")

    def _insist(self, attempt: Callable[[], None]) -> bool:
        """Try until it works; return False if the process ends before that.

        Raises:
            Exception: What is not the store's state, but what it was given.
        """
        for pause in self._pauses():
            try:
                attempt()
            except StoreError as error:
                self._note_trouble(error)
                self._worker.at_work.rest(pause)
            else:
                self._troubled = False
                return True
        self._dead = True
        return False

    def _pauses(self) -> Iterator[Callable[[], object]]:
        closing = self._worker.closing
        tried = 0
        while not closing.is_set():
            seconds = _PAUSES[min(tried, len(_PAUSES) - 1)]
            yield partial(closing.wait, seconds)
            tried += 1
        if self._dead:
            return
        for seconds in _LAST_PAUSES:
            yield partial(time.sleep, seconds)

    def _note_trouble(self, error: StoreError) -> None:
        if not self._troubled:
            self._troubled = True
            LOGGER.warning("The store cannot be written, trying again: %s", error)

    def _lose(self, run_ids: Sequence[str], reason: str) -> None:
        self._lost += len(run_ids)
        for run_id in run_ids:
            self.losses.count(run_id, reason)
