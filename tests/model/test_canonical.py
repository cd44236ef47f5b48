"""Which values mean the same, and which never do."""

from __future__ import annotations

import json
import math
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agent_replay.model.call import Call
from otel_agent_replay.model.canonical import canonical_text, one_form
from otel_agent_replay.model.divergence import differences
from otel_agent_replay.model.key import address_of, asked_for, key_of
from otel_agent_replay.model.payload import HttpRequest, dump_json, parse_json

E_COMPOSED, E_DECOMPOSED = "caf\u00e9", "cafe\u0301"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)
plain_texts = st.text().map(lambda text: normalize("NFC", text))


def chat(message=None, *, url="https://api.test/v1/chat", **body):
    if message is not None:
        body["messages"] = [message]
    request = HttpRequest(method="POST", url=url, body=dump_json(body).encode())
    return Call(kind="model", name="POST", request=request)


def asked(arguments, **more):
    function = {"name": "f", "arguments": arguments, **more}
    return {"role": "assistant", "tool_calls": [{"id": "1", "function": function}]}


def model(value):
    """Return what has to be told apart, in a form made in another way.

    Whole numbers by value, zero by sign, texts by composed form, objects as sets.
    """
    if isinstance(value, bool) or value is None:
        return ("constant", value)
    if isinstance(value, float) and not math.isfinite(value):
        return ("float", repr(value))
    if isinstance(value, int | float):
        zero = math.copysign(1, value) if value == 0 else 0
        whole = int(value) if float(value).is_integer() else value
        return ("number", whole, zero)
    if isinstance(value, str):
        return ("text", normalize("NFC", value))
    if isinstance(value, list):
        return ("list", *map(model, value))
    keys = {normalize("NFC", key) for key in value}
    form = "NFC" if len(keys) == len(value) else None
    items = {
        (normalize(form, key) if form else key, model(item))
        for key, item in value.items()
    }
    return ("object", frozenset(items))


@given(json_values, json_values)
def test_two_values_have_one_text_only_if_they_mean_the_same(one, other):
    """Whatever they are: nothing else is made alike."""
    same = model(one) == model(other)

    assert (canonical_text(one) == canonical_text(other)) is same


@given(json_values)
def test_a_value_in_another_form_has_the_same_text(value):
    """Keys in another order, texts decomposed, whole numbers as floats."""
    assert canonical_text(turned(value)) == canonical_text(value)


def turned(value):
    if isinstance(value, dict):
        keys = {normalize("NFD", key) for key in value}
        if len(keys) < len(value) or len({normalize("NFC", k) for k in keys}) < len(
            keys
        ):
            return value
        return {
            normalize("NFD", key): turned(item) for key, item in reversed(value.items())
        }
    if isinstance(value, list):
        return [turned(item) for item in value]
    if isinstance(value, str):
        return normalize("NFD", value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53:
        return float(value)
    return value


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (True, 1),
        (False, 0),
        ("1", 1),
        (None, "null"),
        ({"a": None}, {}),
        ([1, 2], [2, 1]),
        ([], {}),
        (0, -0.0),
        (0.0, -0.0),
        (1 << 64, (1 << 64) + 1),
        ((1 << 53) + 1, float(1 << 53)),
        (float("nan"), None),
        (float("nan"), "NaN"),
        (float("inf"), float("-inf")),
        (E_COMPOSED, "cafe"),
        ("ﬁ", "fi"),
        ({E_COMPOSED: 1, E_DECOMPOSED: 2}, {E_COMPOSED: 2, E_DECOMPOSED: 1}),
        ({E_COMPOSED: 1, E_DECOMPOSED: 2}, {E_COMPOSED: 2}),
        ("\ud800", "\ud801"),
    ],
)
def test_different_stays_different(one, other):
    """Also where the values are deep inside, and of a call's key."""
    calls = [Call(kind="tool", name="f", inputs={"x": [each]}) for each in (one, other)]

    assert canonical_text([one]) != canonical_text([other])
    assert key_of(calls[0]) != key_of(calls[1])
    assert differences(asked_for(calls[0]), asked_for(calls[1]))


def test_the_unicode_form_of_texts_and_keys_does_not_count():
    """Of tools' arguments, and of the JSON of a body."""
    tools = [
        Call(kind="tool", name="f", inputs={each: [each]})
        for each in (E_COMPOSED, E_DECOMPOSED)
    ]
    chats = [chat({"content": each}) for each in (E_COMPOSED, E_DECOMPOSED)]

    assert key_of(tools[0]) == key_of(tools[1])
    assert key_of(chats[0]) == key_of(chats[1])
    assert asked_for(chats[0]) == asked_for(chats[1])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (asked('{"a":1,"b":2}'), asked('{ "b": 2, "a": 1.0 }')),
        (asked('{"a": "\\u00e9"}'), asked('{"a":"é"}')),
        (
            {"function_call": {"name": "f", "arguments": "[ ]"}},
            {"function_call": {"name": "f", "arguments": "[]"}},
        ),
    ],
)
def test_arguments_that_a_model_wrote_count_as_the_json_they_are(one, other):
    """In the history of a conversation."""
    assert key_of(chat(one)) == key_of(chat(other))


def test_arguments_of_a_responses_item_count_as_json():
    """Of items that are calls, not of others."""

    def item(kind, text):
        return chat(input=[{"type": kind, "name": "f", "arguments": text}])

    pair = '{"a":1}', '{"a": 1}'
    assert len({key_of(item("function_call", each)) for each in pair}) == 1
    assert len({key_of(item("custom_tool_call", each)) for each in pair}) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (asked('{"a":1}'), asked('{"a":2}')),
        (asked('{"a":1}'), asked('{"a":true}')),
        (asked('{"a":1}'), asked({"a": 1})),
        (asked('{"a":1'), asked('{"a": 1')),
        (asked(""), asked("{}")),
        (asked('"1"'), asked("1")),
        ({"content": '{"a":1}'}, {"content": '{"a": 1}'}),
        ({"arguments": '{"a":1}'}, {"arguments": '{"a": 1}'}),
        (
            {"role": "tool", "content": '{"arguments":"{}"}'},
            {"role": "tool", "content": '{"arguments": "{}"}'},
        ),
    ],
)
def test_text_that_only_looks_like_json_is_text(one, other):
    """Spaces count wherever no wire format says that a string is JSON."""
    assert key_of(chat(one)) != key_of(chat(other))


def test_the_arguments_of_plain_http_are_text():
    """Only requests to models have a known form."""
    calls = [
        Call(
            kind="http",
            name="POST",
            request=HttpRequest(
                method="POST",
                url="https://h/x",
                body=dump_json({"messages": [asked(text)]}).encode(),
            ),
        )
        for text in ('{"a":1}', '{"a": 1}')
    ]

    assert key_of(calls[0]) != key_of(calls[1])


@given(json_values)
def test_one_form_changes_nothing_twice(value):
    """And its text can be read again, where JSON can say it."""
    plain = one_form(value)

    assert repr(one_form(plain)) == repr(plain)
    if "nan" not in repr(plain) and "inf" not in repr(plain):
        assert canonical_text(parse_json(canonical_text(plain))) == canonical_text(
            plain
        )


def test_deep_values_are_no_trouble():
    """As deep as any that capture writes."""
    deep = json.loads("[" * 250 + "1.0" + "]" * 250)

    assert canonical_text(deep) == b"[" * 250 + b"1" + b"]" * 250


def test_an_address_is_told_to_be_read():
    """Without credentials of a model's API, and without percent-encoding."""
    call = chat(url="https://Api.test/v1/a%20b?key=secret&q=c%3Ad")

    assert address_of(call) == "POST api.test/v1/a b?q=c:d"
    assert address_of(call, host=False) == "POST /v1/a b?q=c:d"
    assert address_of(Call(kind="tool", name="f", inputs={})) is None
