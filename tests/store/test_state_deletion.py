"""The states of threads: what goes with what, on both back ends."""

from __future__ import annotations

from dataclasses import replace

from otel_agent_replay import semconv
from otel_agent_replay.model.run import Retention
from otel_agent_replay.store import open_store
from otel_agent_replay.store.states import (
    SavedList,
    StateBatch,
)
from otel_agent_replay.testing.store_samples import sample_run
from tests.store.state_rows import checkpoint, content, key, names, value, write


def test_a_thread_goes_whole(states):
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


def test_a_checkpoint_goes_with_what_only_it_needed(states):
    """Values, lists and contents that others name stay."""
    first = SavedList(
        root=key(10), key=key(10), before=b"", keep=0, entries=((key(1), 0),)
    )
    second = replace(first, key=key(11), before=key(10), keep=1, entries=((key(2), 0),))
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


def test_what_a_frameworks_run_made_goes(states):
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


def test_erasing_a_run_erases_what_it_wrote(states):
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


def test_erasing_a_run_in_its_store_erases_its_states(opened, states):
    """`erase` of the store reaches the threads; `prune` leaves them."""
    for seed in ("pruned", "erased"):
        spans = sample_run(seed)
        opened.write(spans)
        run_id = spans[0].attributes[semconv.RUN_ID]
        made = checkpoint(seed, recorded_by=run_id)
        states.add(StateBatch(thread="t", checkpoints=[made]))
        if seed == "erased":
            opened.erase(run_id)
        else:
            pruned = opened.prune(Retention(), now_ns=spans[0].end_ns * 2)
            assert sum(pruned.runs.values()) == 1

    assert names(states) == ["pruned"]


def test_what_is_deleted_is_gone_from_the_file(tmp_path):
    """No byte of a deleted thread is left."""
    secret = b"q7" * 20
    body = bytes(range(256)) + secret  # does not get smaller
    store = open_store(f"sqlite:///{tmp_path}/runs.db")
    states = store.states()
    states.add(StateBatch(thread="t", contents=[content(1, body)]))

    states.delete_thread("t")

    assert not any(secret in file.read_bytes() for file in tmp_path.iterdir())
    store.close()
