"""Chat Completions: requests, content, tool calls, and the older forms."""

from __future__ import annotations

import json

import pytest

from otel_agent_replay import semconv
from otel_agent_replay.instrument.providers.openai_completions import OpenAICompletions
from otel_agent_replay.instrument.providers.openai_embeddings import OpenAIEmbeddings
from otel_agent_replay.model.messages import Message, ModelResponse, Usage
from tests.instrument.providers.openai_chat import CODEC, URL, answer, message, request

CONTENT = [
    (
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "content": "a", "cache_control": {"type": "ephemeral"}},
    ),
    (
        {"type": "image_url", "image_url": {"url": "https://h/a.png", "detail": "low"}},
        {"type": "uri", "modality": "image", "uri": "https://h/a.png", "detail": "low"},
    ),
    (
        {"type": "image_url", "image_url": "data:image/png;base64,AAAA"},
        {
            "type": "blob",
            "modality": "image",
            "mime_type": "image/png",
            "content": "AAAA",
        },
    ),
    (
        {"type": "image_url", "image_url": {"url": "data:image/svg+xml;utf8,<svg/>"}},
        {"type": "uri", "modality": "image", "uri": "data:image/svg+xml;utf8,<svg/>"},
    ),
    (
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {
            "type": "blob",
            "modality": "audio",
            "mime_type": "audio/wav",
            "content": "AAAA",
        },
    ),
    (
        {"type": "file", "file": {"file_id": "f1"}},
        {"type": "file", "modality": "document", "file_id": "f1"},
    ),
    (
        {
            "type": "file",
            "file": {
                "file_data": "data:application/pdf;base64,AA",
                "filename": "a.pdf",
            },
        },
        {
            "type": "blob",
            "modality": "document",
            "mime_type": "application/pdf",
            "content": "AA",
            "filename": "a.pdf",
        },
    ),
    (
        {"type": "document_url", "document_url": "https://h/a.pdf"},
        {"type": "uri", "modality": "document", "uri": "https://h/a.pdf"},
    ),
    ({"type": "refusal", "refusal": "no"}, {"type": "refusal", "content": "no"}),
    (
        {"type": "reference", "reference_ids": [1]},
        {"type": "reference", "reference_ids": [1]},
    ),
    ("plain", {"type": "text", "content": "plain"}),
    (7, {"type": "unknown", "value": 7}),
]


@pytest.mark.parametrize(("wire", "part"), CONTENT)
def test_content_parts(wire, part):
    """Each content part has its form; what the convention lacks is kept as it is."""
    assert message(role="user", content=[wire]).parts == (part,)


def test_roles_names_and_other_keys_are_kept():
    """A developer message stays one; names and unknown keys are kept."""
    read = message(
        role="developer", content="x", name="ops", annotations=[1], tool_calls=[]
    )

    assert read == Message(
        role="developer",
        name="ops",
        parts=({"type": "text", "content": "x"},),
        extra={"annotations": [1]},
    )


@pytest.mark.parametrize(
    ("arguments", "value", "raw"),
    [
        ('{"city":"Paris"}', {"city": "Paris"}, None),
        ('{"city": "Paris"}', {"city": "Paris"}, '{"city": "Paris"}'),
        ('{"n":1.0}', {"n": 1.0}, None),
        ('{"n":1e2}', {"n": 100.0}, '{"n":1e2}'),
        ("[1,2]", [1, 2], None),
        ("not json", "not json", None),
        ('"text"', '"text"', None),
        ("5", "5", None),
        ("", "", None),
        ('{"cut":', '{"cut":', None),
    ],
)
def test_tool_calls_keep_their_argument_text(arguments, value, raw):
    """Arguments are values; text that they do not imply is kept, and written again."""
    call = {
        "id": "c",
        "type": "function",
        "function": {"name": "f", "arguments": arguments},
    }
    read = answer({"role": "assistant", "content": None, "tool_calls": [call]})
    part = read.messages[0].parts[0]
    expected = {"type": "tool_call", "id": "c", "name": "f", "arguments": value}

    assert part == (expected if raw is None else {**expected, "arguments_text": raw})
    for stream in (False, True):
        body = CODEC.render_response(read, stream=stream)
        assert json.dumps(arguments)[1:-1].encode() in b"".join(body.chunks)


def test_changed_arguments_win_over_their_recorded_text():
    """A fork that changes arguments need not know of the text beside them."""
    call = {
        "id": "c",
        "type": "function",
        "function": {"name": "f", "arguments": '{"a": 1}'},
    }
    read = answer({"role": "assistant", "tool_calls": [call]})
    part = {**read.messages[0].parts[0], "arguments": {"a": 2}}
    changed = ModelResponse(messages=(Message(role="assistant", parts=(part,)),))
    wire = json.loads(CODEC.render_response(changed, stream=False).chunks[0])
    written = wire["choices"][0]["message"]["tool_calls"][0]["function"]

    assert written == {"name": "f", "arguments": '{"a":2}'}


def test_tool_results():
    """A tool message is a response to a call; its content stays as it is."""
    content = [{"type": "text", "text": "sunny"}]
    read = message(role="tool", tool_call_id="c", content=content, name="f")
    part = {"type": "tool_call_response", "id": "c", "response": content}

    assert read == Message(role="tool", name="f", parts=(part,))


def test_calls_of_every_style():
    """Custom tools and the call of before tools are calls too, and written as such."""
    wire = {
        "role": "assistant",
        "content": "x",
        "tool_calls": [
            {
                "id": "1",
                "type": "custom",
                "custom": {"name": "sql", "input": "SELECT 1"},
            },
            {
                "id": "2",
                "type": "function",
                "function": {"name": "f", "arguments": "{}"},
                "extra_content": {"google": {"thought_signature": "s"}},
            },
        ],
        "function_call": {"name": "old", "arguments": "{}"},
    }
    read = answer(wire, finish_reason="tool_calls")
    calls = [part for part in read.messages[0].parts if part["type"] == "tool_call"]

    assert [(each["name"], each["arguments"]) for each in calls] == [
        ("sql", "SELECT 1"),
        ("f", {}),
        ("old", {}),
    ]
    again = json.loads(CODEC.render_response(read, stream=False).chunks[0])
    assert again["choices"][0]["message"] == {"refusal": None, **wire}


def test_parameters_and_tools():
    """Parameters have the convention's names, others their own behind its prefix."""
    schema = {"type": "object", "properties": {}}
    function = {"name": "f", "description": "d", "parameters": schema, "strict": True}
    read = request(
        model="gpt-5",
        messages=[],
        stream=True,
        stream_options={"include_usage": True},
        max_completion_tokens=5,
        n=2,
        temperature=0,
        stop="END",
        seed=7,
        reasoning_effort="low",
        response_format={"type": "json_object"},
        user=None,
        tools=[{"type": "function", "function": function}, {"type": "web_search"}],
        functions=[{"name": "old"}],
    )

    assert read.stream
    assert read.parameters == {
        semconv.REQUEST_MAX_TOKENS: 5,
        semconv.REQUEST_CHOICE_COUNT: 2,
        semconv.REQUEST_TEMPERATURE: 0,
        semconv.REQUEST_STOP_SEQUENCES: ["END"],
        semconv.REQUEST_SEED: 7,
        semconv.REQUEST_REASONING_LEVEL: "low",
        "gen_ai.request.response_format": {"type": "json_object"},
        "gen_ai.request.stream_options": {"include_usage": True},
    }
    assert read.tools == (
        {"type": "function", **function},
        {"type": "web_search"},
        {"type": "function", "name": "old"},
    )


def test_azure_names_the_model_in_the_path():
    """A body without a model takes the deployment's name."""
    url = "https://r.openai.azure.com/openai/deployments/my%20gpt/chat/completions"

    assert CODEC.request(b"{}", url).model == "my gpt"
    assert CODEC.request(b'{"model": "gpt-5"}', url).model == "gpt-5"


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("x", [{"type": "text", "content": "x"}]),
        (
            ["x", "y"],
            [{"type": "text", "content": "x"}, {"type": "text", "content": "y"}],
        ),
        ([1, 2], [{"type": "tokens", "content": [1, 2]}]),
        ([[1], [2]], [{"type": "tokens", "content": [[1], [2]]}]),
        ({"a": 1}, [{"type": "unknown", "value": {"a": 1}}]),
    ],
)
def test_prompts_and_inputs_of_every_form(value, parts):
    """Texts and tokens, one or many, are the parts of one message."""
    for codec, key in ((OpenAICompletions(), "prompt"), (OpenAIEmbeddings(), "input")):
        read = codec.request(json.dumps({key: value}).encode(), URL)
        assert read.messages == (Message(role="user", parts=tuple(parts)),)
        assert codec.request(b"{}", URL).messages == ()


def test_embeddings_say_usage_and_no_vectors():
    """The vectors are left to the recorded bytes."""
    wire = {"data": [{"embedding": [0.1]}], "model": "m", "usage": {"prompt_tokens": 3}}
    read = OpenAIEmbeddings().response(json.dumps(wire).encode(), None)

    assert read == ModelResponse(model="m", usage=Usage(input_tokens=3))
