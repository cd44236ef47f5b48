"""Requests with a model, system prompt or parameter changed; all else as it was."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agent_replay import semconv
from otel_agent_replay.instrument.providers.json_edit import (
    insert_first,
    remove_at,
    set_at,
)
from otel_agent_replay.instrument.providers.registry import CODECS, codec_for

CHAT = "https://api.openai.com/v1/chat/completions"
RESPONSES = "https://api.openai.com/v1/responses"
MESSAGES = "https://api.anthropic.com/v1/messages"
GEMINI = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent"

objects = st.recursive(
    st.dictionaries(st.text(max_size=3), st.integers() | st.text(), max_size=3),
    lambda inner: st.dictionaries(
        st.text(max_size=3), inner | st.lists(inner), max_size=3
    ),
    max_leaves=6,
)
spaced = st.sampled_from([None, 1, 2])


@given(objects, st.text(max_size=3), objects | st.integers(), spaced)
def test_setting_a_member_sets_it_and_nothing_else(before, key, value, indent):
    """Reading the edited text gives the object with that one member changed."""
    content = json.dumps(before, indent=indent)

    assert json.loads(set_at(content, (key,), value)) == {**before, key: value}


@given(objects, st.data(), spaced)
def test_removing_a_member_keeps_the_others(before, data, indent):
    """Reading the edited text gives the object without that member."""
    keys = [*before, "absent"]
    key = data.draw(st.sampled_from(keys))
    content = json.dumps(before, indent=indent)
    left = {name: value for name, value in before.items() if name != key}

    assert json.loads(remove_at(content, (key,))) == left


@given(st.lists(st.integers()), st.integers(), spaced)
def test_inserting_puts_an_item_first(before, value, indent):
    """The list at the path has one more item, at its front."""
    content = json.dumps({"a": before}, indent=indent)

    assert json.loads(insert_first(content, ("a",), value)) == {"a": [value, *before]}


def test_bytes_that_are_not_edited_stay():
    """Spaces, number forms, escapes and the order of keys survive a change."""
    original = b'{ "b" : 1.0 ,\n "model":"old", "a":"\\u00e9\xc3\xa9", "c":1e2 }'
    codec = codec_for("POST", CHAT)

    changed = codec.render_request(original, model="new")

    assert changed == original.replace(b'"old"', b'"new"')


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.api)
@pytest.mark.parametrize("original", [b"", b"no json", b"[1]", b"\xff\xfe", b"null"])
def test_what_is_no_json_object_is_left_alone(codec, original):
    """A body that cannot be edited comes back as it was."""
    assert codec.render_request(original, model="m", system="s") == original


@pytest.mark.parametrize(
    ("url", "wire", "expected"),
    [
        (
            CHAT,
            {"messages": [{"role": "system", "content": "old"}, {"role": "user"}]},
            {"messages": [{"role": "system", "content": "new"}, {"role": "user"}]},
        ),
        (
            CHAT,
            {"messages": [{"role": "developer", "content": "old"}]},
            {"messages": [{"role": "developer", "content": "new"}]},
        ),
        (
            CHAT,
            {"messages": [{"role": "user", "content": "x"}]},
            {
                "messages": [
                    {"role": "system", "content": "new"},
                    {"role": "user", "content": "x"},
                ],
            },
        ),
        (RESPONSES, {"instructions": "old"}, {"instructions": "new"}),
        (RESPONSES, {"input": "x"}, {"input": "x", "instructions": "new"}),
        (
            RESPONSES,
            {"input": [{"role": "system", "content": "old"}]},
            {"input": [{"role": "system", "content": "new"}]},
        ),
        (MESSAGES, {"system": [{"type": "text", "text": "old"}]}, {"system": "new"}),
        (GEMINI, {}, {"systemInstruction": {"parts": [{"text": "new"}]}}),
        (
            GEMINI,
            {"system_instruction": "old"},
            {"system_instruction": {"parts": [{"text": "new"}]}},
        ),
    ],
)
def test_the_system_prompt_is_replaced_where_the_api_has_it(url, wire, expected):
    """New instructions stand where the API reads them, and are read back."""
    codec = codec_for("POST", url)
    changed = codec.render_request(json.dumps(wire).encode(), system="new")
    read = codec.request(changed, url)
    said = [*read.system, *(part for each in read.messages for part in each.parts)]

    assert json.loads(changed) == expected
    assert "new" in [part.get("content") for part in said]


@pytest.mark.parametrize(
    ("url", "wire", "parameters", "expected"),
    [
        (
            CHAT,
            {"temperature": 1, "max_tokens": 5, "seed": 3},
            {
                semconv.REQUEST_TEMPERATURE: 0.5,
                semconv.REQUEST_MAX_TOKENS: 7,
                semconv.REQUEST_SEED: None,
                "gen_ai.request.user": "u",
                "logprobs": True,
            },
            {"temperature": 0.5, "max_tokens": 7, "user": "u", "logprobs": True},
        ),
        (CHAT, {}, {semconv.REQUEST_MAX_TOKENS: 7}, {"max_completion_tokens": 7}),
        (
            RESPONSES,
            {"reasoning": {"summary": "auto"}},
            {semconv.REQUEST_REASONING_LEVEL: "high"},
            {"reasoning": {"summary": "auto", "effort": "high"}},
        ),
        (
            MESSAGES,
            {"max_tokens": 1},
            {semconv.REQUEST_REASONING_LEVEL: "low"},
            {"max_tokens": 1, "output_config": {"effort": "low"}},
        ),
        (
            GEMINI,
            {"generationConfig": {"topP": 1, "seed": 2}},
            {semconv.REQUEST_TOP_P: None, semconv.REQUEST_TEMPERATURE: 0},
            {"generationConfig": {"seed": 2, "temperature": 0}},
        ),
        (
            GEMINI,
            {},
            {semconv.REQUEST_TEMPERATURE: 0},
            {"generationConfig": {"temperature": 0}},
        ),
        (
            "https://api.openai.com/v1/embeddings",
            {"input": "x", "encoding_format": "float"},
            {semconv.REQUEST_ENCODING_FORMATS: ["base64"]},
            {"input": "x", "encoding_format": "base64"},
        ),
    ],
)
def test_parameters_are_set_and_taken_away(url, wire, parameters, expected):
    """A parameter goes where the API reads it; None removes it."""
    codec = codec_for("POST", url)
    changed = codec.render_request(json.dumps(wire).encode(), parameters=parameters)

    assert json.loads(changed) == expected


@pytest.mark.parametrize("url", [CHAT, RESPONSES, MESSAGES, GEMINI])
def test_parameters_read_are_parameters_written(url):
    """Setting what was read changes nothing; reading gives what was set."""
    codec = codec_for("POST", url)
    wanted = {semconv.REQUEST_TEMPERATURE: 0.25, semconv.REQUEST_MAX_TOKENS: 9}
    changed = codec.render_request(b'{"x": 1}', parameters=wanted)
    read = codec.request(changed, url).parameters

    assert {**wanted, "gen_ai.request.x": 1} == read
    assert codec.render_request(changed, parameters=read) == changed


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (CHAT, CHAT),
        (GEMINI + "?alt=sse", GEMINI.replace("gemini-2.5-flash", "a%2Fb") + "?alt=sse"),
        (
            "https://x.openai.azure.com/openai/deployments/one/chat/completions?api-version=1",
            "https://x.openai.azure.com/openai/deployments/a%2Fb/chat/completions?api-version=1",
        ),
    ],
)
def test_a_model_in_the_url_is_changed_there(url, expected):
    """Gemini and Azure name the model in the path."""
    assert codec_for("POST", url).render_url(url, model="a/b") == expected
