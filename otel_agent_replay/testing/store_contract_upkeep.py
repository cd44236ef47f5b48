# ruff: noqa: S101, S106, PLR2004 - these are tests, shipped for authors of stores
"""The part of the store contract about packed batches, marks, retention and costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from otel_agent_replay import semconv
from otel_agent_replay.errors import RunNotFoundError
from otel_agent_replay.model.content import PackedBatch, Packer
from otel_agent_replay.model.run import Retention, RunFilter
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.store.base import Pruned, Store
from otel_agent_replay.testing.store_samples import (
    AT_NS,
    chat_span,
    foreign_trace,
    growing_run,
    hex_id,
    packed_once,
    root_span,
    sample_run,
)

__all__ = ["UpkeepContract"]

_DAY_NS = 86_400_000_000_000
_NOW_NS = AT_NS + 1000 * _DAY_NS


class UpkeepContract:
    """Part of `StoreContract`."""

    # --- packed batches -----------------------------------------------------------

    def test_packed_spans_come_back_as_they_were(self, store: Store) -> None:
        """A batch of packed spans is stored as the spans that were packed."""
        run = sample_run("packed", steps=5)
        store.write_packed(PackedBatch(token="t1", spans=packed_once(run)))

        assert _stored(store, "packed") == _ordered(run)
        assert store.runs()[0].step_count == 5

    def test_contents_may_have_come_with_an_earlier_batch(self, store: Store) -> None:
        """A batch may name contents that only an earlier batch brought along."""
        run = growing_run("earlier", 30)
        packed = packed_once(run)
        for at in range(0, len(packed), 7):
            batch = PackedBatch(token=f"earlier {at}", spans=packed[at : at + 7])
            store.write_packed(batch)

        assert _stored(store, "earlier") == _ordered(run)

    def test_batches_may_come_in_any_order(self, store: Store) -> None:
        """Contents may come after the spans that name them."""
        run = growing_run("late", 30)
        packed = packed_once(run)
        parts = [packed[at : at + 4] for at in range(0, len(packed), 4)]
        for number, part in enumerate(reversed(parts)):
            store.write_packed(PackedBatch(token=f"late {number}", spans=part))

        assert _stored(store, "late") == _ordered(run)
        assert store.runs()[0].step_count == 30

    def test_a_batch_again_changes_nothing(self, store: Store) -> None:
        """Under its token a batch counts once, in rows and in sums."""
        packed = packed_once(sample_run("again", steps=4))
        batches = [
            PackedBatch(token=f"again {at}", spans=packed[at : at + 2])
            for at in range(0, len(packed), 2)
        ]
        for batch in batches:
            store.write_packed(batch)
        once = (store.runs(), store.check(), _stored(store, "again"))
        for batch in [*batches, *batches[::-1]]:
            store.write_packed(batch)

        assert (store.runs(), store.check(), _stored(store, "again")) == once

    def test_a_span_in_two_batches_counts_once(self, store: Store) -> None:
        """What two batches have in common is stored once, and so are its contents."""
        run = sample_run("both", steps=4)
        packed = tuple(map(Packer().pack, run))
        store.write_packed(PackedBatch(token="one", spans=packed[:3]))
        store.write_packed(PackedBatch(token="two", spans=packed[1:]))
        contents = store.check().contents
        store.write_packed(PackedBatch(token="three", spans=packed))

        assert _stored(store, "both") == _ordered(run)
        assert store.runs()[0].input_tokens == 400
        assert store.check().contents == contents

    def test_a_content_that_never_came_is_said(self, store: Store) -> None:
        """A payload of which a part was not brought along is left out, and marked."""
        first, second, *_ = packed_once(growing_run("lost", 2))
        store.write_packed(PackedBatch(token="lost", spans=(second,)))
        (found,) = store.spans(first.scope)

        missing = semconv.DROPPED_PAYLOAD_MISSING
        assert found.attributes[semconv.STEP_DROPPED] == missing

    # --- marks --------------------------------------------------------------------

    def test_a_flagged_run_is_of_that_class(self, store: Store) -> None:
        """Flagged twice is flagged; unflagged, a run has its own class again."""
        store.write(sample_run("m", root={semconv.RUN_CLASS: "test"}))
        run_id = hex_id("m")
        seen = [store.runs()[0].run_class]
        for on in (True, True, False, False):
            store.mark(run_id, "flagged", on=on)
            seen.append(store.runs()[0].run_class)

        assert seen == ["test", "flagged", "flagged", "test", "test"]

    def test_a_mark_outlives_later_spans_and_restarts(
        self, connect: Callable[[], Store], store: Store
    ) -> None:
        """Spans that come after the mark do not undo it."""
        *steps, root = sample_run("later")
        store.write(steps)
        store.mark(hex_id("later"), "flagged", on=True)
        store.write([root])
        store.close()
        again = connect()
        found = again.runs(RunFilter(run_class="flagged"))
        again.close()

        assert [run.run_id for run in found] == [hex_id("later")]
        assert found[0].status == "success"

    def test_a_foreign_run_can_be_marked(self, store: Store) -> None:
        """A run of another instrumentation is flagged like one of ours."""
        store.write(foreign_trace("f"))
        store.mark(hex_id("f"), "flagged", on=True)

        assert store.runs()[0].run_class == "flagged"

    def test_a_mark_goes_with_its_run(self, store: Store) -> None:
        """What is erased and written again is not flagged."""
        store.write(sample_run("m"))
        store.mark(hex_id("m"), "flagged", on=True)
        store.erase(hex_id("m"))
        store.write(sample_run("m"))

        assert store.runs()[0].run_class == "success"

    def test_an_unknown_run_cannot_be_marked(self, store: Store) -> None:
        """Marking makes up no run."""
        for mark in ("flagged", "golden"):
            with pytest.raises(RunNotFoundError):
                store.mark("nothing", mark, on=True)
        assert store.runs() == []

    # --- retention ----------------------------------------------------------------

    def test_runs_past_their_days_are_pruned_by_class(self, store: Store) -> None:
        """Each class has its days; what is younger stays, with all its payloads."""
        keep = Retention(success=7, failed=30, flagged=90, test=1)
        ages = {"success": 7, "failed": 30, "flagged": 90, "test": 1}
        for run_class, days in ages.items():
            for name, more in (("old", 1), ("young", -1)):
                store.write(
                    sample_run(
                        f"{run_class} {name}",
                        start_ns=_NOW_NS - days * _DAY_NS - more,
                        root={semconv.RUN_CLASS: run_class},
                    )
                )
        wanted = Pruned(runs=dict.fromkeys(ages, 1), spans=16)
        tried = store.prune(keep, now_ns=_NOW_NS, dry_run=True)
        before = len(store.runs())
        done = store.prune(keep, now_ns=_NOW_NS)

        assert (tried, before, done) == (wanted, 8, wanted)
        assert {run.run_id for run in store.runs()} == {
            hex_id(f"{run_class} young") for run_class in ages
        }
        assert len(store.spans(hex_id("failed young"))) == 4
        assert store.prune(keep, now_ns=_NOW_NS) == Pruned(runs={}, spans=0)

    def test_a_run_cut_short_is_kept_as_a_failed_one(self, store: Store) -> None:
        """Without a root a run has the days of failed ones."""
        store.write([chat_span(hex_id("cut"), 0, start_ns=_NOW_NS - 10 * _DAY_NS)])
        keep = Retention(success=1, failed=30)

        assert store.prune(keep, now_ns=_NOW_NS).runs == {}
        assert store.prune(Retention(failed=9), now_ns=_NOW_NS).runs == {"failed": 1}

    def test_golden_and_flagged_runs_stay(self, store: Store) -> None:
        """A golden run is never pruned; a flagged one has the days of flagged ones."""
        start_ns = _NOW_NS - 50 * _DAY_NS
        for name in ("golden", "flagged", "plain"):
            store.write(sample_run(name, start_ns=start_ns))
        store.mark(hex_id("golden"), "golden", on=True)
        store.mark(hex_id("flagged"), "flagged", on=True)

        assert store.prune(Retention(), now_ns=_NOW_NS).runs == {"success": 1}
        assert {run.run_id for run in store.runs()} == {
            hex_id("golden"),
            hex_id("flagged"),
        }
        store.mark(hex_id("golden"), "golden", on=False)
        assert store.prune(Retention(), now_ns=_NOW_NS).runs == {"success": 1}

    def test_pruning_deletes_as_erasing_does(self, store: Store) -> None:
        """Runs of one trace go one by one; strays stay as long as one run is left."""
        trace_id = hex_id("shared prune")
        old, young = (
            root_span(name, trace_id=trace_id, start_ns=_NOW_NS - days * _DAY_NS)
            for name, days in (("old run", 9), ("young run", 1))
        )
        stray = replace(foreign_trace("stray")[2], trace_id=trace_id)
        store.write([old, young, stray, *foreign_trace("alone")])
        keep = Retention(success=7, failed=7)
        tried = store.prune(keep, now_ns=_NOW_NS, dry_run=True)

        assert tried == store.prune(keep, now_ns=_NOW_NS)
        assert tried == Pruned(runs={"success": 1, "failed": 1}, spans=4)
        assert store.spans("young run") == (stray, young)

    # --- purging and costs --------------------------------------------------------

    def test_a_purge_keeps_what_is_there(self, store: Store) -> None:
        """After a purge everything that was not erased reads as before."""
        kept = sample_run("kept")
        store.write([*kept, *sample_run("gone")])
        store.mark(hex_id("kept"), "golden", on=True)
        store.set_setting_once("name", "value")
        store.erase(hex_id("gone"))
        store.purge()
        store.write(sample_run("after"))

        assert _stored(store, "kept") == _ordered(kept)
        assert store.setting("name") == "value"
        assert len(store.runs()) == 2
        assert store.prune(Retention(), now_ns=_NOW_NS).runs == {"success": 1}

    def test_stats_of_an_empty_store(self, store: Store) -> None:
        """Where nothing is, nothing is counted."""
        stats = store.stats()

        assert (stats.runs, stats.spans, stats.dropped) == (0, 0, {})
        assert (stats.oldest_ns, stats.newest_ns) == (None, None)
        assert (stats.recorded_bytes, stats.content_bytes) == (0, 0)

    def test_stats_say_what_was_recorded_and_what_it_takes(self, store: Store) -> None:
        """Repeats count in what was recorded, not in what is left of it."""
        run = growing_run("grows", 120)
        store.write(run)
        store.write(sample_run("other", start_ns=AT_NS + 5 * _DAY_NS))
        stats = store.stats()
        inline = sum(
            len(v) for s in run for e in s.events for v in e.attributes.values()
        )

        assert (stats.runs, stats.spans) == (2, len(run) + 4)
        assert (stats.url, stats.kind) == (store.url, store.check().kind)
        assert inline <= stats.recorded_bytes < 2 * inline
        assert 0 < stats.content_bytes < inline / 10
        assert stats.stored_bytes > 0
        assert (stats.oldest_ns, stats.newest_ns) == (AT_NS, AT_NS + 5 * _DAY_NS)
        sizes = [table.stored_bytes for table in stats.tables]
        assert sizes == sorted(sizes, reverse=True)
        assert sum(table.rows for table in stats.tables) > 0

    def test_stats_add_up_losses_by_reason(self, store: Store) -> None:
        """What runs say they lost is told for all of them together."""
        queue, size = f"{semconv.RUN_DROPPED}queue", f"{semconv.RUN_DROPPED}size"
        store.write(sample_run("one", root={queue: "2", size: "0"}))
        store.write(sample_run("two", root={queue: "3", size: "1"}))
        store.write([*sample_run("two", root={queue: "3", size: "1"})])
        before = store.stats().dropped
        store.erase(hex_id("two"))

        assert before == {"queue": 5, "size": 1}
        assert store.stats().dropped == {"queue": 2}


def _stored(store: Store, seed: str) -> list[SpanRecord]:
    return list(store.spans(hex_id(seed)))


def _ordered(spans: Sequence[SpanRecord]) -> list[SpanRecord]:
    return sorted(spans, key=lambda span: (span.start_ns, span.span_id))
