# ruff: noqa: S101, S311 - these are tests, shipped for authors of stores
"""The part of the store contract that is about run lists: sums and filters."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from random import Random
from typing import Any

import pytest

from otel_agent_replay import semconv
from otel_agent_replay.errors import RunNotFoundError
from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.model.run import RunFilter, RunSummary
from otel_agent_replay.store.base import Store
from otel_agent_replay.testing.store_samples import (
    AT_NS,
    chat_span,
    foreign_trace,
    hex_id,
    root_span,
    sample_run,
    with_attributes,
)

__all__ = ["RunListContract"]


class RunListContract:
    """Part of `StoreContract`."""

    def test_a_run_is_listed(self, store: Store) -> None:
        """The summary says what the root says, and adds up the steps."""
        root = {
            semconv.RUN_CLASS: "flagged",
            semconv.RUN_PARENT_ID: "parent",
            f"{semconv.RUN_DROPPED}redaction": "2",
            f"{semconv.RUN_DROPPED}queue": "1",
        }
        store.write(sample_run("one", root=root))

        assert store.runs() == [
            RunSummary(
                run_id=hex_id("one"),
                trace_id=hex_id("one"),
                agent_name="triage",
                agent_version="1.4",
                user="user-1",
                conversation="conversation-1",
                status="success",
                run_class="flagged",
                parent_run_id="parent",
                tags=("nightly", "eu"),
                start_ns=AT_NS,
                end_ns=AT_NS + 60_000_000_000,
                step_count=3,
                input_tokens=300,
                output_tokens=60,
                cost_usd=0.75,  # sums of quarters are exact
                dropped=3,
            )
        ]

    def test_late_and_shuffled_spans_add_up_the_same(self, store: Store) -> None:
        """A summary does not depend on the order in which spans came in."""
        wanted = []
        for seed in range(3):
            run = sample_run(f"order {seed}", steps=4)
            Random(seed).shuffle(run)
            for span in run:
                store.write([span])
            wanted.append((hex_id(f"order {seed}"), 4, 400, "triage"))

        assert sorted(
            (r.run_id, r.step_count, r.input_tokens, r.agent_name) for r in store.runs()
        ) == sorted(wanted)

    def test_runs_of_a_parent(self, store: Store) -> None:
        """Replays and forks are found by the whole id of the run they come from."""
        of_one = {semconv.RUN_PARENT_ID: hex_id("one")}
        for name, root in (("one", {}), ("two", of_one), ("three", of_one)):
            store.write(sample_run(name, root=root))

        found = store.runs(RunFilter(parent_run_id=hex_id("one")))

        assert {run.run_id for run in found} == {hex_id("two"), hex_id("three")}
        assert store.runs(RunFilter(parent_run_id=hex_id("one")[:8])) == []
        assert store.runs(RunFilter(parent_run_id=hex_id("two"))) == []

    def test_a_run_without_root_is_interrupted(self, store: Store) -> None:
        """A killed process leaves its steps; the root may still come later."""
        *steps, root = sample_run("killed")
        lost = with_attributes(steps[0], {semconv.STEP_DROPPED: "redaction"})
        store.write([lost, *steps[1:]])
        before = store.runs()[0]
        store.write([root])
        after = store.runs()[0]

        assert (before.status, before.run_class) == ("interrupted", "failed")
        assert (before.step_count, before.dropped) == (3, 1)
        assert before.agent_version is None
        assert (after.status, after.run_class) == ("success", "success")

    def test_the_latest_root_speaks_for_a_resumed_run(self, store: Store) -> None:
        """Of several roots the one that started last gives status and version."""
        run_id = hex_id("resumed")
        first = root_span(run_id, attributes={semconv.RUN_STATUS: "failed"})
        second = root_span(
            run_id,
            number=1,
            start_ns=AT_NS + 5,
            attributes={semconv.AGENT_VERSION: "2.0"},
        )
        store.write([second])
        store.write([first])
        run = store.runs()[0]

        assert (run.status, run.agent_version) == ("success", "2.0")
        assert (run.start_ns, run.end_ns) == (first.start_ns, second.end_ns)

    def test_unknown_words_fall_back(self, store: Store) -> None:
        """A status, class, count, cost or tag list of nobody's making is no error."""
        root = {
            semconv.RUN_STATUS: "exploded",
            semconv.RUN_CLASS: "???",
            semconv.RUN_TAGS: '{"not": "a list"}',
            f"{semconv.RUN_DROPPED}queue": "-4",
        }
        step = {semconv.STEP_COST: "nan", semconv.USAGE_INPUT_TOKENS: "many"}
        run_id = hex_id("words")
        store.write([root_span(run_id, attributes=root)])
        store.write([chat_span(run_id, 1, attributes=step)])
        run = store.runs()[0]

        assert (run.status, run.run_class, run.tags) == ("failed", "failed", ())
        assert (run.input_tokens, run.cost_usd, run.dropped) == (0, None, 0)

    def test_runs_of_one_trace_are_told_apart(self, store: Store) -> None:
        """Each run of a trace has its own line; its spans are the whole trace's."""
        trace_id = hex_id("shared")
        one, other = (
            root_span(name, trace_id=trace_id, start_ns=start)
            for name, start in (("run-one", AT_NS), ("run-other", AT_NS + 1))
        )
        stray = replace(foreign_trace("stray")[2], trace_id=trace_id)
        store.write([one, other, stray])

        assert [run.run_id for run in store.runs()] == ["run-other", "run-one"]
        assert {run.trace_id for run in store.runs()} == {trace_id}
        assert store.spans("run-one") == store.spans("run-other") == (one, other, stray)
        with pytest.raises(RunNotFoundError):
            store.spans(trace_id)

    def test_a_foreign_trace_is_a_run(self, store: Store) -> None:
        """GenAI spans without a run id make a run that is named like their trace."""
        spans = foreign_trace("foreign")
        plain = replace(spans[0], trace_id=hex_id("plain http"))
        store.write([*spans, plain])
        (run,) = store.runs()

        assert run.run_id == run.trace_id == hex_id("foreign")
        assert (run.agent_name, run.conversation) == ("planner", "thread-9")
        assert (run.status, run.step_count) == ("failed", 2)
        assert (run.input_tokens, run.output_tokens) == (77, 7)
        assert store.spans(run.run_id) == tuple(spans)

    def test_a_foreign_trace_that_turns_out_ours_is_no_run_of_its_own(
        self, store: Store
    ) -> None:
        """Spans without a run id that came first join the run that came later."""
        spans = foreign_trace("first")
        store.write(spans)
        root = root_span("mine", trace_id=hex_id("first"), start_ns=AT_NS - 1)
        store.write([root])

        assert [run.run_id for run in store.runs()] == ["mine"]
        assert store.spans("mine") == (root, *spans)

    @pytest.mark.parametrize(
        ("where", "wanted"),
        [
            (RunFilter(), "dcba"),
            (RunFilter(agent="triage"), "cba"),
            (RunFilter(agent="TRIAGE"), ""),
            (RunFilter(status="failed"), "b"),
            (RunFilter(status="interrupted"), "d"),
            (RunFilter(run_class="test"), "c"),
            (RunFilter(user="user-2"), "b"),
            (RunFilter(tag="eu"), "ca"),
            (RunFilter(tag="e"), ""),
            (RunFilter(since_ns=AT_NS + 1000), "dcb"),
            (RunFilter(until_ns=AT_NS + 1000), "a"),
            (RunFilter(since_ns=AT_NS + 1000, until_ns=AT_NS + 3000), "cb"),
            (RunFilter(min_cost_usd=0.4), "cba"),
            (RunFilter(max_cost_usd=0.3), "d"),
            (RunFilter(run_id_prefix=hex_id("c")[:9]), "c"),
            (RunFilter(run_id_prefix="%"), ""),
            (RunFilter(text="NEEDLE"), "c"),
            (RunFilter(text="größe"), "b"),
            (RunFilter(text='say "b"'), "b"),
            (RunFilter(text="tiny"), "d"),
            (RunFilter(text=semconv.INPUT_MESSAGES), ""),
            (RunFilter(agent="triage", tag="eu", text="needle"), "c"),
            (RunFilter(limit=2), "dc"),
        ],
    )
    def test_filters(self, store: Store, where: RunFilter, wanted: str) -> None:
        """Every field of a filter that is set must hold; the newest runs come first."""
        failed = {
            semconv.RUN_STATUS: "failed",
            semconv.RUN_TAGS: '["us"]',
            semconv.USER_ID: "user-2",
        }
        tested = {semconv.RUN_CLASS: "test"}
        store.write(sample_run("a", steps=2))
        store.write(
            sample_run(
                "b", steps=2, start_ns=AT_NS + 1000, root=failed, text='Größe say "b"'
            )
        )
        store.write(
            sample_run("c", start_ns=AT_NS + 2000, root=tested, text="a Needle here")
        )
        tiny: list[JsonValue] = [{"role": "user", "content": "Tiny"}]
        store.write([chat_span(hex_id("d"), 0, messages=tiny, start_ns=AT_NS + 3000)])

        assert [run.run_id for run in store.runs(where)] == [*map(hex_id, wanted)]

    def test_a_run_without_price_fits_no_cost(self, store: Store) -> None:
        """A run whose cost is not known is in no range of costs."""
        store.write([root_span(hex_id("free"))])

        assert store.runs()[0].cost_usd is None
        assert store.runs(RunFilter(min_cost_usd=0.0)) == []
        assert store.runs(RunFilter(max_cost_usd=9.0)) == []

    def test_a_filter_may_combine_any_two_fields(self, store: Store) -> None:
        """Conditions do not get in each other's way."""
        store.write(sample_run("pair", root={semconv.RUN_CLASS: "test"}))
        fields: dict[str, Any] = {
            "run_id_prefix": hex_id("pair")[:5],
            "agent": "triage",
            "status": "success",
            "run_class": "test",
            "user": "user-1",
            "tag": "eu",
            "text": "hello",
            "since_ns": AT_NS,
            "until_ns": AT_NS + 1,
            "min_cost_usd": 0.7,
            "max_cost_usd": 0.8,
        }
        for names in combinations(fields, 2):
            where = RunFilter(**{name: fields[name] for name in names})

            assert len(store.runs(where)) == 1, names
