"""The real anthropic SDK reads what ScriptedProvider says."""

from __future__ import annotations

import anthropic
import httpx2
import pytest
from anthropic import Anthropic, AsyncAnthropic, beta_async_tool, beta_tool

from otel_agent_replay.model.messages import Usage
from otel_agent_replay.testing import Answer, ScriptedProvider, ToolCall

REQUEST = {
    "model": "claude-x",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Where is my refund?"}],
}
STORY = Answer(
    text="It takes five days, counted from the day we got it back.",
    usage=Usage(
        input_tokens=20,
        output_tokens=9,
        cache_read_input_tokens=5,
        cache_write_input_tokens=3,
    ),
)
CALLS = Answer(
    text="Let me look.",
    tool_calls=[
        ToolCall("search_docs", {"query": "refund policy"}, id="toolu_first"),
        ToolCall("search_docs", {"query": "orders"}, id="toolu_second"),
    ],
)


@pytest.fixture
async def served():
    """Open a provider with these answers, and both clients of it."""
    opened = []

    def serve(*answers: Answer):
        provider = ScriptedProvider(answers=answers)
        settings = {"base_url": provider.url, "api_key": "any", "max_retries": 0}
        opened.append((provider, Anthropic(**settings), AsyncAnthropic(**settings)))
        return opened[-1]

    yield serve
    for provider, client, async_client in opened:
        await async_client.close()
        client.close()
        provider.close()


async def test_messages_whole(served):
    """Text, stop reason and usage arrive, sync and async alike."""
    _, client, async_client = served(STORY, STORY)

    sync = client.messages.create(**REQUEST)
    other = await async_client.messages.create(**REQUEST)

    assert sync == other
    assert sync.content[0].text == STORY.text
    assert (sync.model, sync.stop_reason) == ("claude-x", "end_turn")
    assert (sync.usage.input_tokens, sync.usage.output_tokens) == (12, 9)
    assert sync.usage.cache_read_input_tokens == 5
    assert sync.usage.cache_creation_input_tokens == 3


async def test_messages_streamed(served):
    """A stream adds up to the whole message."""
    _, client, async_client = served(CALLS, CALLS, CALLS, CALLS)

    whole = client.messages.create(**REQUEST)
    with client.messages.stream(**REQUEST) as stream:
        texts = list(stream.text_stream)
        final = stream.get_final_message()
    async with async_client.messages.stream(**REQUEST) as other:
        async_final = await other.get_final_message()
    raw = [
        event
        async for event in await async_client.messages.create(**REQUEST, stream=True)
    ]

    assert "".join(texts) == CALLS.text
    wanted = [block.to_dict() for block in whole.content]
    assert [block.to_dict() for block in final.content] == wanted
    assert [block.to_dict() for block in async_final.content] == wanted
    assert final.stop_reason == whole.stop_reason == "tool_use"
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert [b.input for b in final.content[1:]] == [
        {"query": "refund policy"},
        {"query": "orders"},
    ]
    assert final.content[1].id == "toolu_first"
    deltas = [event.delta for event in raw if event.type == "content_block_delta"]
    fragments = [delta for delta in deltas if delta.type == "input_json_delta"]
    assert len(fragments) > 4


def test_the_tool_runner_goes_round(served):
    """The SDK's own loop calls the tools and sends their results."""
    provider, client, _ = served(CALLS, STORY)
    asked = []

    @beta_tool
    def search_docs(query: str) -> str:
        """Search the docs."""
        asked.append(query)
        return "nothing"

    final = client.beta.messages.tool_runner(
        tools=[search_docs], **REQUEST
    ).until_done()

    assert asked == ["refund policy", "orders"]
    assert final.content[0].text == STORY.text
    results = provider.requests[1].json["messages"][-1]["content"]
    assert results[0]["tool_use_id"] == "toolu_first"


async def test_the_tool_runner_goes_round_async_and_streaming(served):
    """The async loop reads streamed tool calls."""
    _, _, client = served(CALLS, STORY)
    asked = []

    @beta_async_tool
    async def search_docs(query: str) -> str:
        """Search the docs."""
        asked.append(query)
        return "nothing"

    runner = client.beta.messages.tool_runner(
        tools=[search_docs], stream=True, **REQUEST
    )
    finals = [await stream.get_final_message() async for stream in runner]

    assert asked == ["refund policy", "orders"]
    assert finals[-1].content[0].text == STORY.text


async def test_errors_are_the_sdks_own(served):
    """Scripted errors are raised as the SDK's classes, with message and type."""
    slow, busy = Answer(status=429, text="Slow down"), Answer(status=529)
    _, client, async_client = served(slow, busy)

    with pytest.raises(anthropic.RateLimitError, match="Slow down"):
        client.messages.create(**REQUEST)
    with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
        await async_client.messages.create(**REQUEST, stream=True)


def test_a_broken_stream_reaches_the_caller(served):
    """What breaks in the middle of a stream is raised."""
    _, client, _ = served(Answer(text=STORY.text, break_after_chunks=4))
    got = []

    with (
        pytest.raises(httpx2.RemoteProtocolError),
        client.messages.create(**REQUEST, stream=True) as stream,
    ):
        got.extend(stream)

    assert len(got) == 4


def test_models_are_listed(served):
    """The SDK reads the list of models."""
    _, client, _ = served()

    assert [model.id for model in client.models.list()] == ["scripted"]
