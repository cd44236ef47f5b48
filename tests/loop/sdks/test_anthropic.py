"""The anthropic SDK, which writes spans of its own: recorded and played offline."""

from __future__ import annotations

from functools import partial

import pytest
from anthropic import Anthropic, AsyncAnthropic, beta_async_tool, beta_tool

from otel_agent_replay import tool
from tests.loop.sdks.answers import ASKED, CALLS, STORY

REQUEST = {
    "model": "claude-opus-4-6",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Where is my refund?"}],
}


def client(provider, **settings) -> Anthropic:
    return Anthropic(
        base_url=provider.url, api_key="any", **{"max_retries": 0, **settings}
    )


def async_client(provider) -> AsyncAnthropic:
    return AsyncAnthropic(base_url=provider.url, api_key="any", max_retries=0)


def whole(provider):
    with client(provider) as anthropic:
        return anthropic.messages.create(**REQUEST).content[0].text


async def whole_async(provider):
    async with async_client(provider) as anthropic:
        return (await anthropic.messages.create(**REQUEST)).content[0].text


def streamed(provider):
    with client(provider) as anthropic, anthropic.messages.stream(**REQUEST) as stream:
        return list(stream.text_stream)


async def streamed_async(provider):
    async with (
        async_client(provider) as anthropic,
        anthropic.messages.stream(**REQUEST) as stream,
    ):
        return [text async for text in stream.text_stream]


def streamed_raw(provider):
    """Read the events until they end; nobody closes the stream."""
    with client(provider) as anthropic:
        events = anthropic.messages.create(**REQUEST, stream=True)
        deltas = [e.delta for e in events if e.type == "content_block_delta"]
        return [delta.text for delta in deltas]


@pytest.fixture(params=["metadata_only", "content"])
def native(request, monkeypatch):
    """The SDK's own spans, without and with what was said."""
    name = "ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE"
    monkeypatch.setenv(name, request.param)


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize(
    "program", [whole, whole_async, streamed, streamed_async, streamed_raw]
)
async def test_one_answer(program, scripted):
    """Each way of asking gives the same offline; its span is the SDK's own."""
    played = await scripted(program, STORY)

    (step,) = played.run.steps
    result = played.result
    assert (result if isinstance(result, str) else "".join(result)) == STORY.text
    assert isinstance(result, str) or len(result) > 3
    assert played.texts == [STORY.text]
    assert step.fidelity == "wire"
    assert step.outcome.ended == "complete"
    assert step.response.complete
    assert step.response.finish_reasons == ("end_turn",)
    assert step.response.usage.output_tokens > 0
    assert step.cost_usd > 0
    chats = [s for s in played.run.spans if "chat" in s.attributes.values()]
    assert [s.name for s in chats] == ["anthropic.messages.create"]


def runner(provider, live):
    @beta_tool
    @tool
    def search_docs(query: str) -> str:
        """Search the docs."""
        live.append(query)
        return f"about {query}"

    with client(provider) as anthropic:
        final = anthropic.beta.messages.tool_runner(
            tools=[search_docs], **REQUEST
        ).until_done()
        return final.content[0].text


async def runner_async(provider, live):
    @beta_async_tool
    @tool
    async def search_docs(query: str) -> str:
        """Search the docs."""
        live.append(query)
        return f"about {query}"

    async with async_client(provider) as anthropic:
        final = await anthropic.beta.messages.tool_runner(
            tools=[search_docs], **REQUEST
        ).until_done()
        return final.content[0].text


async def runner_streamed(provider, live):
    @beta_async_tool
    @tool
    async def search_docs(query: str) -> str:
        """Search the docs."""
        live.append(query)
        return f"about {query}"

    async with async_client(provider) as anthropic:
        streams = anthropic.beta.messages.tool_runner(
            tools=[search_docs], stream=True, **REQUEST
        )
        finals = [await stream.get_final_message() async for stream in streams]
        return finals[-1].content[0].text


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("runner", [runner, runner_async, runner_streamed])
async def test_tool_runner(runner, scripted):
    """The SDK's loop has one step a model call and one a tool call, and no other."""
    live: list[str] = []
    played = await scripted(partial(runner, live=live), CALLS, STORY)

    assert played.result == STORY.text
    assert sorted(live) == sorted(ASKED)
    asked = [step.call.inputs["query"] for step in played.tools]
    assert sorted(asked) == sorted(ASKED)
    assert [step.outcome.value for step in played.tools] == [
        f"about {q}" for q in asked
    ]
    frames = {"agent", "step"}
    kinds = [s.call.kind for s in played.run.steps if s.call.kind not in frames]
    assert kinds == ["model", "tool", "tool", "model"]
    assert {step.fidelity for step in (*played.models, *played.tools)} == {"wire"}
    last = played.models[-1]
    messages = played.run.checkpoint(last.index).messages
    assert [each.role for each in messages] == ["user", "assistant"] * 2
    kinds = [part["type"] for part in messages[2].parts]
    assert kinds == ["tool_call_response"] * 2
