"""What a writer remembers of the contents that it has brought to the store."""

from __future__ import annotations

import tracemalloc

from otel_agent_replay.capture.brought import Brought


def test_contents_come_once_in_their_scope():
    """Again in another scope, and after the scope was forgotten."""
    brought = Brought()

    assert brought.new("a", {b"1": "x"}) == {b"1": "x"}
    assert brought.new("a", {b"1": "x", b"2": "y"}) == {b"2": "y"}
    assert brought.new("b", {b"1": "x"}) == {b"1": "x"}
    brought.forget("a")
    assert brought.new("a", {b"1": "x"}) == {b"1": "x"}
    brought.forget(None)
    assert brought.new("b", {b"1": "x"}) == {b"1": "x"}


def test_runs_without_long_payloads_take_no_room_for_ever():
    """A server that records for months has as much in memory as after a day."""
    brought = Brought()
    tracemalloc.start()
    try:
        sizes = []
        for thousand in range(120):
            for each in range(1000):
                brought.new(f"{thousand:016}{each:016}", {})
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()

    assert max(sizes[60:]) < 1.1 * max(sizes[:60])
