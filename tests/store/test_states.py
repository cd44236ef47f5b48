"""The states of threads: one contract, on both back ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from otel_agent_replay import semconv
from otel_agent_replay.model.run import Retention
from otel_agent_replay.store import Store, open_store
from otel_agent_replay.store.states import (
    KEY_BYTES,
    HoldsStates,
    SavedCheckpoint,
    SavedContent,
    SavedList,
    SavedValue,
    SavedWrite,
    StateBatch,
    StateFilter,
    States,
)
from otel_agent_replay.testing.store_samples import sample_run

ODD = "größe '漢字' \n \x00 🜚"


def key(number: int) -> bytes:
    return number.to_bytes(KEY_BYTES)


def content(number: int, body: bytes = b"\x00\xff\x80 body") -> SavedContent:
    return SavedContent(key=key(number), form="msgpack", body=body)


def checkpoint(name: str, **changes) -> SavedCheckpoint:
    made = SavedCheckpoint(
        thread="t",
        namespace="",
        checkpoint_id=name,
        parent_id="",
        framework_run="",
        recorded_by="",
        versions="{}",
        form="msgpack",
        body=b"checkpoint",
    )
    return replace(made, **changes)


def write(name: str, position: int, number: int, **changes) -> SavedWrite:
    made = SavedWrite(
        namespace="",
        checkpoint_id=name,
        task_id="task",
        position=position,
        channel="messages",
        path="",
        is_list=False,
        entries=((key(number), 0),),
    )
    return replace(made, **changes)


def value(channel: str, version: str, number: int, root: bytes = b"") -> SavedValue:
    return SavedValue(
        namespace="", channel=channel, version=version, key=key(number), root=root
    )


def names(states: States, **where) -> list[str]:
    return [each.checkpoint_id for each in states.checkpoints(StateFilter(**where))]


class StatesContract:
    """Subclass it and give the fixture `connect`."""

    @pytest.fixture
    def store(self, connect: Callable[[], Store]) -> Iterator[Store]:
        opened = connect()
        yield opened
        opened.close()

    @pytest.fixture
    def states(self, store: Store) -> States:
        assert isinstance(store, HoldsStates)
        return store.states()

    def test_all_comes_back(self, states, connect):
        """Every field of every kind of row is as it was, for other connections too."""
        batch = StateBatch(
            thread=ODD,
            checkpoints=[
                checkpoint(
                    ODD,
                    thread=ODD,
                    namespace=ODD,
                    parent_id=ODD,
                    framework_run="framework",
                    recorded_by="run",
                    versions=json.dumps({ODD: ODD}),
                    body=bytes(range(256)) * 9,
                )
            ],
            values=[replace(value(ODD, ODD, 1, key(2)), namespace=ODD)],
            writes=[
                write(
                    ODD,
                    -3,
                    1,
                    namespace=ODD,
                    task_id=ODD,
                    channel=ODD,
                    path=ODD,
                    is_list=True,
                    entries=((key(1), 0), (key(2), 70_000)),
                    recorded_by="run",
                )
            ],
            lists=[
                SavedList(
                    root=key(2),
                    key=key(3),
                    before=key(2),
                    keep=70_001,
                    entries=((key(1), 0), (key(2), 7)),
                )
            ],
            contents=[content(1), content(2, b""), content(3, bytes(range(256)) * 40)],
        )

        assert states.add(batch)

        other = connect()
        there = other.states().whole(ODD)
        assert [*there.checkpoints] == [*batch.checkpoints]
        assert [*there.values] == [*batch.values]
        assert [*there.writes] == [*batch.writes]
        assert [*there.lists] == [*batch.lists]
        assert sorted(there.contents, key=lambda c: c.key) == [*batch.contents]
        assert states.checkpoints(StateFilter(thread=ODD)) == [*batch.checkpoints]
        assert states.values(ODD, [(ODD, ODD, ODD), ("", "no", "1")]) == [*batch.values]
        assert states.writes(ODD, [(ODD, ODD)]) == [*batch.writes]
        assert states.lists(ODD, [key(2)]) == [*batch.lists]
        assert states.contents(ODD, [key(2), key(9)]) == [content(2, b"")]
        other.close()

    def test_adding_again_changes_nothing(self, states):
        """The same batch twice is there once."""
        batch = StateBatch(
            thread="t",
            checkpoints=[checkpoint("1")],
            values=[value("a", "1", 1)],
            writes=[write("1", 0, 1)],
            contents=[content(1)],
        )

        assert states.add(batch)
        assert states.add(batch)

        there = states.whole("t")
        assert len(there.checkpoints) == len(there.values) == 1
        assert len(there.writes) == len(there.contents) == 1
        assert states.count() == 1

    def test_the_latest_word_holds(self, states):
        """A checkpoint and a value that come again take the place of the first."""
        states.add(
            StateBatch(
                thread="t",
                checkpoints=[checkpoint("1", body=b"old")],
                values=[value("a", "1", 1)],
            )
        )
        states.add(
            StateBatch(
                thread="t",
                checkpoints=[checkpoint("1", body=b"new")],
                values=[value("a", "1", 2)],
            )
        )

        (found,) = states.checkpoints(StateFilter(thread="t"))
        assert found.body == b"new"
        assert states.values("t", [("", "a", "1")]) == [value("a", "1", 2)]

    def test_only_special_writes_are_replaced(self, states):
        """At a negative position the last write stays, at any other the first."""
        states.add(StateBatch(thread="t", writes=[write("1", 0, 1), write("1", -1, 1)]))
        states.add(StateBatch(thread="t", writes=[write("1", 0, 2), write("1", -1, 2)]))

        found = states.writes("t", [("", "1")])

        assert [(each.position, each.entries) for each in found] == [
            (-1, ((key(2), 0),)),
            (0, ((key(1), 0),)),
        ]

    def test_writes_come_in_the_order_of_their_tasks(self, states):
        """By path, then task id, then position."""
        given = [
            write("1", 1, 1, path="b", task_id="1"),
            write("1", 0, 1, path="a", task_id="3"),
            write("1", 0, 1, path="b", task_id="1"),
            write("1", 0, 1, path="a", task_id="2"),
        ]
        states.add(StateBatch(thread="t", writes=given))

        found = states.writes("t", [("", "1")])

        assert found == [given[3], given[1], given[2], given[0]]

    def test_nothing_is_stored_on_what_is_gone(self, states):
        """A batch that builds on missing rows is refused whole."""
        states.add(StateBatch(thread="t", contents=[content(1)]))
        built = StateBatch(
            thread="t", checkpoints=[checkpoint("1")], builds_on=frozenset([key(1)])
        )

        assert not states.add(replace(built, builds_on=frozenset([key(1), key(2)])))
        assert not states.add(replace(built, thread="other"))
        assert states.count() == 0
        assert states.add(built)
        assert states.count() == 1

    def test_checkpoints_are_found(self, states):
        """By thread, namespace, id and age; the latest first, page by page."""
        for thread in ("t", "u"):
            for space in ("", "child"):
                rows = [
                    checkpoint(name, thread=thread, namespace=space) for name in "132"
                ]
                states.add(StateBatch(thread=thread, checkpoints=rows))

        assert names(states, thread="t", namespace="") == ["3", "2", "1"]
        assert names(states, thread="t", namespace="", limit=1) == ["3"]
        assert names(states, thread="t", namespace="", before="3") == ["2", "1"]
        assert names(states, thread="t", checkpoint_id="2") == ["2", "2"]
        assert names(states, thread="none") == []
        everything = states.checkpoints(StateFilter())
        assert [each.checkpoint_id for each in everything] == [*"333322221111"]
        paged = []
        while page := states.checkpoints(
            StateFilter(limit=5, after=paged[-1] if paged else None)
        ):
            paged += page
        assert paged == everything

    def test_a_thread_goes_whole(self, states):
        """Other threads stay, and one that is not there is no error."""
        for thread in ("t", "u"):
            states.add(
                StateBatch(
                    thread=thread,
                    checkpoints=[checkpoint("1", thread=thread)],
                    writes=[write("1", 0, 1)],
                    contents=[content(1)],
                )
            )

        states.delete_thread("t")
        states.delete_thread("never")

        assert states.whole("t") == StateBatch(
            thread="t", checkpoints=[], values=[], writes=[], lists=[], contents=[]
        )
        assert names(states) == ["1"]
        assert states.contents("u", [key(1)]) == [content(1)]

    def test_a_checkpoint_goes_with_what_only_it_needed(self, states):
        """Values, lists and contents that others name stay."""
        first = SavedList(
            root=key(10), key=key(10), before=b"", keep=0, entries=((key(1), 0),)
        )
        second = replace(
            first, key=key(11), before=key(10), keep=1, entries=((key(2), 0),)
        )
        third = replace(second, key=key(12), entries=((key(3), 0),))
        states.add(
            StateBatch(
                thread="t",
                checkpoints=[
                    checkpoint("1", versions='{"m": "1"}'),
                    checkpoint("2", versions='{"m": "2", "n": 1}'),
                    checkpoint("3", versions='{"m": "3"}'),
                ],
                values=[
                    value("m", "1", 10, key(10)),
                    value("m", "2", 11, key(10)),
                    value("m", "3", 12, key(10)),
                    value("n", "1", 4),
                ],
                writes=[write("1", 0, 5), write("3", 0, 6)],
                lists=[first, second, third],
                contents=[content(number) for number in range(1, 7)],
            )
        )

        states.delete("t", [("", "1"), ("", "2")])

        there = states.whole("t")
        assert [each.checkpoint_id for each in there.checkpoints] == ["3"]
        assert [*there.values] == [value("m", "3", 12, key(10))]
        assert [*there.writes] == [write("3", 0, 6)]
        assert {each.key for each in there.lists} == {key(10), key(12)}
        assert {each.key for each in there.contents} == {key(1), key(3), key(6)}

    def test_what_a_frameworks_run_made_goes(self, states):
        """In all threads; a checkpoint of no run is no run's."""
        for thread in ("t", "u"):
            states.add(
                StateBatch(
                    thread=thread,
                    checkpoints=[
                        checkpoint("1", thread=thread, framework_run="r"),
                        checkpoint("2", thread=thread),
                    ],
                )
            )

        states.delete_framework_runs(["r", ""])
        states.delete_framework_runs([])

        assert names(states) == ["2", "2"]

    def test_erasing_a_run_erases_what_it_wrote(self, states):
        """Its checkpoints, and its writes at the checkpoints of others."""
        for thread in ("t", "u"):
            states.add(
                StateBatch(
                    thread=thread,
                    checkpoints=[
                        checkpoint("1", thread=thread),
                        checkpoint("2", thread=thread, recorded_by="r"),
                    ],
                    writes=[write("1", 0, 1), write("1", 1, 2, recorded_by="r")],
                    contents=[content(1), content(2)],
                )
            )

        assert states.erase("r", thread="t") == 1
        assert names(states, thread="u") == ["2", "1"]
        assert states.erase("r") == 1
        assert states.erase("") == 0

        assert names(states) == ["1", "1"]
        for thread in ("t", "u"):
            assert states.writes(thread, [("", "1")]) == [write("1", 0, 1)]
            assert states.contents(thread, [key(1), key(2)]) == [content(1)]

    def test_erasing_a_run_in_its_store_erases_its_states(self, store, states):
        """`erase` of the store reaches the threads; `prune` leaves them."""
        for seed in ("pruned", "erased"):
            spans = sample_run(seed)
            store.write(spans)
            run_id = spans[0].attributes[semconv.RUN_ID]
            made = checkpoint(seed, recorded_by=run_id)
            states.add(StateBatch(thread="t", checkpoints=[made]))
            if seed == "erased":
                store.erase(run_id)
            else:
                pruned = store.prune(Retention(), now_ns=spans[0].end_ns * 2)
                assert sum(pruned.runs.values()) == 1

        assert names(states) == ["pruned"]

    def test_many_write_at_once(self, connect):
        """Threads with a connection of their own lose nothing."""

        def add(number: int) -> None:
            opened = connect()
            for step in range(5):
                opened.states().add(
                    StateBatch(
                        thread="t",
                        checkpoints=[checkpoint(f"{number}-{step}")],
                        contents=[content(step)],
                    )
                )
            opened.close()

        opened = connect()
        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(add, range(4)))

        assert opened.states().count() == 20
        opened.close()


class TestSqliteStates(StatesContract):
    @pytest.fixture
    def connect(self, tmp_path: Path) -> Callable[[], Store]:
        return lambda: open_store(f"sqlite:///{tmp_path}/runs.db")

    def test_what_is_deleted_is_gone_from_the_file(self, states, tmp_path):
        """No byte of a deleted thread is left."""
        secret = b"q7" * 20
        body = bytes(range(256)) + secret  # does not get smaller
        states.add(StateBatch(thread="t", contents=[content(1, body)]))

        states.delete_thread("t")

        assert not any(secret in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.external_service
class TestClickHouseStates(StatesContract):
    @pytest.fixture
    def connect(self, clickhouse_url: str) -> Callable[[], Store]:
        return lambda: open_store(clickhouse_url)
