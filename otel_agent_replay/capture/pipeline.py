"""Finished spans on their way: a bounded queue, a worker, the spool, the store, OTLP.

The agent's thread only puts references into the queue. The worker redacts, packs and
writes to the spool; another thread takes that to the store. The queue is bounded by
bytes. When it is full, the newest spans come without their payload; when that is too
much, they are dropped, and counted against their run.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from opentelemetry.sdk.trace.export import SpanExporter

from otel_agent_replay import semconv
from otel_agent_replay.capture.begun import BEGUN_BYTES, Begun
from otel_agent_replay.capture.encode import Finisher
from otel_agent_replay.capture.finished import SPAN_BYTES, FinishedSpan
from otel_agent_replay.capture.forks import in_forked_child
from otel_agent_replay.capture.forward import Forwarder
from otel_agent_replay.capture.guard import LOGGER, place_of
from otel_agent_replay.capture.losses import Losses
from otel_agent_replay.capture.record import to_record
from otel_agent_replay.capture.sampling import Rates, Sampler
from otel_agent_replay.capture.spool.backlog import Backlog, Limits
from otel_agent_replay.capture.spool.drain import Drain, PackedWriter
from otel_agent_replay.capture.spool.journal import Journal, Key
from otel_agent_replay.capture.spool.recovery import cut_off
from otel_agent_replay.capture.worker import Worker
from otel_agent_replay.errors import StoreError
from otel_agent_replay.model.content import PackedSpan, Packer
from otel_agent_replay.redact import RedactionError

__all__ = ["Outlet", "Pipeline", "Queue"]

_PAUSES: Final = (0.05, 0.2, 0.8, 2.0, 5.0)
"""Before trying again; the last one is repeated."""
_SPARE: Final = 4 * 1024 * 1024
"""Room over the limit, for spans without their payloads."""
_ENDS_OF_RUNS: Final = 1 << 40
"""Room for the few spans that say that a run has ended, and what it lost."""

_Item: TypeAlias = FinishedSpan | Begun


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """Where spans go.

    Attributes:
        finisher: Makes what redacts and packs them. It may raise a `StoreError`, and
            is then asked again: the key of the pseudonyms may be in the store.
        writer: Opens the store.
        spool: The folder for what waits; None keeps it in memory.
        prepare: Called once, while the first model call is made: to load then what
            reading its answer needs.
        limits: How much may wait there.
        rates: Which successful runs keep their payloads.
    """

    finisher: Callable[[], Finisher]
    writer: Callable[[], PackedWriter]
    spool: Path | None = None
    prepare: Callable[[], object] = bool
    limits: Limits = field(default_factory=Limits)
    rates: Rates = field(default_factory=Rates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What may wait in memory for the worker.

    Attributes:
        bytes: How much.
        wait: How many seconds the agent waits for room, before something is dropped.
    """

    bytes: int
    wait: float = 0.0


@dataclass(slots=True)
class _Taken:
    """What a batch comes to: spans for the store, ends of runs, and what is held."""

    ready: list[PackedSpan] = field(default_factory=list)
    ends: list[PackedSpan] = field(default_factory=list)
    held: dict[str, list[PackedSpan]] = field(default_factory=dict)


class Pipeline:
    """Takes finished spans from any thread; never raises there.

    While the store cannot be written, spans wait in the spool; what is left there when
    the process ends is stored by the next one.
    """

    def __init__(
        self,
        outlet: Outlet,
        *,
        exporters: Sequence[Callable[[], SpanExporter]] = (),
        losses: Losses,
        queue: Queue,
    ) -> None:
        self._outlet = outlet
        self._queue = queue
        self.losses = losses
        self._backlog = Backlog(outlet.spool, outlet.limits)
        self._drain = Drain(
            self._backlog, outlet.writer, lost=self._lose_spans, dead=outlet.spool
        )
        self._forget()
        self._worker: Worker[_Item] = Worker(
            "agent-replay-writer",
            self._deliver,
            limit=queue.bytes,
            ended=self._end,
            lost=self._lose_batch,
        )
        self._forwarders = [Forwarder(make, limit=queue.bytes) for make in exporters]
        in_forked_child(self._forget)

    def _forget(self) -> None:
        self._finisher: Finisher | None = None
        self._journal = Journal()
        self._backlog.carry(self._journal.opened)
        self._packer = Packer()
        self._sampler = Sampler(self._outlet.rates)
        self._prepared = False
        self._dropped: deque[Key] = deque()
        """What has ended and was dropped, for the journal."""
        self._used = self._told = self._troubled = False
        self._unready = 0

    def put(self, finished: FinishedSpan) -> None:
        """Take a span, without its payload or not at all if the queue is full."""
        put = self._worker.put
        spare = _ENDS_OF_RUNS if finished.tells_losses else 0
        if put(finished, finished.size, spare=spare, wait=self._queue.wait):
            return
        if finished.payload is not None:
            alone = finished.without_payload("queue")
            if put(alone, SPAN_BYTES, spare=_SPARE):
                return
        self.losses.count(finished.run_id, "queue")
        self._dropped.append(finished.key)

    def begin(self, begun: Begun) -> None:
        """Take a span that has begun; it is told of only if it has not ended by then."""
        self._worker.put(begun, BEGUN_BYTES)

    @property
    def queued_bytes(self) -> int:
        """About how many bytes wait to be redacted."""
        return self._worker.bytes

    @property
    def waiting(self) -> int:
        """How many spans wait for the store."""
        return self._backlog.left()

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until all spans taken so far are stored; False if time ran out."""
        end = time.monotonic() + timeout
        done = self._worker.flush(timeout)
        done &= self._drain.flush(max(0.0, end - time.monotonic()))
        for each in self._forwarders:
            done &= each.flush(max(0.0, end - time.monotonic()))
        return done

    def spooled(self, timeout: float) -> bool:
        """Wait until all spans taken so far are in the spool; False if time ran out."""
        return self._worker.flush(timeout)

    def drained(self, timeout: float) -> bool:
        """Take no more, and write what can be; False if it is still at that.

        Gives nothing up, so it may be called again. Runs and steps that are still open
        are stored as cut off.
        """
        end = time.monotonic() + timeout
        done = self._written(timeout)
        for each in self._forwarders:
            done &= each.flush(max(0.0, end - time.monotonic()))
        return done

    def shutdown(self, timeout: float = 30.0) -> bool:
        """Write what is queued, then stop; safe to repeat.

        Returns:
            False if time ran out or the store did not take everything.
        """
        end = time.monotonic() + timeout
        done = self._written(timeout)
        if self._used:
            done &= self._drain.shutdown(0.0)
            self._tell_what_is_left()
        for each in self._forwarders:
            done &= each.shutdown(max(0.0, end - time.monotonic()))
        return done and not self._unready

    def _written(self, timeout: float) -> bool:
        """Have our own threads end; False if they are still at work."""
        end = time.monotonic() + timeout
        if not self._worker.shutdown(timeout):
            return False
        return not self._used or self._drain.end(max(0.0, end - time.monotonic()))

    def _tell_what_is_left(self) -> None:
        left = self._backlog.left()
        if self._told or not left:
            return
        self._told = True
        gone = self._backlog.spans_in_memory()
        self._lose_spans(gone, "store")
        if gone:
            LOGGER.warning("%d spans are lost: no store took them", len(gone))
        if left > len(gone):
            LOGGER.warning(
                "%d spans wait in %s: the store did not take them. The next start, or "
                "`agent-replay recover`, stores them.",
                left - len(gone),
                self._outlet.spool,
            )

    # --- on the worker's thread --------------------------------------------------

    def _deliver(self, batch: Sequence[_Item]) -> None:
        """Redact, pack, send on and spool a batch."""
        finisher = self._ready()
        finished = [each for each in batch if isinstance(each, FinishedSpan)]
        if finisher is None:
            self._unready += len(finished)
            for each in finished:
                self.losses.count(each.run_id, "store")
            return
        ended = {each.key for each in finished}
        begun = [b for b in batch if isinstance(b, Begun) and b.key not in ended]
        # That there is a run is written down first of all: packing may take a while.
        self._backlog.put((), self._opened(finisher, [b for b in begun if b.is_run]))
        taken = _Taken()
        for each in [each for each in finished if not each.tells_losses]:
            self._take(finisher, each, taken)
        opened = self._opened(finisher, [b for b in begun if not b.is_run])
        self._spool(finisher, taken.ready, opened)
        self._prepare(begun)
        # They tell what their run has lost, in this batch too.
        for each in [each for each in finished if each.tells_losses]:
            self._take(finisher, each, taken)
        for run_id, spans in taken.held.items():
            self._backlog.hold(run_id, spans)
        if taken.ends:
            self._spool(finisher, taken.ends, spare=True)
        self._used = True
        self._drain.start()

    def _take(self, finisher: Finisher, each: FinishedSpan, taken: _Taken) -> None:
        """Pack a span, and say whether it goes to the store or is held."""
        packed = self._packed(finisher, each)
        self._journal.ended(each.key)
        if packed is None:
            return
        sifted = self._sampler.sift(packed)
        if sifted.held:
            taken.held.setdefault(each.run_id, []).append(packed)
        if sifted.settled is not None:
            taken.held.pop(sifted.settled, None)
            self._backlog.settle(sifted.settled)
        if sifted.left_out:
            finisher.forget(packed.scope)
        (taken.ends if each.tells_losses else taken.ready).extend(sifted.store)

    def _ready(self) -> Finisher | None:
        """Return what redacts, as soon as it can be had; None if the process ends."""
        try:
            for pause in () if self._finisher else self._pauses():
                try:
                    self._finisher = self._outlet.finisher()
                    break
                except StoreError as error:
                    if not self._troubled:
                        self._troubled = True
                        LOGGER.warning(
                            "The store cannot be opened, trying again: %s", error
                        )
                    self._worker.at_work.rest(pause)
        except Exception as error:  # noqa: BLE001 - the agent must go on
            LOGGER.error("The store cannot be opened (%s)", place_of(error))
        return self._finisher

    def _pauses(self) -> Iterator[Callable[[], object]]:
        closing = self._worker.closing
        tried = 0
        while not closing.is_set():
            seconds = _PAUSES[min(tried, len(_PAUSES) - 1)]
            yield partial(closing.wait, seconds)
            tried += 1
        yield lambda: None

    def _packed(self, finisher: Finisher, each: FinishedSpan) -> PackedSpan | None:
        cut = each.cut_by_limits
        if cut:
            self.losses.count(each.run_id, "sdk_limit", cut)
        lost = self.losses.take(each.run_id) if each.tells_losses else {}
        told = {semconv.RUN_DROPPED + reason: count for reason, count in lost.items()}
        try:
            if self._forwarders:
                span = finisher.finish(each, told)
                for forwarder in self._forwarders:
                    forwarder.put([span])
            packed = finisher.pack(each, told)
        except RedactionError:
            reason = "redaction"
        except Exception as error:  # noqa: BLE001 - the other spans must go on
            reason = "encoding"
            LOGGER.error("A span is dropped (%s)", place_of(error))
        else:
            without = packed.span.attributes.get(semconv.STEP_DROPPED)
            if without is not None:
                self.losses.note(without)
            return packed
        self.losses.count(each.run_id, reason)
        return None

    def _opened(self, finisher: Finisher, begun: Iterable[Begun]) -> list[PackedSpan]:
        """Take what has begun and not ended into the journal; return it packed."""
        while self._dropped:
            self._journal.ended(self._dropped.popleft())
        opened: list[PackedSpan] = []
        for each in begun:
            try:
                record = to_record(finisher.finish(each.as_open(), {}))
            except Exception as error:  # noqa: BLE001 - it is told of again when it ends
                LOGGER.warning("A call is not in the journal (%s)", place_of(error))
                continue
            packed = self._packer.pack(record)
            self._journal.began(each.key, packed)
            opened.append(packed)
        return opened

    def _prepare(self, begun: Sequence[Begun]) -> None:
        if not self._prepared and any(each.asks_model for each in begun):
            self._prepared = True
            self._outlet.prepare()

    def _spool(
        self,
        finisher: Finisher,
        spans: Sequence[PackedSpan],
        opened: Sequence[PackedSpan] = (),
        *,
        spare: bool = False,
    ) -> None:
        """Put spans into the spool; where it is full, the oldest that still fit.

        What has begun goes with them in one write: numbered steps come in order, so
        one that is cut off in the middle leaves no gap.
        """
        if self._backlog.put(spans, opened, spare=spare):
            return
        if len(spans) > 1:
            half = len(spans) // 2
            self._spool(finisher, spans[:half], spare=spare)
            self._spool(finisher, spans[half:], spare=spare)
            return
        for each in spans:
            finisher.forget(each.scope)
        self._lose_spans(spans, "spool")

    def _lose_spans(self, spans: Sequence[PackedSpan], reason: str) -> None:
        for each in spans:
            self.losses.count(each.span.attributes.get(semconv.RUN_ID, ""), reason)

    def _lose_batch(self, batch: Sequence[_Item]) -> None:
        """Count what a mistake of ours has lost."""
        for each in batch:
            if isinstance(each, FinishedSpan):
                self.losses.count(each.run_id, "capture")

    def _end(self) -> None:
        """Store what never ended as cut off now."""
        while self._dropped:
            self._journal.ended(self._dropped.popleft())
        opened = self._journal.opened()
        held = self._sampler.rest()
        if held:
            self._backlog.put(held, spare=True)
        if self._unready:
            LOGGER.warning("%d spans are lost: no store took them", self._unready)
        if opened:
            self._backlog.put(cut_off(opened, time.time_ns()), spare=True)
