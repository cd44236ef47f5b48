"""The contract of a store. Back ends implement it and repeat none of its text.

What a run is, to every back end: the spans that carry one `semconv.RUN_ID`. Its
root span carries `semconv.RUN_STATUS`; a resumed run has several roots, and the
latest one speaks for it. Without any root it is `interrupted`. A trace in which
no span has a run id, but some are GenAI spans (a Collector wrote them for another
instrumentation), is a run too, and its run id is the trace id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from otel_agent_replay.model.content import PackedBatch
from otel_agent_replay.model.run import Retention, RunFilter, RunMark, RunSummary
from otel_agent_replay.model.span import SpanRecord

__all__ = [
    "ALL_RUNS",
    "Pruned",
    "SpanWriter",
    "Store",
    "StoreCheck",
    "StoreStats",
    "TableStats",
]

ALL_RUNS: Final = RunFilter()
"""The newest runs, whatever they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCheck:
    """What `doctor` tells about a store.

    Attributes:
        url: Where it is; a password is shown as `***`.
        kind: `sqlite` or `clickhouse`.
        version: The engine's version.
        schema: Schema version found; 0 if the tables are not ours.
        known_schema: Schema version that this package writes.
        runs, spans, contents: Rows, duplicates left out.
        content_bytes: Size of the stored payloads before compression.
        problems: What a person should look at; empty if all is well.
    """

    url: str
    kind: str
    version: str
    schema: int
    known_schema: int
    runs: int
    spans: int
    contents: int
    content_bytes: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStats:
    """The size of a table: rows, bytes before and after the engine compressed them.

    Where the engine cannot tell the two apart, they are equal.
    """

    name: str
    rows: int
    raw_bytes: int
    stored_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStats:
    """What a store costs.

    Attributes:
        url, kind: As in `StoreCheck`.
        runs, spans: How many there are.
        tables: Each table, the largest first.
        recorded_bytes: What was recorded: all spans with their payloads inline.
        content_bytes: What is left of the payloads once repeats are gone.
        stored_bytes: What it takes on disk, indexes and logs included.
        oldest_ns, newest_ns: Start of the oldest and newest run; None without runs.
        dropped: What the runs say they lost, by reason.
    """

    url: str
    kind: str
    runs: int
    spans: int
    tables: tuple[TableStats, ...]
    recorded_bytes: int
    content_bytes: int
    stored_bytes: int
    oldest_ns: int | None
    newest_ns: int | None
    dropped: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What pruning deleted, or would delete: runs by run class, and their spans."""

    runs: dict[str, int]
    spans: int


@runtime_checkable
class SpanWriter(Protocol):
    """Takes finished spans."""

    def write(self, spans: Sequence[SpanRecord]) -> None:
        """Store the spans; when it returns, every reader sees them.

        Idempotent by (trace_id, span_id): a span written twice is stored once; of
        two that differ, one stays. Order does not matter, neither inside a batch nor between batches.
        May be called from several threads and processes at once, and after a
        fork. Values come back as they were, whatever text they hold; only a lone
        surrogate outside a payload becomes U+FFFD.

        Raises:
            StoreUnavailableError: Nothing, or only a part, may have been stored;
                writing the same spans again is safe.
            StoreAccessError: The store refuses this user.
        """

    def write_packed(self, batch: PackedBatch) -> None:
        """Store a batch of packed spans, contents before the spans that name them.

        As `write`, but a content that a span names and does not bring along was
        written before. A batch that comes again under its token, after whatever
        became of it, changes nothing in any table or sum.

        Raises:
            StoreUnavailableError: Nothing, or only a part, may have been stored;
                writing the same batch again is safe.
            StoreAccessError: The store refuses this user.
        """


@runtime_checkable
class Store(SpanWriter, Protocol):
    """Keeps runs. Every method may be called from several threads at once.

    Any method may raise `StoreUnavailableError` or `StoreAccessError`.
    """

    @property
    def url(self) -> str:
        """Where the store is; a password is shown as `***`."""

    def runs(self, where: RunFilter = ALL_RUNS) -> list[RunSummary]:
        """Return the runs that fit, newest start first, at most `where.limit`.

        Sums are over the spans stored by now, each counted once. `text` is looked
        for in the values of span and event attributes, with payloads inline.
        """

    def spans(self, run_id: str) -> tuple[SpanRecord, ...]:
        """Return every span of the run's traces, ordered by start, then span id.

        Spans of other runs in the same traces are included. Payloads are inline.
        A payload of which a part is missing is left out, and its span then says
        `payload_missing` in `semconv.STEP_DROPPED`.

        Raises:
            RunNotFoundError: No such run.
        """

    def resolve(self, prefix: str) -> str:
        """Return the one run id that starts so; a whole id always fits itself.

        Raises:
            RunNotFoundError: No run id starts so.
            AmbiguousRunError: Several do.
        """

    def erase(self, run_id: str) -> int:
        """Delete the run's spans and payloads; return how many spans there were.

        Spans of the same traces that belong to no run go with the last run of
        their trace; other runs keep all that is theirs.

        Raises:
            RunNotFoundError: No such run.
        """

    def mark(self, run_id: str, mark: RunMark, *, on: bool) -> None:
        """Put a mark on a stored run, or take it off; doing it again changes nothing.

        A run that loses `flagged` has its own class again. Marks outlive restarts,
        and spans that come later.

        Raises:
            RunNotFoundError: No such run.
        """

    def prune(self, keep: Retention, *, now_ns: int, dry_run: bool = False) -> Pruned:
        """Delete every run that is past its days, as `erase` does; count them.

        Runs marked `golden` stay. What was intended in a run of which no span ever
        came goes after the days of a failed one. With `dry_run` nothing is deleted.
        """

    def purge(self) -> None:
        """Rewrite the files, so that nothing deleted is left in them; may take long."""

    def stats(self) -> StoreStats:
        """Return what the store costs."""

    def setting(self, name: str) -> str | None:
        """Return a setting of this store, None if it was never set."""

    def set_setting_once(self, name: str, value: str) -> str:
        """Set a setting if it has no value yet; return the value it has.

        Atomic: whoever asks, in whichever process, gets the same value.
        """

    def check(self) -> StoreCheck:
        """Return what is there and what is wrong with it."""

    def close(self) -> None:
        """Release connections. May be called twice; other calls reopen."""
