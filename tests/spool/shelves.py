"""Stores that only count, and spans to put into them."""

from __future__ import annotations

from collections import Counter

from otel_agent_replay import semconv
from otel_agent_replay.capture.spool.backlog import Backlog, Sending
from otel_agent_replay.model.content import PackedBatch, PackedSpan, Packer
from otel_agent_replay.model.span import SpanRecord

__all__ = ["TokenShelf", "packed", "root", "send"]


def packed(
    number: int, *, run: str = "ab" * 16, text: str = "", **attributes: str
) -> PackedSpan:
    """Return a span that has a number, and a content if there is a long text."""
    span = SpanRecord(
        trace_id=run,
        span_id=f"{number:016x}",
        name=f"span {number}",
        attributes={
            semconv.RUN_ID: run,
            semconv.STEP_KIND: "tool",
            semconv.STEP_SEQUENCE: str(number),
            "text": text,
            **attributes,
        },
        start_ns=number,
        end_ns=number + 1,
    )
    return Packer().pack(span)


def root(number: int, run: str = "ab" * 16) -> PackedSpan:
    """Return a run as it is in the journal while it is open."""
    marks = {semconv.RUN_STATUS: "interrupted", semconv.STEP_KIND: "agent"}
    return packed(number, run=run, **marks)


class TokenShelf:
    """Keeps every batch once by its token, and nothing else apart."""

    def __init__(self) -> None:
        self.batches: dict[str, PackedBatch] = {}
        self.writes = 0

    def write_packed(self, batch: PackedBatch) -> None:
        self.writes += 1
        known = self.batches.setdefault(batch.token, batch)
        assert known.spans == batch.spans  # the same token for other spans loses some

    def close(self) -> None:
        """Nothing to do."""

    @property
    def names(self) -> Counter[str]:
        """How often each span is there."""
        return Counter(
            each.span.name for batch in self.batches.values() for each in batch.spans
        )


def send(backlog: Backlog, shelf: TokenShelf) -> Sending:
    """Send the next batch, without saying that it was."""
    backlog.hurry()
    sending = backlog.next()
    assert sending is not None
    shelf.write_packed(sending.batch)
    return sending
