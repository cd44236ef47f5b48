"""The states of threads: what is stored is found, on both back ends."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from otel_agent_replay.store.states import (
    SavedList,
    StateBatch,
    StateFilter,
)
from tests.store.state_rows import ODD, checkpoint, content, key, names, value, write


def test_all_comes_back(states, connect):
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


def test_adding_again_changes_nothing(states):
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


def test_the_latest_word_holds(states):
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


def test_only_special_writes_are_replaced(states):
    """At a negative position the last write stays, at any other the first."""
    states.add(StateBatch(thread="t", writes=[write("1", 0, 1), write("1", -1, 1)]))
    states.add(StateBatch(thread="t", writes=[write("1", 0, 2), write("1", -1, 2)]))

    found = states.writes("t", [("", "1")])

    assert [(each.position, each.entries) for each in found] == [
        (-1, ((key(2), 0),)),
        (0, ((key(1), 0),)),
    ]


def test_writes_come_in_the_order_of_their_tasks(states):
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


def test_nothing_is_stored_on_what_is_gone(states):
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


def test_checkpoints_are_found(states):
    """By thread, namespace, id and age; the latest first, page by page."""
    for thread in ("t", "u"):
        for space in ("", "child"):
            rows = [
                checkpoint(name, thread=thread, namespace=space, recorded_by=run)
                for name, run in (("1", "r1"), ("3", "r3"), ("2", ""))
            ]
            states.add(StateBatch(thread=thread, checkpoints=rows))

    assert names(states, thread="t", namespace="") == ["3", "2", "1"]
    assert names(states, thread="t", namespace="", limit=1) == ["3"]
    assert names(states, thread="t", namespace="", before="3") == ["2", "1"]
    assert names(states, thread="t", checkpoint_id="2") == ["2", "2"]
    assert names(states, thread="none") == []
    assert names(states, recorded_by="r1") == ["1"] * 4
    assert names(states, thread="t", recorded_by="r3", namespace="") == ["3"]
    assert names(states, recorded_by="") == []
    everything = states.checkpoints(StateFilter())
    assert [each.checkpoint_id for each in everything] == [*"333322221111"]
    paged = []
    while page := states.checkpoints(
        StateFilter(limit=5, after=paged[-1] if paged else None)
    ):
        paged += page
    assert paged == everything


def test_many_write_at_once(connect):
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
