# ruff: noqa: S101 - these are tests, shipped for authors of stores
"""The contract of `model.intention.IntentionLog` as tests for every back end.

Use it as `StoreContract`: `connect` opens the store, `intentions` returns a new
connection to the intentions in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from otel_agent_replay.model.intention import Intention, IntentionLog
from otel_agent_replay.model.run import Retention
from otel_agent_replay.store.base import Store
from otel_agent_replay.testing.store_samples import sample_run

__all__ = ["IntentionContract"]


def _intention(token: str, **changes: str | int) -> Intention:
    made = Intention(
        run_id="run",
        tool="send_mail",
        key="order-17",
        digest="tool send_mail 0123",
        token=token,
        process="host 1 2",
        began_ns=1_700_000_000_000_000_000,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def _done(intention: Intention, outcome: str = '{"a":1}') -> Intention:
    return replace(intention, state="done", outcome=outcome, ended_ns=7)


class IntentionContract:
    """Tests that a store's intentions must pass."""

    @pytest.fixture
    def log(
        self,
        connect: Callable[[], Store],
        intentions: Callable[[], IntentionLog],
    ) -> Iterator[IntentionLog]:
        """Return the intentions of a new store."""
        connect().close()
        opened = intentions()
        yield opened
        opened.close()

    def test_the_first_intention_is_in_force(self, log: IntentionLog) -> None:
        """Whoever comes later gets the first one, as it was written."""
        first = _intention("one")

        assert log.intend(first) == first
        assert log.intend(_intention("two", process="host 3 4")) == first
        assert log.of_run("run") == (first,)

    def test_runs_tools_and_keys_are_told_apart(self, log: IntentionLog) -> None:
        """Each has an intention of its own, odd texts included."""
        odd = "a b\n'ü'\x00 🜚"
        several = [
            _intention("one"),
            _intention("two", key="order-18", began_ns=2),
            _intention("three", tool="send", key="_mail:order-17", began_ns=3),
            _intention("four", key=odd, began_ns=4),
        ]
        other = _intention("five", run_id="other")

        for each in [*several, other]:
            assert log.intend(each) == each

        assert set(log.of_run("run")) == {*several}
        assert log.of_run("other") == (other,)
        assert log.of_run("none") == ()

    def test_what_came_of_it_is_kept(self, log: IntentionLog) -> None:
        """The outcome comes back with the intention, whole."""
        first = log.intend(_intention("one"))
        ended = _done(first, "x" * 3_000_000)
        log.settle(ended)

        assert log.intend(_intention("two")) == ended
        assert log.of_run("run") == (ended,)

    def test_an_intention_is_replaced_once(self, log: IntentionLog) -> None:
        """Of those who go on from the same attempt, the first one may."""
        first = log.intend(_intention("one"))
        log.settle(replace(first, state="failed", outcome="{}", ended_ns=3))
        second = _intention("two", began_ns=9)

        assert log.intend(second, instead_of="one") == second
        assert log.intend(_intention("three"), instead_of="one") == second
        fourth = _intention("four")
        assert log.intend(fourth, instead_of="two") == fourth
        assert [each.token for each in log.of_run("run")] == ["four"]

    def test_an_attempt_that_was_replaced_settles_nothing(
        self, log: IntentionLog
    ) -> None:
        """What came of it too late is not taken for the later one's outcome."""
        first = log.intend(_intention("one"))
        second = log.intend(_intention("two"), instead_of="one")
        log.settle(_done(first))

        assert log.of_run("run") == (second,)

    def test_of_many_who_ask_at_once_one_may(
        self, log: IntentionLog, intentions: Callable[[], IntentionLog]
    ) -> None:
        """However many connections ask, all see the same one."""
        del log
        logs = [intentions() for _ in range(4)]

        def ask(number: int) -> list[str]:
            own = logs[number % len(logs)]
            return [
                own.intend(_intention(f"t{number}", key=f"k{key}")).token
                for key in range(8)
            ]

        with ThreadPoolExecutor(16) as pool:
            found = [*pool.map(ask, range(16))]
        for each in logs:
            each.close()

        assert all(answer == found[0] for answer in found)

    def test_they_go_with_their_run(
        self,
        log: IntentionLog,
        connect: Callable[[], Store],
    ) -> None:
        """Erasing a run erases its intentions, those of others stay."""
        spans = sample_run("erased")
        run_id = spans[0].attributes["agent_replay.run.id"]
        store = connect()
        store.write(spans)
        first = log.intend(_intention("one", run_id=run_id))
        kept = log.intend(_intention("one"))

        store.erase(run_id)

        assert log.of_run(run_id) == ()
        assert log.of_run("run") == (kept,)
        assert log.intend(first) == first  # such as one that is imported again
        store.close()

    def test_those_of_a_run_that_never_came_are_pruned(
        self, log: IntentionLog, connect: Callable[[], Store]
    ) -> None:
        """After the days of a failed run; those of a run that is there stay."""
        spans = sample_run("there")
        store = connect()
        store.write(spans)
        run_id = spans[0].attributes["agent_replay.run.id"]
        store.mark(run_id, "golden", on=True)
        kept = log.intend(_intention("one", run_id=run_id))
        stray = log.intend(_intention("two", run_id="never came"))
        keep = Retention()
        day_ns = 86_400_000_000_000

        store.prune(keep, now_ns=stray.began_ns + keep.failed * day_ns - 1)
        young = log.of_run("never came")
        store.prune(keep, now_ns=stray.began_ns + keep.failed * day_ns + 1)

        assert young == (stray,)
        assert log.of_run("never came") == ()
        assert log.of_run(run_id) == (kept,)
        store.close()

    def test_the_store_counts_them(
        self, log: IntentionLog, connect: Callable[[], Store]
    ) -> None:
        """A store's statistics have the table."""
        log.intend(_intention("one"))
        store = connect()
        rows = {
            each.name: each.rows
            for each in store.stats().tables
            if each.name.endswith("intentions")
        }
        store.close()

        assert [*rows.values()] == [1]
