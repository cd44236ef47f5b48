"""LangChain's chat model and agent on openai: recorded and played offline."""

from __future__ import annotations

import threading
from contextlib import asynccontextmanager
from functools import partial

import pytest
from openai import DefaultAsyncHttpxClient

from otel_agent_replay import tool
from tests.loop.sdks.answers import ASKED, CALLS, STORY

langchain_openai = pytest.importorskip("langchain_openai")


def model(provider, **settings):
    return langchain_openai.ChatOpenAI(
        model="gpt-4o",
        base_url=provider.base_url,
        api_key="any",
        stream_usage=True,
        max_retries=0,
        **settings,
    )


@asynccontextmanager
async def async_model(provider, **settings):
    """Its own async clients are never closed, and shared by URL between event loops."""
    async with DefaultAsyncHttpxClient() as client:
        yield model(provider, http_async_client=client, **settings)


def invoke(provider, api):
    return model(provider, **api).invoke("Where is my refund?").text


async def ainvoke(provider, api):
    async with async_model(provider, **api) as chat:
        return (await chat.ainvoke("Where is my refund?")).text


def stream(provider, api):
    return [chunk.text for chunk in model(provider, **api).stream("Where is it?")]


async def astream(provider, api):
    async with async_model(provider, **api) as chat:
        return [chunk.text async for chunk in chat.astream("Where is it?")]


@pytest.mark.parametrize("responses", [False, True], ids=["chat", "responses"])
@pytest.mark.parametrize("ask", [invoke, ainvoke, stream, astream])
async def test_chat_model(ask, responses, scripted):
    """Each way of asking gives the same offline, and one whole step."""
    program = partial(ask, api={"use_responses_api": responses})
    played = await scripted(program, STORY)

    (step,) = played.run.steps
    assert "".join(played.result) == STORY.text
    assert played.texts == [STORY.text]
    assert step.outcome.ended == "complete"
    assert step.response.usage.output_tokens > 0


def graph(model, live):
    """Make LangChain's agent with a tool that is recorded, called twice at a time."""
    agents = pytest.importorskip("langchain.agents")
    both = threading.Barrier(2, timeout=20)

    @tool
    def search_docs(query: str) -> str:
        """Search the docs."""
        both.wait()
        live.append(query)
        return f"about {query}"

    return agents.create_agent(model, tools=[search_docs])


ASK = {"messages": [{"role": "user", "content": "Where is my refund?"}]}


def agent(provider, live, made):
    chat = model(provider, **made)
    return graph(chat, live).invoke(ASK)["messages"][-1].text


async def aagent(provider, live, made):
    async with async_model(provider, **made) as chat:
        answer = await graph(chat, live).ainvoke(ASK)
    return answer["messages"][-1].text


def agent_stream(provider, live, made):
    chat = model(provider, **made)
    parts = graph(chat, live).stream(ASK, stream_mode="messages")
    said = [part.text for part, about in parts if about["langgraph_node"] == "model"]
    return "".join(said).removeprefix(CALLS.text)


@pytest.mark.parametrize("responses", [False, True], ids=["chat", "responses"])
@pytest.mark.parametrize("play", [agent, aagent, agent_stream])
async def test_agent(play, responses, scripted):
    """LangGraph's loop runs its tools in threads; each gets its own result again."""
    live: list[str] = []
    program = partial(play, live=live, made={"use_responses_api": responses})
    played = await scripted(program, CALLS, STORY)

    assert played.result == STORY.text
    assert sorted(live) == sorted(ASKED)
    assert sorted(step.call.inputs["query"] for step in played.tools) == sorted(ASKED)
    for step in played.tools:
        assert step.outcome.value == f"about {step.call.inputs['query']}"
    kinds = [step.call.kind for step in played.run.steps]
    assert kinds == ["model", "tool", "tool", "model"]
