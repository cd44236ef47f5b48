# ruff: noqa: S101, S311, PLR2004 - these are tests, shipped for authors of stores
"""The contract of `store.base.Store` as tests that every back end must pass.

Use it so, in a test file of your own; `connect` returns a new connection to one
store, which is empty when the test begins:

    pytest.register_assert_rewrite(
        "otel_agent_replay.testing.store_contract",
        "otel_agent_replay.testing.store_contract_runs",
        "otel_agent_replay.testing.store_contract_upkeep",
    )
    from otel_agent_replay.testing.store_contract import StoreContract

    class TestMyStore(StoreContract):
        @pytest.fixture
        def connect(self, tmp_path):
            return lambda: MyStore(tmp_path / "runs")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random

import pytest

from otel_agent_replay import semconv
from otel_agent_replay.errors import AmbiguousRunError, RunNotFoundError
from otel_agent_replay.model.payload import JsonValue, dump_json
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.store.base import Store
from otel_agent_replay.testing.store_contract_runs import RunListContract
from otel_agent_replay.testing.store_contract_upkeep import UpkeepContract
from otel_agent_replay.testing.store_samples import (
    AT_NS,
    chat_span,
    foreign_trace,
    growing_run,
    hex_id,
    odd_span,
    root_span,
    sample_run,
    with_attributes,
)

__all__ = ["Connect", "StoreContract"]

Connect = Callable[[], Store]

_ODD = (
    "",
    "\x00 nul \x00",
    "line\nbreak\ttab 'quote' \"double\" \\ back",
    "größe 漢字 🜚 e\u0301",
    "NULL",
    "{}",
    "[1, 2",
    '["#abc"]',
    "é" * 5_000,
    "\\N" + "x" * 300,
    semconv.CONTENT_PREFIX,
)


class StoreContract(RunListContract, UpkeepContract):
    """Subclass it and give the fixture `connect`."""

    @pytest.fixture
    def connect(self) -> Connect:
        """Return what opens the store of this test, empty at first."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, connect: Connect) -> Iterator[Store]:
        """Return an open connection to the store."""
        opened = connect()
        yield opened
        opened.close()

    def test_spans_come_back_equal_and_in_order(self, store: Store) -> None:
        """Spans written in any order come back as they were, by start, then id."""
        run = sample_run("a", steps=5)
        same_time = [replace(each, start_ns=AT_NS) for each in run[:2]]
        run = [*same_time, *run[2:]]
        Random(1).shuffle(run)
        for span in run:
            store.write([span])

        assert list(store.spans(hex_id("a"))) == sorted(run, key=_order)

    def test_odd_texts_come_back_as_they_were(self, store: Store) -> None:
        """NUL, unicode, quotes, empty maps, late clocks: nothing changes."""
        span = odd_span(hex_id("odd"), _ODD)
        bare = SpanRecord(
            trace_id=span.trace_id, span_id="2" * 16, name="", start_ns=1, end_ns=2
        )
        store.write([span, bare])

        assert store.spans(hex_id("odd")) == (bare, span)

    def test_nanoseconds_are_exact(self, store: Store) -> None:
        """Times keep their last digit, on spans and on events."""
        spans = [chat_span(hex_id("t"), n, start_ns=AT_NS + n) for n in range(10)]
        store.write(spans)

        assert [(s.start_ns, s.end_ns) for s in store.spans(hex_id("t"))] == [
            (s.start_ns, s.end_ns) for s in spans
        ]

    def test_reserved_attribute_names_of_users_survive(self, store: Store) -> None:
        """A key that looks like a reference of ours is still the user's own."""
        key = semconv.CONTENT_PREFIX + semconv.INPUT_MESSAGES
        odd = {key: '["=fake"]', semconv.CONTENT_PREFIX * 2: "x" * 999}
        span = with_attributes(root_span(hex_id("r")), odd)
        store.write([span])

        assert store.spans(hex_id("r")) == (span,)

    def test_a_lone_surrogate_in_a_payload_survives(self, store: Store) -> None:
        """Half an emoji, cut by someone else, breaks no batch and is not changed."""
        more = {"short": "a\ud83d", "long": "b" * 999 + "\ude00"}
        span = with_attributes(root_span(hex_id("s")), more)
        renamed = replace(root_span(hex_id("s2")), name="half \ud83d")
        store.write([span, renamed])

        assert store.spans(hex_id("s")) == (span,)
        assert store.spans(hex_id("s2"))[0].name == "half \ufffd"

    def test_huge_values_come_back(self, store: Store) -> None:
        """Values of 8 MB, JSON or not, are stored whole."""
        said: list[JsonValue] = [
            {"role": "user", "content": hex_id(str(n)) * 25} for n in range(10_000)
        ]
        spans = [
            chat_span(hex_id("big"), 1, messages=said),
            with_attributes(root_span(hex_id("big")), {"text": "a é" * 2_000_000}),
        ]
        store.write(spans)

        assert list(store.spans(hex_id("big"))) == sorted(spans, key=_order)

    def test_a_long_run_comes_back(self, store: Store) -> None:
        """Ten thousand spans, in batches, are one run."""
        run_id = hex_id("long")
        spans = [chat_span(run_id, number, messages=[]) for number in range(10_000)]
        for start in range(0, len(spans), 2_000):
            store.write(spans[start : start + 2_000])

        assert store.spans(run_id) == tuple(spans)
        assert store.runs()[0].step_count == 10_000

    def test_the_same_span_is_stored_once(self, store: Store) -> None:
        """Writing twice, in one batch or two, changes neither spans nor sums."""
        run = sample_run("twice")
        store.write([*run, *run])
        once = store.runs()
        store.write(run[::-1])

        assert len(store.spans(hex_id("twice"))) == len(run)
        assert store.runs() == once
        assert once[0].input_tokens == 300

    def test_an_empty_batch_is_nothing(self, store: Store) -> None:
        """Writing nothing stores nothing."""
        store.write([])

        assert store.runs() == []

    def test_a_prefix_finds_its_run(self, store: Store) -> None:
        """One run fits: its id. None or several fit: an error that says so."""
        for run_id in ("abc1", "abc2", "abc", "b_1"):
            store.write([root_span(run_id, trace_id=hex_id(run_id))])

        assert store.resolve("abc2") == "abc2"
        assert store.resolve("abc") == "abc"
        assert store.resolve("b") == "b_1"
        with pytest.raises(RunNotFoundError):
            store.resolve("b%")
        with pytest.raises(AmbiguousRunError) as caught:
            store.resolve("ab")
        assert sorted(caught.value.run_ids) == ["abc", "abc1", "abc2"]

    def test_an_unknown_run_is_an_error(self, store: Store) -> None:
        """Neither spans nor erase nor resolve make up a run."""
        for method in (store.spans, store.erase, store.resolve):
            with pytest.raises(RunNotFoundError):
                method("nothing")

    def test_an_erased_run_is_gone_and_others_stay(self, store: Store) -> None:
        """Erase takes the run's spans and payloads, and leaves equal ones of others."""
        gone, kept = sample_run("gone", text="same"), sample_run("kept", text="same")
        store.write([*gone, *kept])

        assert store.erase(hex_id("gone")) == len(gone)
        assert [run.run_id for run in store.runs()] == [hex_id("kept")]
        assert list(store.spans(hex_id("kept"))) == sorted(kept, key=_order)
        with pytest.raises(RunNotFoundError):
            store.spans(hex_id("gone"))

    def test_an_erased_run_can_be_written_again(self, store: Store) -> None:
        """What was erased comes back whole when it is imported again."""
        run = sample_run("again")
        store.write(run)
        store.erase(hex_id("again"))
        store.write(run)

        assert list(store.spans(hex_id("again"))) == sorted(run, key=_order)
        assert store.runs()[0].step_count == 3

    def test_erase_in_a_shared_trace(self, store: Store) -> None:
        """Runs of a trace are erased one by one; strays go with the last one."""
        trace_id = hex_id("shared erase")
        said: list[JsonValue] = [{"role": "user", "content": "shared words " * 90}]
        spans = {
            name: replace(
                chat_span(name, 1, messages=said), trace_id=trace_id, span_id=name
            )
            for name in ("one", "two")
        }
        stray = replace(foreign_trace("stray")[2], trace_id=trace_id)
        store.write([*spans.values(), stray])

        assert store.erase("one") == 1
        assert store.spans("two") == (stray, spans["two"])
        assert store.erase("two") == 2
        assert store.runs() == []

    def test_an_erased_foreign_run_is_gone(self, store: Store) -> None:
        """A run of another instrumentation is erased like one of ours."""
        store.write(foreign_trace("f"))

        assert store.erase(hex_id("f")) == 3
        assert store.runs() == []

    def test_payloads_are_stored_once(self, store: Store) -> None:
        """Twice the steps are about twice the bytes, though each sends all before."""
        store.write(growing_run("short", 100))
        short = store.check().content_bytes
        store.erase(hex_id("short"))
        run = growing_run("long", 200)
        store.write(run)
        long = store.check().content_bytes

        assert long < 2.5 * short
        inline = sum(len(dump_json(dict(e.attributes))) for s in run for e in s.events)
        assert long < inline / 50
        assert list(store.spans(hex_id("long"))) == sorted(run, key=_order)

    def test_many_threads_write_and_read(self, store: Store) -> None:
        """Threads may share one connection; nothing is lost or doubled."""
        runs = [sample_run(f"thread {number}", steps=4) for number in range(8)]
        pieces = [[span] for run in runs for span in run]
        pieces += [run[1:3] for run in runs]
        Random(2).shuffle(pieces)

        with ThreadPoolExecutor(8) as pool:
            for _ in pool.map(store.write, pieces):
                pass
            found = list(pool.map(store.spans, [run[0].trace_id for run in runs]))

        assert [sorted(each, key=_order) for each in map(list, found)] == [
            sorted(run, key=_order) for run in runs
        ]
        assert {run.step_count for run in store.runs()} == {4}

    def test_a_setting_is_set_once(self, connect: Connect, store: Store) -> None:
        """Of many that set a setting at once, all get the value of one."""
        assert store.setting("key") is None
        stores = [connect() for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            got = list(
                pool.map(
                    lambda each: each[1].set_setting_once("key", f"value {each[0]}"),
                    enumerate(stores),
                )
            )
        for each in stores:
            each.close()

        assert len(set(got)) == 1
        assert store.setting("key") == got[0]
        assert store.set_setting_once("key", "later") == got[0]
        assert store.set_setting_once("other", "é\x00'") == "é\x00'"

    def test_everything_is_there_after_reopening(
        self, connect: Connect, store: Store
    ) -> None:
        """A store that is closed and opened again has what was written."""
        run = sample_run("kept")
        store.write(run)
        store.set_setting_once("name", "value")
        listed = store.runs()
        store.close()
        store.close()
        again = connect()

        assert again.runs() == listed
        assert list(again.spans(hex_id("kept"))) == sorted(run, key=_order)
        assert again.setting("name") == "value"
        again.close()

    def test_check_counts(self, store: Store) -> None:
        """`check` tells what is there, and that nothing is wrong."""
        run = sample_run("checked")
        store.write([*run, *run])
        check = store.check()

        assert (check.runs, check.spans, check.problems) == (1, len(run), ())
        assert check.schema == check.known_schema > 0
        assert check.contents > 0
        assert check.url == store.url


def _order(span: SpanRecord) -> tuple[int, str]:
    return (span.start_ns, span.span_id)
