"""The google-genai SDK, on httpx, httpx2 or aiohttp: recorded and played offline."""

from __future__ import annotations

import contextlib
from functools import partial

import pytest
from google import genai
from google.genai import types

from otel_agent_replay import tool
from tests.loop.sdks.answers import ASKED, CALLS, STORY

# The SDK's own: its async client subclasses aiohttp's session.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Inheritance class AiohttpClientSession:DeprecationWarning"
)
REQUEST = {"model": "gemini-2.5-flash", "contents": "Where is my refund?"}


@contextlib.asynccontextmanager
async def client(provider, **options):
    opened = genai.Client(
        api_key="any",
        vertexai=False,
        http_options=types.HttpOptions(base_url=provider.url, **options),
    )
    try:
        yield opened
    finally:
        await opened.aio.aclose()
        opened.close()


async def whole(provider):
    async with client(provider) as gemini:
        return gemini.models.generate_content(**REQUEST).text


async def whole_async(provider):
    async with client(provider) as gemini:
        return (await gemini.aio.models.generate_content(**REQUEST)).text


async def whole_on_httpx(provider):
    async with client(provider, async_client_args={"transport": None}) as gemini:
        return (await gemini.aio.models.generate_content(**REQUEST)).text


async def streamed(provider):
    async with client(provider) as gemini:
        chunks = gemini.models.generate_content_stream(**REQUEST)
        return [chunk.text for chunk in chunks]


async def streamed_async(provider):
    async with client(provider) as gemini:
        chunks = await gemini.aio.models.generate_content_stream(**REQUEST)
        return [chunk.text async for chunk in chunks]


async def chat(provider):
    async with client(provider) as gemini:
        conversation = gemini.chats.create(model="gemini-2.5-flash")
        return conversation.send_message("Where is my refund?").text


@pytest.mark.parametrize(
    "program", [whole, whole_async, whole_on_httpx, streamed, streamed_async, chat]
)
async def test_one_answer(program, scripted):
    """Each way of asking gives the same offline, and one whole step."""
    played = await scripted(program, STORY)

    (step,) = played.run.steps
    result = played.result
    assert (result if isinstance(result, str) else "".join(result)) == STORY.text
    assert isinstance(result, str) or len(result) > 3
    assert played.texts == [STORY.text]
    assert step.outcome.ended == "complete"
    assert step.response.complete
    assert step.response.finish_reasons == ("STOP",)
    assert step.response.usage.output_tokens > 0
    assert step.cost_usd > 0


def make_search(live: list[str]):
    @tool
    def search_docs(query: str) -> str:
        """Search the docs."""
        live.append(query)
        return f"about {query}"

    return search_docs


def make_async_search(live: list[str]):
    @tool
    async def search_docs(query: str) -> str:
        """Search the docs."""
        live.append(query)
        return f"about {query}"

    return search_docs


async def functions(provider, live):
    config = types.GenerateContentConfig(tools=[make_search(live)])
    async with client(provider) as gemini:
        return gemini.models.generate_content(**REQUEST, config=config).text


async def functions_async(provider, live):
    config = types.GenerateContentConfig(tools=[make_async_search(live)])
    async with client(provider) as gemini:
        return (await gemini.aio.models.generate_content(**REQUEST, config=config)).text


async def functions_streamed(provider, live):
    config = types.GenerateContentConfig(tools=[make_search(live)])
    async with client(provider) as gemini:
        chunks = gemini.models.generate_content_stream(**REQUEST, config=config)
        texts = [chunk.text or "" for chunk in chunks]
        return "".join(texts).removeprefix(CALLS.text)


@pytest.mark.parametrize("calling", [functions, functions_async, functions_streamed])
async def test_functions_are_called(calling, scripted):
    """The SDK's own loop gets the tools' results from the run."""
    live: list[str] = []
    played = await scripted(partial(calling, live=live), CALLS, STORY)

    assert played.result == STORY.text
    assert live == ASKED
    assert [step.call.inputs["query"] for step in played.tools] == ASKED
    kinds = [step.call.kind for step in played.run.steps]
    assert kinds == ["model", "tool", "tool", "model"]
    messages = played.run.checkpoint(3).messages
    # Of a stream the SDK sends each chunk back as a message of its own.
    said = [part["type"] for each in messages for part in each.parts]
    used = ["tool_call"] * 2 + ["tool_call_response"] * 2
    assert [kind for kind in said if kind != "text"] == used
    assert messages[-1].parts == ({"type": "text", "content": STORY.text},)
