"""Frames: what is written comes back, and damage is found where it is."""

from __future__ import annotations

from itertools import accumulate

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agent_replay.capture.spool.frames import (
    LONGEST,
    MAGIC,
    framed,
    header_size,
    read_frames,
)
from otel_agent_replay.capture.spool.sending import (
    Sent,
    read_sent,
    said_done,
    said_plan,
)
from otel_agent_replay.capture.spool.spooled import read_spans, written_spans
from otel_agent_replay.model.content import Packer
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.testing.store_samples import odd_span, sample_run

ODD = ["", "a\x00b", "\u2028", "\U0001f600", "=#@" * 200, "x" * 5000]
FRAMES = st.lists(
    st.tuples(
        st.sampled_from(["spans", "open", "sent"]),
        st.integers(min_value=0, max_value=2**64 - 1),
        st.binary(max_size=40),
    ),
    max_size=6,
)


def written(frames) -> list[bytes]:
    return [framed(*each) for each in frames]


@given(FRAMES)
def test_frames_come_back_as_they_were(frames):
    """Kind, number and content, in order, each where its content stands."""
    file = MAGIC + b"".join(written(frames))

    found = read_frames(file)

    assert found.torn == 0
    assert [(each.kind, each.number, each.content) for each in found.frames] == frames
    for each in found.frames:
        assert file[each.start : each.start + len(each.content)] == each.content


@settings(max_examples=40)
@given(FRAMES)
def test_a_file_cut_anywhere_gives_the_frames_before_the_cut(frames):
    """Each point of it: whole frames are there, and what is left of one is counted."""
    parts = [MAGIC, *written(frames)]
    file, ends = b"".join(parts), [*accumulate(map(len, parts))]
    for cut in range(len(file) + 1):
        found = read_frames(file[:cut])

        whole = sum(end <= cut for end in ends[1:])
        before = max((end for end in ends if end <= cut), default=0)
        assert len(found.frames) == whole
        assert found.torn == cut - before


@settings(max_examples=40)
@given(FRAMES.filter(bool), st.integers(min_value=0, max_value=7), st.data())
def test_a_flipped_bit_stops_there(frames, bit, data):
    """Wherever it is, in a header or a content: nothing behind it is believed."""
    parts = [MAGIC, *written(frames)]
    file, ends = bytearray(b"".join(parts)), [*accumulate(map(len, parts))]
    at = data.draw(st.integers(min_value=len(MAGIC), max_value=len(file) - 1))
    file[at] ^= 1 << bit

    found = read_frames(bytes(file))

    whole = sum(end <= at for end in ends[1:])
    got = [(each.kind, each.number, each.content) for each in found.frames]
    assert got == frames[:whole]
    assert found.torn == len(file) - ends[whole]


@pytest.mark.parametrize(
    "file", [b"", b"something else", MAGIC[:-1], MAGIC[:-1] + b"\x02" + b"more"]
)
def test_a_file_of_another_kind_or_version_holds_nothing(file):
    """All of it is counted as torn, and none of it is read."""
    found = read_frames(file)

    assert found.frames == ()
    assert found.torn == len(file)


def test_a_length_beyond_all_reason_is_damage():
    """It is not waited for."""
    frame = bytearray(framed("spans", 1, b"x"))
    frame[:4] = (LONGEST + 1).to_bytes(4, "little")

    assert read_frames(MAGIC + bytes(frame)).frames == ()
    assert header_size() < len(frame)


def test_spans_come_back_as_they_were():
    """With events, links, contents and recipes; what no store holds, as near as it can."""
    packer = Packer()
    spans = [packer.pack(each) for each in (odd_span("ab" * 16, ODD), *sample_run("r"))]

    assert list(read_spans(written_spans(spans))) == spans
    odd = SpanRecord(
        trace_id="1", span_id="2", name="a\ud800", start_ns=-1, end_ns=2**70
    )
    (back,) = read_spans(written_spans([packer.pack(odd)]))
    assert back.span.name == "a\ufffd"
    assert (back.span.start_ns, back.span.end_ns) == (-1, 2**63 - 1)


@pytest.mark.parametrize("content", [b"", b"{}", b"[[1]]", b"[1]", b"\xff", b"null"])
def test_what_holds_no_spans_is_refused(content):
    """As a `ValueError`, whatever else it is; an object holds none."""
    if content == b"{}":
        assert read_spans(content) == ()
        return
    with pytest.raises(ValueError):  # noqa: PT011 - which one is of no matter
        read_spans(content)


def test_notes_of_sending():
    """What is stored is known by its last number; a plan counts until it is done."""
    notes = MAGIC + said_plan(1, 3)
    assert read_sent(notes) == Sent(planned=(1, 3))
    notes += said_done(3)
    assert read_sent(notes) == Sent(done=3)
    notes += said_plan(4, 6)
    assert read_sent(notes) == Sent(done=3, planned=(4, 6))
    assert read_sent(notes[:-1]) == Sent(done=3)
    assert read_sent(b"") == Sent()


def test_a_plan_says_that_all_before_it_is_stored():
    """Batches go one after another; the note of the one before may be missing."""
    notes = MAGIC + said_plan(1, 3) + said_plan(4, 6)

    assert read_sent(notes) == Sent(done=3, planned=(4, 6))


def test_a_note_of_another_kind_is_passed_over():
    """One that a later version writes."""
    notes = MAGIC + framed("sent", 1, orjson.dumps({"a": 1})) + said_done(2)

    assert read_sent(notes) == Sent(done=2)
