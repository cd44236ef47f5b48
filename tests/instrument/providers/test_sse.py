"""Event streams, JSON arrays in pieces, JSON lines."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agent_replay.instrument.providers.sse import (
    ServerSentEvent,
    parse_events,
    parse_json_array,
    parse_json_lines,
    read_events,
    render_event,
)
from otel_agent_replay.instrument.providers.wire_body import read_body

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_lines_end_in_any_of_three_ways(end):
    """LF, CR and CRLF all end a line."""
    body = end.join(["event: a", "data: 1", "data: 2", "", "data: 3", "", ""])

    assert parse_events(body.encode()) == (
        ServerSentEvent(name="a", data="1\n2"),
        ServerSentEvent(data="3"),
    )


def test_comments_ids_and_a_byte_order_mark_are_understood():
    """A comment is skipped, an id lasts, a BOM is no part of the first field."""
    body = b"\xef\xbb\xbf: ping\nid: 7\ndata:x\n\ndata:  y\nretry: 3\nother\n\n"

    assert parse_events(body) == (
        ServerSentEvent(data="x", id="7"),
        ServerSentEvent(data=" y", id="7"),
    )


def test_an_event_without_data_does_not_name_the_next():
    """A name without data is forgotten at the blank line."""
    assert parse_events(b"event: ping\n\ndata: 1\n\n") == (ServerSentEvent(data="1"),)


def test_an_event_cut_off_before_its_blank_line_is_kept():
    """The last event counts also without the line that ends it."""
    assert parse_events(b"data: 1\n\ndata: 2") == (
        ServerSentEvent(data="1"),
        ServerSentEvent(data="2"),
    )


def test_text_is_not_split_at_unicode_line_separators():
    """Only CR and LF end lines; U+2028 and form feeds are text."""
    said = {"text": "a\u2028b\x0cc\u0085d"}
    body = f"data: {json.dumps(said, ensure_ascii=False)}\n\n"

    assert read_events(body.encode()).values == (said,)


def test_the_end_mark_and_broken_pieces_are_told():
    """`[DONE]` ends a stream; text that is no JSON is skipped and told."""
    whole = read_events(b"data: {}\n\ndata: [DONE]\n\n")
    cut = read_events(b'data: {}\n\ndata: {"a": tr')

    assert (whole.values, whole.ended, whole.broken) == (({},), True, False)
    assert (cut.values, cut.ended, cut.broken) == (({},), False, True)


@given(st.lists(st.dictionaries(st.text(), json_values, min_size=1), max_size=5))
def test_written_events_are_read_back(values):
    """What is written as events is what is read."""
    body = b"".join(render_event({"type": "x", **value}) for value in values)

    expected = tuple({"type": "x", **value} for value in values)
    assert read_events(body).values == expected


@given(st.lists(json_values, max_size=5), st.data())
def test_a_json_array_cut_anywhere_gives_its_whole_items(values, data):
    """Cut in the middle, an array gives a prefix of its items and is not ended."""
    body = json.dumps(values).encode()
    end = data.draw(st.integers(0, len(body) - 1))
    cut = parse_json_array(body[:end])

    assert parse_json_array(body).values == tuple(values)
    assert parse_json_array(body).ended
    assert not cut.ended
    # A number loses digits when it is cut; everything before it is whole.
    whole = max(len(cut.values) - 1, 0)
    assert cut.values[:whole] == tuple(values[:whole])


def test_json_lines_are_read_one_by_one():
    """One JSON value a line."""
    assert parse_json_lines(b'{"a":1}\n\n{"b":2}\n').values == ({"a": 1}, {"b": 2})


@pytest.mark.parametrize(
    ("body", "content_type", "kind"),
    [
        (b'{"a":1}', "text/event-stream", "json"),
        (b'\xef\xbb\xbf {"a":1}', None, "json"),
        (b'[{"a":1},{"b":2}]', "application/json", "stream"),
        (b'{"a":1}\n{"b":2}\n', "application/x-ndjson", "stream"),
        (b"data: {}\n\n", "application/json", "stream"),
        (b"event: x\ndata: {}\n\n", "", "stream"),
        (b"<html>Bad gateway</html>", "text/event-stream", "text"),
        (b"", "application/json", "text"),
        (b'{"a":', "application/json", "text"),
    ],
)
def test_a_body_is_read_by_its_looks(body, content_type, kind):
    """The body decides, as content types get lost and changed on the way."""
    assert read_body(body, content_type).kind == kind
