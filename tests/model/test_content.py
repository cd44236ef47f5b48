"""Big values become references and come back; what is missing is said."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agent_replay import semconv
from otel_agent_replay.model.content import (
    INLINE,
    Packer,
    Part,
    content_key,
    scope_of,
    unpack,
)
from otel_agent_replay.model.payload import dump_json
from otel_agent_replay.model.pieces import GrowingText, folded, piece_of
from otel_agent_replay.model.reader import DamagedError, items_of
from otel_agent_replay.model.span import EventRecord
from otel_agent_replay.testing.store_samples import (
    chat_span,
    growing_run,
    hex_id,
    root_span,
    with_attributes,
)

_TEXT = st.text(alphabet=st.characters()) | st.text(
    alphabet=st.characters(categories=("Cs", "Lu"))
)
_VALUE = st.one_of(
    _TEXT,
    st.builds(lambda text, times: text * times, _TEXT, st.integers(1, 300)),
    st.lists(_TEXT, max_size=60).map(json.dumps),
)
_KEY = st.text(max_size=5) | st.sampled_from(
    [semconv.CONTENT_PREFIX, semconv.CONTENT_PREFIX * 2 + "a", semconv.INPUT_MESSAGES]
)


def _stored(packed):
    return {
        (each.scope, key): text
        for each in packed
        for key, text in each.contents.items()
    }


@settings(deadline=None)
@given(st.dictionaries(_KEY, _VALUE, max_size=4))
def test_any_attributes_come_back(attributes):
    """Whatever the keys and texts, unpacking gives what was packed."""
    attributes = {key: _pairs_joined(value) for key, value in attributes.items()}
    span = replace(
        root_span("r"),
        attributes=attributes,
        events=(EventRecord(name="e", time_ns=1, attributes=attributes),),
    )
    packed = Packer().pack(span)

    assert unpack([packed.span], _stored([packed])) == (span,)
    for value in (*packed.span.attributes.values(), *packed.contents.values()):
        value.encode()  # what is stored is UTF-8


def _pairs_joined(text):
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def test_small_values_stay_in_the_row():
    """A value below the limit is not stored apart."""
    small = with_attributes(root_span("r"), {"a": "x" * (INLINE - 1)})
    big = with_attributes(root_span("r"), {"a": "x" * INLINE})

    assert "a" in Packer().pack(small).span.attributes
    assert not Packer().pack(small).contents
    assert "a" not in Packer().pack(big).span.attributes


def test_what_a_run_list_needs_stays_in_the_row():
    """Attributes of the run are inline, however long, so that SQL can read them."""
    more = {semconv.RUN_TAGS: json.dumps(["tag"] * 500), semconv.AGENT_NAME: "a" * 999}
    span = with_attributes(root_span("r"), more)
    packed = Packer().pack(span)

    assert packed.span.attributes.items() >= more.items()
    assert not packed.contents


def test_a_row_says_how_big_its_span_is():
    """The size stands in the row alone, and counts payloads as if they were in it."""
    small, big = root_span("r"), chat_span("r", 1, messages=[{"content": "x" * 9999}])
    sizes = [
        int(Packer().pack(each).span.attributes[semconv.SPAN_BYTES])
        for each in (small, big)
    ]

    assert 0 < sizes[0] < 9999 < sizes[1] < 99_999
    assert unpack([Packer().pack(small).span], {}) == (small,)


def test_a_size_that_a_span_has_of_itself_comes_back():
    """The row's own size never takes the place of what the span says."""
    span = with_attributes(root_span("r"), {semconv.SPAN_BYTES: "many"})
    packed = Packer().pack(span)

    assert unpack([packed.span], _stored([packed])) == (span,)


def test_every_message_is_stored_once():
    """A run whose steps repeat the history holds each message in one content."""
    run = growing_run("linear", 40)
    packer = Packer()
    stored = _stored([packer.pack(span) for span in run])
    said = json.loads(run[-2].events[0].attributes[semconv.INPUT_MESSAGES])

    for message in said:
        assert sum(message["content"] in text for text in stored.values()) == 1


def test_a_long_history_costs_what_is_new():
    """However long the history, a step's row and new contents stay small."""
    packer, stored, rows = Packer(), {}, []
    for span in growing_run("long", 400)[:-1]:
        packed = packer.pack(span)
        stored |= packed.contents
        events = packed.span.events
        rows.append(sum(len(v) for e in events for v in e.attributes.values()))

    assert max(rows) < 3_000
    assert sum(map(len, stored.values())) / 400 < 2_000


def test_runs_do_not_share_contents():
    """Equal payloads of two runs, or of a run and a stray span, have two scopes."""
    run = chat_span("r", 1)
    stray = replace(run, attributes={})

    assert scope_of(run) == "r"
    assert scope_of(stray) not in {scope_of(run), stray.trace_id}


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_missing_piece_is_said_loudly(damage):
    """A payload without all its pieces is left out, and its step says why."""
    span = chat_span("r", 1, messages=[{"content": f"{n} " * 200} for n in range(3)])
    packed = Packer().pack(span)
    stored = _stored([packed])
    lost = next(key for key, text in stored.items() if "1 1 1" in text)
    stored = {**stored, lost: "other"} if damage == "changed" else stored
    if damage == "missing":
        del stored[lost]
    (read,) = unpack([packed.span], stored)

    assert read.attributes[semconv.STEP_DROPPED] == semconv.DROPPED_PAYLOAD_MISSING
    assert [dict(event.attributes) for event in read.events] == [{}, {}]


@pytest.mark.parametrize(
    "recipe", ["", "{}", "[1]", '["?x"]', '["#"]', '["#!!"]', '["@AAAA"]', "[" * 9999]
)
def test_a_damaged_recipe_is_a_missing_payload(recipe):
    """Rows of a damaged or forged store never break the reader."""
    span = with_attributes(root_span("r"), {f"{semconv.CONTENT_PREFIX}a": recipe})
    (read,) = unpack([span], {})

    assert "a" not in read.attributes
    assert read.attributes[semconv.STEP_DROPPED] == semconv.DROPPED_PAYLOAD_MISSING


def test_a_content_is_named_in_22_characters():
    """128 bits of a hash name it; who has the rest of the hash too names the same."""
    text = "x" * INLINE
    packed = Packer().pack(with_attributes(root_span("r"), {"a": text}))
    (name,) = json.loads(packed.span.attributes[f"{semconv.CONTENT_PREFIX}a"])
    whole = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
    older = with_attributes(
        root_span("r"),
        {f"{semconv.CONTENT_PREFIX}a": json.dumps([f"#{whole.rstrip('=')}"])},
    )

    assert [*map(len, packed.contents)] == [16]
    assert len(name) == 1 + 22
    assert unpack([older], _stored([packed]))[0].attributes["a"] == text


@given(st.lists(st.text()), st.sampled_from(["#", "@", "=", ""]))
def test_items_are_those_of_the_json(items, sign):
    """Whatever stands in a recipe, its items are what JSON says they are."""
    items = [sign + item for item in items]

    for recipe in (dump_json([*items]), json.dumps(items), json.dumps(items, indent=1)):
        assert items_of(recipe) == items


@pytest.mark.parametrize("recipe", ['["a"b"]', '["a",1,"b"]', '["a" "b"]', '["]', '"'])
def test_what_is_no_list_of_texts_has_no_items(recipe):
    """A recipe that JSON refuses, or that holds something else, is damaged."""
    with pytest.raises(DamagedError):
        items_of(recipe)


def test_a_bomb_of_recipes_is_refused():
    """A store made to unfold without end is cut off."""
    name, stored = "=" + "x" * 64, {}
    for _ in range(40):
        text = json.dumps([name] * 64)
        key = content_key(text)
        stored["r", key] = text
        name = "@" + _name(key)
    span = with_attributes(
        root_span("r"), {f"{semconv.CONTENT_PREFIX}a": json.dumps([name])}
    )
    (read,) = unpack([span], stored)

    assert read.attributes[semconv.STEP_DROPPED] == semconv.DROPPED_PAYLOAD_MISSING


def test_a_folded_head_is_known_as_a_recipe():
    """Whoever folds a list of pieces, the content it becomes counts as a recipe."""
    head = folded([piece_of(f"{n} " * 200) for n in range(40)])
    text = GrowingText.after(None, 0, head, [], piece_of("]"))
    span = chat_span("r", 1)
    grown = [
        Part(e.name, e.time_ns, e.attributes, {"grown": text}) for e in span.events
    ]
    parts = Packer().parts(len(span.name), span.attributes, grown)
    packed = parts.of(replace(span, attributes=parts.attributes, events=parts.events))
    read = unpack([packed.span], _stored([packed]))[0].events[0].attributes["grown"]

    assert {packed.contents[key][:3] for key in packed.recipes} == {'["#'}
    assert read == str(text)


def test_rows_without_references_are_left_alone():
    """Inline rows, as a Collector writes them, are given back as they are."""
    span = chat_span(hex_id("inline"), 1, messages=["x" * 9999])

    assert unpack([span], {})[0] is span


def _name(key):
    return base64.urlsafe_b64encode(key).decode().rstrip("=")
