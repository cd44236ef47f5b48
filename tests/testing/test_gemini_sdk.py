"""The real google-genai SDK reads what ScriptedProvider says."""

from __future__ import annotations

import pytest
from google import genai
from google.genai import errors, types

from otel_agent_replay.model.messages import Usage
from otel_agent_replay.testing import Answer, ScriptedProvider, ToolCall

# The SDK's own: its async client subclasses aiohttp's session.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Inheritance class AiohttpClientSession:DeprecationWarning"
)

REQUEST = {"model": "gemini-x", "contents": "Where is my refund?"}
STORY = Answer(
    text="It takes five days, counted from the day we got it back.",
    usage=Usage(
        input_tokens=20,
        output_tokens=9,
        cache_read_input_tokens=5,
        reasoning_output_tokens=2,
    ),
)
CALLS = Answer(
    text="Let me look.",
    tool_calls=[
        ToolCall("search_docs", {"query": "refund policy"}, id="one"),
        ToolCall("search_docs", {"query": "orders"}),
    ],
)


@pytest.fixture
async def served():
    """Open a provider with these answers, and a client of it."""
    opened = []

    def serve(*answers: Answer):
        provider = ScriptedProvider(answers=answers)
        client = genai.Client(
            api_key="any",
            vertexai=False,
            http_options=types.HttpOptions(base_url=provider.url),
        )
        opened.append((provider, client))
        return provider, client

    yield serve
    for provider, client in opened:
        await client.aio.aclose()
        client.close()
        provider.close()


async def test_content_whole(served):
    """Text, finish reason and usage arrive, sync and async alike."""
    _, client = served(STORY, STORY)

    sync = client.models.generate_content(**REQUEST)
    other = await client.aio.models.generate_content(**REQUEST)

    assert sync.text == other.text == STORY.text
    assert sync.candidates[0].finish_reason == types.FinishReason.STOP
    assert sync.model_version == "gemini-x"
    usage = sync.usage_metadata
    assert usage.prompt_token_count == 20
    assert usage.candidates_token_count == 7
    assert usage.thoughts_token_count == 2
    assert usage.cached_content_token_count == 5
    assert usage.total_token_count == 29


async def test_content_streamed(served):
    """A stream brings text in pieces, then the calls, and ends with its reason."""
    _, client = served(CALLS, CALLS, STORY)

    chunks = list(client.models.generate_content_stream(**REQUEST))
    other = [
        chunk
        async for chunk in await client.aio.models.generate_content_stream(**REQUEST)
    ]
    story = list(client.models.generate_content_stream(**REQUEST))

    assert "".join(chunk.text or "" for chunk in story) == STORY.text
    assert len(story) > 4
    calls = [call for chunk in chunks for call in chunk.function_calls or []]
    assert [call.args for call in calls] == [
        {"query": "refund policy"},
        {"query": "orders"},
    ]
    assert [call.id for call in calls] == ["one", None]
    assert [c.candidates for c in chunks] == [c.candidates for c in other]
    reasons = [chunk.candidates[0].finish_reason for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + [types.FinishReason.STOP]


async def test_functions_are_called(served):
    """The SDK's own loop calls the function and sends its result."""
    provider, client = served(CALLS, STORY, CALLS, STORY)
    asked = []

    def search_docs(query: str) -> str:
        """Search the docs."""
        asked.append(query)
        return "nothing"

    config = types.GenerateContentConfig(tools=[search_docs])
    sync = client.models.generate_content(**REQUEST, config=config)
    other = await client.aio.models.generate_content(**REQUEST, config=config)

    assert sync.text == other.text == STORY.text
    assert asked == ["refund policy", "orders"] * 2
    answered = provider.requests[1].json["contents"][-1]["parts"]
    assert [part["functionResponse"]["name"] for part in answered] == [
        "search_docs"
    ] * 2


async def test_errors_are_the_sdks_own(served):
    """A scripted 429 is the SDK's client error, with status name and message."""
    slow = Answer(status=429, text="Slow down")
    _, client = served(slow, slow)

    with pytest.raises(errors.ClientError, match=r"RESOURCE_EXHAUSTED.*Slow down"):
        client.models.generate_content(**REQUEST)
    with pytest.raises(errors.ClientError, match="Slow down"):
        [c async for c in await client.aio.models.generate_content_stream(**REQUEST)]


def test_models_are_listed(served):
    """The SDK reads the list of models."""
    _, client = served()

    assert [model.name for model in client.models.list()] == ["models/scripted"]
