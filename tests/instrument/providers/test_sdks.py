"""Written answers are what today's SDKs read: openai, anthropic, google-genai."""

from __future__ import annotations

import json

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import types

from otel_agent_replay.instrument.providers.anthropic_messages import AnthropicMessages
from otel_agent_replay.instrument.providers.gemini import GeminiGenerateContent
from otel_agent_replay.instrument.providers.openai_chat import OpenAIChat
from otel_agent_replay.instrument.providers.openai_completions import OpenAICompletions
from otel_agent_replay.instrument.providers.openai_responses import OpenAIResponses
from otel_agent_replay.model.messages import Message, ModelResponse, Usage

# The SDK's own: its async client subclasses aiohttp's session.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Inheritance class AiohttpClientSession:DeprecationWarning",
)

# As another instrumentation would have recorded it: no extras, no provider's words.
ANSWER = ModelResponse(
    id="answer-1",
    model="model-1",
    messages=(
        Message(
            role="assistant",
            parts=(
                {"type": "reasoning", "content": "They want weather."},
                {"type": "text", "content": "Looking it up 🌦"},
                {
                    "type": "tool_call",
                    "id": "call_a",
                    "name": "weather",
                    "arguments": {"city": "Paris", "days": 2},
                },
                {
                    "type": "tool_call",
                    "id": "call_b",
                    "name": "clock",
                    "arguments": {},
                },
            ),
            finish_reason="tool_call",
        ),
    ),
    usage=Usage(
        input_tokens=100,
        output_tokens=30,
        cache_read_input_tokens=40,
        reasoning_output_tokens=10,
    ),
)


class Wire(httpx2.BaseTransport):
    """Answers every request with one written body; keeps what was asked."""

    def __init__(self, codec, response) -> None:
        self.codec, self.response = codec, response
        self.asked = []

    def handle_request(self, request):
        url, body = str(request.url), request.read()
        asked = self.codec.request(body, url)
        self.asked.append(asked)
        written = self.codec.render_response(self.response, stream=asked.stream)
        return httpx2.Response(
            200,
            headers={"content-type": written.content_type},
            stream=Pieces(written.chunks),
        )


class Pieces(httpx2.SyncByteStream):
    def __init__(self, chunks) -> None:
        self.chunks = chunks

    def __iter__(self):
        return iter(self.chunks)


@pytest.fixture
def serve():
    """Make an HTTP client that gets a codec's written answers."""
    opened = []

    def open_client(codec, response=ANSWER):
        wire = Wire(codec, response)
        client = httpx2.Client(transport=wire)
        opened.append(client)
        return client, wire

    yield open_client
    for client in opened:
        client.close()


def openai_client(http):
    return openai.OpenAI(api_key="k", http_client=http, max_retries=0)


def assert_chat(completion, reason="tool_calls"):
    message = completion.choices[0].message
    calls = [(call.id, call.function.name) for call in message.tool_calls]

    assert (completion.id, completion.model) == ("answer-1", "model-1")
    assert message.content == "Looking it up 🌦"
    assert message.reasoning_content == "They want weather."
    assert calls == [("call_a", "weather"), ("call_b", "clock")]
    arguments = [json.loads(call.function.arguments) for call in message.tool_calls]
    assert arguments == [{"city": "Paris", "days": 2}, {}]
    assert completion.choices[0].finish_reason == reason
    assert completion.usage.prompt_tokens == 100
    assert completion.usage.total_tokens == 130
    assert completion.usage.prompt_tokens_details.cached_tokens == 40
    assert completion.usage.completion_tokens_details.reasoning_tokens == 10


CHAT = {"model": "model-1", "messages": [{"role": "user", "content": "Weather?"}]}


def test_openai_chat_plain(serve):
    """A written completion is read by openai."""
    http, wire = serve(OpenAIChat())
    assert_chat(openai_client(http).chat.completions.create(**CHAT))

    assert wire.asked[0].messages[0].parts == ({"type": "text", "content": "Weather?"},)


def test_openai_chat_streamed(serve):
    """Written chunks are put together by openai's own stream to the same answer."""
    http, wire = serve(OpenAIChat())
    client = openai_client(http)
    with client.chat.completions.stream(
        **CHAT, stream_options={"include_usage": True}
    ) as stream:
        chunks = [event for event in stream if event.type == "chunk"]
        final = stream.get_final_completion()

    assert_chat(final)
    assert len(chunks) > 5
    assert wire.asked[0].stream


def test_openai_chat_several_choices(serve):
    """Each choice of a written answer arrives with its own text."""
    parts = [({"type": "text", "content": said},) for said in ("one", "two")]
    response = ModelResponse(
        id="i",
        model="m",
        messages=tuple(Message(role="assistant", parts=each) for each in parts),
        finish_reasons=("stop", "stop"),
    )
    http, _ = serve(OpenAIChat(), response)
    plain = openai_client(http).chat.completions.create(**CHAT)
    with openai_client(http).chat.completions.stream(**CHAT) as stream:
        streamed = stream.get_final_completion() if list(stream) else None

    for read in (plain, streamed):
        said = [(each.message.content, each.finish_reason) for each in read.choices]
        assert said == [("one", "stop"), ("two", "stop")]


def test_openai_completions(serve):
    """Written texts are read by openai, plain and streamed."""
    response = ModelResponse(
        id="i",
        model="m",
        messages=(
            Message(role="assistant", parts=({"type": "text", "content": "Hi"},)),
        ),
        usage=Usage(input_tokens=1, output_tokens=2),
    )
    http, _ = serve(OpenAICompletions(), response)
    client = openai_client(http)
    plain = client.completions.create(model="m", prompt="Say hi")
    pieces = list(client.completions.create(model="m", prompt="Say hi", stream=True))

    assert (plain.choices[0].text, plain.choices[0].finish_reason) == ("Hi", "stop")
    assert "".join(c.text for piece in pieces for c in piece.choices) == "Hi"
    assert pieces[-1].usage.completion_tokens == 2


def assert_responses(read):
    kinds = [item.type for item in read.output]
    calls = [item for item in read.output if item.type == "function_call"]

    assert (read.id, read.model, read.status) == ("answer-1", "model-1", "completed")
    assert kinds == ["reasoning", "message", "function_call", "function_call"]
    assert read.output[0].summary[0].text == "They want weather."
    assert read.output_text == "Looking it up 🌦"
    assert [(call.call_id, call.name) for call in calls] == [
        ("call_a", "weather"),
        ("call_b", "clock"),
    ]
    assert json.loads(calls[0].arguments) == {"city": "Paris", "days": 2}
    assert read.usage.input_tokens_details.cached_tokens == 40
    assert read.usage.output_tokens_details.reasoning_tokens == 10


def test_openai_responses_plain(serve):
    """A written response is read by openai."""
    http, _ = serve(OpenAIResponses())

    assert_responses(openai_client(http).responses.create(model="model-1", input="x"))


def test_openai_responses_streamed(serve):
    """Written events drive openai's own stream to the same response."""
    http, wire = serve(OpenAIResponses())
    with openai_client(http).responses.stream(model="model-1", input="x") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()

    assert_responses(final)
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert "response.output_text.delta" in kinds
    assert "response.function_call_arguments.done" in kinds
    assert wire.asked[0].stream


def assert_anthropic(message):
    thinking, said, *calls = message.content

    assert (message.id, message.model) == ("answer-1", "model-1")
    assert (thinking.type, thinking.thinking) == ("thinking", "They want weather.")
    assert said.text == "Looking it up 🌦"
    assert [(call.id, call.name, call.input) for call in calls] == [
        ("call_a", "weather", {"city": "Paris", "days": 2}),
        ("call_b", "clock", {}),
    ]
    assert message.stop_reason == "tool_use"
    assert message.usage.input_tokens == 60
    assert message.usage.cache_read_input_tokens == 40
    assert message.usage.output_tokens == 30


MESSAGES = {
    "model": "model-1",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Weather?"}],
}


def test_anthropic_plain(serve):
    """A written message is read by anthropic."""
    http, wire = serve(AnthropicMessages())
    client = anthropic.Anthropic(api_key="k", http_client=http, max_retries=0)

    assert_anthropic(client.messages.create(**MESSAGES))
    assert wire.asked[0].model == "model-1"


def test_anthropic_streamed(serve):
    """Written events drive anthropic's own stream to the same message."""
    http, wire = serve(AnthropicMessages())
    client = anthropic.Anthropic(api_key="k", http_client=http, max_retries=0)
    with client.messages.stream(**MESSAGES) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_message()

    assert_anthropic(final)
    assert {"text", "input_json", "thinking", "message_stop"} <= kinds
    assert wire.asked[0].stream


def gemini_client(http):
    options = types.HttpOptions(httpx_client=http)
    return genai.Client(api_key="k", http_options=options)


def assert_gemini_parts(parts):
    said = "".join(p.text for p in parts if p.text and not p.thought)
    calls = [part.function_call for part in parts if part.function_call]

    assert [part.text for part in parts if part.thought] == ["They want weather."]
    assert said == "Looking it up 🌦"
    assert [(call.id, call.name, call.args) for call in calls] == [
        ("call_a", "weather", {"city": "Paris", "days": 2}),
        ("call_b", "clock", {}),
    ]


def assert_gemini_end(read):
    usage = read.usage_metadata

    assert (read.response_id, read.model_version) == ("answer-1", "model-1")
    assert read.candidates[0].finish_reason == types.FinishReason.STOP
    assert usage.prompt_token_count == 100
    assert usage.candidates_token_count == 20
    assert usage.thoughts_token_count == 10
    assert usage.cached_content_token_count == 40


def test_gemini_plain(serve):
    """A written answer is read by google-genai."""
    http, wire = serve(GeminiGenerateContent())
    read = gemini_client(http).models.generate_content(model="gem", contents="Weather?")

    assert_gemini_parts(read.candidates[0].content.parts)
    assert_gemini_end(read)
    assert wire.asked[0].model == "gem"


def test_gemini_streamed(serve):
    """Written events are read by google-genai one by one."""
    http, wire = serve(GeminiGenerateContent())
    chunks = list(
        gemini_client(http).models.generate_content_stream(
            model="gem", contents="Weather?"
        ),
    )
    contents = [chunk.candidates[0].content for chunk in chunks]
    parts = [part for content in contents if content for part in content.parts or []]

    assert_gemini_parts(parts)
    assert_gemini_end(chunks[-1])
    assert wire.asked[0].stream
