"""LangChain's chat model on openai reads what ScriptedProvider says."""

from __future__ import annotations

import openai
import pytest

from otel_agent_replay.testing import Answer, ScriptedProvider, ToolCall

langchain_openai = pytest.importorskip("langchain_openai")

STORY = Answer(text="It takes five days, counted from the day we got it back.")
CALLS = Answer(tool_calls=[ToolCall("search_docs", {"query": "refunds"}, id="call_1")])


@pytest.mark.parametrize("responses_api", [False, True])
async def test_chat_model(responses_api):
    """Invoked, streamed and async, over both OpenAI APIs, it reads the same."""
    answers = [STORY, STORY, STORY, STORY, CALLS, CALLS]
    # Its own async clients are never closed, and shared by URL between event loops.
    with ScriptedProvider(answers=answers) as provider:
        async with openai.DefaultAsyncHttpxClient() as client:
            model = langchain_openai.ChatOpenAI(
                model="gpt-x",
                base_url=provider.base_url,
                api_key="any",
                use_responses_api=responses_api,
                stream_usage=True,
                max_retries=0,
                http_async_client=client,
            )
            texts = [
                model.invoke("Hi").text,
                (await model.ainvoke("Hi")).text,
                "".join(chunk.text for chunk in model.stream("Hi")),
                "".join([chunk.text async for chunk in model.astream("Hi")]),
            ]
            whole = model.invoke("Hi")
            first, *rest = model.stream("Hi")
            streamed = sum(rest, first)

    assert texts == [STORY.text] * 4
    called = [("search_docs", {"query": "refunds"}, "call_1")]
    for message in (whole, streamed):
        assert called == [(c["name"], c["args"], c["id"]) for c in message.tool_calls]
        assert message.usage_metadata["output_tokens"] > 0
