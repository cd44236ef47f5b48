"""Gemini: contents in both spellings, streams in both forms."""

from __future__ import annotations

import json

import pytest

from otel_agent_replay import semconv
from otel_agent_replay.instrument.providers.gemini import GeminiGenerateContent
from otel_agent_replay.instrument.providers.gemini_embeddings import GeminiEmbeddings
from otel_agent_replay.model.messages import Message, ModelResponse, Usage

URL = "https://generativelanguage.googleapis.com/v1beta/models/gem:generateContent"
CODEC = GeminiGenerateContent()


def request(**wire):
    return CODEC.request(json.dumps(wire).encode(), URL)


def answer(*parts, **wire):
    candidate = {
        "content": {"parts": parts, "role": "model"},
        "finishReason": "STOP",
        "index": 0,
    }
    body = {
        "candidates": [candidate],
        "modelVersion": "gem-1",
        "responseId": "r",
        **wire,
    }
    return CODEC.response(json.dumps(body).encode(), "application/json")


PARTS = [
    (
        {"text": "Hi", "thoughtSignature": "SIG"},
        {"type": "text", "content": "Hi", "thoughtSignature": "SIG"},
    ),
    ({"text": "hm", "thought": True}, {"type": "reasoning", "content": "hm"}),
    (
        {
            "functionCall": {"id": "c", "name": "f", "args": {"a": 1}},
            "thoughtSignature": "SIG",
        },
        {
            "type": "tool_call",
            "id": "c",
            "name": "f",
            "arguments": {"a": 1},
            "thoughtSignature": "SIG",
        },
    ),
    (
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {
            "type": "blob",
            "modality": "image",
            "mime_type": "image/png",
            "content": "AAAA",
        },
    ),
    (
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        {
            "type": "server_tool_call",
            "name": "code_execution",
            "server_tool_call": {"language": "PYTHON", "code": "1"},
        },
    ),
    (
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
        {
            "type": "server_tool_call_response",
            "server_tool_call_response": {"outcome": "OUTCOME_OK", "output": "1"},
        },
    ),
    ({"newThing": {"a": 1}}, {"type": "unknown", "value": {"newThing": {"a": 1}}}),
]


@pytest.mark.parametrize(
    ("wire", "part"), PARTS, ids=[next(iter(wire)) for wire, _ in PARTS]
)
def test_answer_parts_are_read_and_written_back(wire, part):
    """Each part has its form; writing restores it, plain and streamed."""
    read = answer(wire)

    assert read.messages[0].parts == (part,)
    written = json.loads(CODEC.render_response(read, stream=False).chunks[0])
    assert written["candidates"][0]["content"]["parts"] == [wire]
    streamed = CODEC.render_response(read, stream=True)
    assert CODEC.response(b"".join(streamed.chunks), None) == read


def test_requests_in_both_spellings():
    """Camel case and snake case mean the same."""
    camel = request(
        systemInstruction={"parts": [{"text": "rules"}]},
        contents=[
            {
                "role": "user",
                "parts": [
                    {"inlineData": {"mimeType": "audio/wav", "data": "AA"}},
                    {"fileData": {"fileUri": "gs://b/v", "mimeType": "video/mp4"}},
                ],
            }
        ],
        generationConfig={
            "temperature": 0,
            "maxOutputTokens": 5,
            "topK": 40.0,
            "responseMimeType": "application/json",
            "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True},
        },
        safetySettings=[{"category": "X"}],
        tools=[
            {
                "functionDeclarations": [
                    {"name": "f", "parametersJsonSchema": {"type": "object"}}
                ]
            },
            {"googleSearch": {}},
        ],
    )
    snake = request(
        system_instruction={"parts": [{"text": "rules"}]},
        contents=[
            {
                "role": "user",
                "parts": [
                    {"inline_data": {"mime_type": "audio/wav", "data": "AA"}},
                    {"file_data": {"file_uri": "gs://b/v", "mime_type": "video/mp4"}},
                ],
            }
        ],
        generation_config={
            "temperature": 0,
            "max_output_tokens": 5,
            "top_k": 40.0,
            "response_mime_type": "application/json",
            "thinking_config": {"thinking_level": "LOW", "include_thoughts": True},
        },
        safety_settings=[{"category": "X"}],
        tools=[
            {
                "function_declarations": [
                    {"name": "f", "parameters_json_schema": {"type": "object"}}
                ]
            },
            {"google_search": {}},
        ],
    )

    assert camel == snake
    assert camel.system == ({"type": "text", "content": "rules"},)
    assert camel.messages == (
        Message(
            role="user",
            parts=(
                {
                    "type": "blob",
                    "modality": "audio",
                    "mime_type": "audio/wav",
                    "content": "AA",
                },
                {
                    "type": "uri",
                    "modality": "video",
                    "uri": "gs://b/v",
                    "mime_type": "video/mp4",
                },
            ),
        ),
    )
    assert camel.parameters == {
        semconv.REQUEST_TEMPERATURE: 0,
        semconv.REQUEST_MAX_TOKENS: 5,
        semconv.REQUEST_TOP_K: 40.0,
        semconv.REQUEST_REASONING_LEVEL: "LOW",
        "gen_ai.request.thinkingConfig": {"includeThoughts": True},
        "gen_ai.request.responseMimeType": "application/json",
        "gen_ai.request.safetySettings": [{"category": "X"}],
    }
    assert camel.tools == (
        {"type": "function", "name": "f", "parameters": {"type": "object"}},
        {"type": "googleSearch", "name": "googleSearch", "settings": {}},
    )
    assert (camel.model, camel.provider, camel.operation) == (
        "gem",
        "gcp.gemini",
        "generate_content",
    )


def test_conversations():
    """The model speaks as the assistant; a function's response is a result."""
    read = request(
        contents=[
            {"parts": [{"text": "hi"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"id": "c", "name": "f", "response": {"r": 1}}}
                ],
            },
        ],
    )

    assert [each.role for each in read.messages] == ["user", "assistant", "user"]
    assert read.messages[2].parts == (
        {"type": "tool_call_response", "id": "c", "name": "f", "response": {"r": 1}},
    )
    assert request(contents="hi").messages[0].parts == (
        {"type": "text", "content": "hi"},
    )


CHUNKS = [
    {
        "candidates": [
            {
                "content": {
                    "role": "model",
                    "parts": [{"text": "think ", "thought": True}],
                }
            }
        ],
        "responseId": "r",
        "modelVersion": "gem-1",
    },
    {
        "candidates": [
            {"content": {"role": "model", "parts": [{"text": "hard", "thought": True}]}}
        ]
    },
    {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "He"}]}}],
        "usageMetadata": {"promptTokenCount": 3},
    },
    {"candidates": [{"content": {"role": "model", "parts": [{"text": "y"}]}}]},
    {
        "candidates": [
            {
                "content": {
                    "role": "model",
                    "parts": [{"text": "", "thoughtSignature": "SIG"}],
                },
                "finishReason": "STOP",
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 3,
            "candidatesTokenCount": 2,
            "thoughtsTokenCount": 4,
            "toolUsePromptTokenCount": 1,
        },
    },
]


def in_events(chunks):
    return "".join(f"data: {json.dumps(chunk)}\r\n\r\n" for chunk in chunks)


def in_array(chunks):
    return "[" + ",\r\n".join(json.dumps(chunk, indent=1) for chunk in chunks) + "]"


@pytest.mark.parametrize("form", [in_events, in_array])
def test_streams_are_put_together_in_either_form(form):
    """With `alt=sse` and without, texts are joined; a signed part stands alone."""
    read = CODEC.response(form(CHUNKS).encode(), None)

    assert read == ModelResponse(
        id="r",
        model="gem-1",
        messages=(
            Message(
                role="assistant",
                parts=(
                    {"type": "reasoning", "content": "think hard"},
                    {"type": "text", "content": "Hey"},
                    {"type": "text", "content": "", "thoughtSignature": "SIG"},
                ),
                finish_reason="stop",
            ),
        ),
        finish_reasons=("STOP",),
        usage=Usage(input_tokens=4, output_tokens=6, reasoning_output_tokens=4),
        extra={"usage": {"toolUsePromptTokenCount": 1}},
    )


@pytest.mark.parametrize("form", [in_events, in_array])
def test_a_broken_off_stream_keeps_what_came(form):
    """Cut anywhere before its end, a stream is incomplete."""
    body = form(CHUNKS)
    cut = body[: body.index("SIG")]
    read = CODEC.response(cut.encode(), None)

    assert not read.complete
    assert [part["content"] for part in read.messages[0].parts] == ["think hard", "Hey"]


def test_a_refused_prompt_says_why():
    """Without a candidate, the reason of the block is the finish reason."""
    feedback = {"blockReason": "SAFETY", "safetyRatings": [{"category": "X"}]}
    body = json.dumps({"promptFeedback": feedback}).encode()
    read = CODEC.response(body, None)

    assert (read.messages, read.finish_reasons, read.error) == ((), ("SAFETY",), None)
    assert read.extra == {"promptFeedback": feedback}
    for stream in (False, True):
        written = CODEC.render_response(read, stream=stream)
        assert CODEC.response(b"".join(written.chunks), None) == read


def test_what_a_candidate_says_beside_its_content_is_kept():
    """Grounding and citations are kept with the message."""
    candidate = {
        "content": {"parts": [{"text": "x"}], "role": "model"},
        "finishReason": "STOP",
        "index": 0,
        "groundingMetadata": {"webSearchQueries": ["q"]},
    }
    read = CODEC.response(json.dumps({"candidates": [candidate]}).encode(), None)

    assert read.messages[0].extra == {"groundingMetadata": {"webSearchQueries": ["q"]}}


def test_a_stop_with_calls_is_a_tool_call():
    """Gemini says STOP also when it calls; the message's reason says which."""
    read = answer({"functionCall": {"name": "f", "args": {}}})

    assert read.finish_reasons == ("STOP",)
    assert read.messages[0].finish_reason == "tool_call"


def test_embeddings():
    """Each content is a message; the vectors are left to the recorded bytes."""
    codec = GeminiEmbeddings()
    url = URL.replace("generateContent", "batchEmbedContents")
    one = {
        "model": "models/gem",
        "content": {"parts": [{"text": "a"}]},
        "taskType": "T",
    }
    read = codec.request(json.dumps({"requests": [one, one]}).encode(), url)

    assert (read.operation, read.model, len(read.messages)) == ("embeddings", "gem", 2)
    assert read.parameters == {"gen_ai.request.taskType": "T"}
    assert (
        codec.response(b'{"embeddings": [{"values": [0.1]}]}', None) == ModelResponse()
    )
    assert codec.render_url(url, model="new") == url.replace("/gem:", "/new:")
