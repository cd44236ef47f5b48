"""The openai SDK: recorded, stored, loaded, played again offline."""

from __future__ import annotations

import json
from functools import partial

import pytest
from openai import AsyncOpenAI, OpenAI

from otel_agent_replay import tool
from otel_agent_replay.testing import ScriptedProvider
from tests.loop.sdks.answers import ASKED, CALLS, STORY

USER = [{"role": "user", "content": "Where is my refund?"}]
CHAT = {"model": "gpt-4o", "messages": USER}
USAGE = {"stream_options": {"include_usage": True}}


def client(provider, **settings) -> OpenAI:
    return OpenAI(
        base_url=provider.base_url, api_key="any", **{"max_retries": 0, **settings}
    )


def async_client(provider) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=provider.base_url, api_key="any", max_retries=0)


def text_of(chunks) -> list[str]:
    return [c.choices[0].delta.content or "" for c in chunks if c.choices]


def chat(provider):
    with client(provider) as openai:
        return openai.chat.completions.create(**CHAT).choices[0].message.content


async def chat_async(provider):
    async with async_client(provider) as openai:
        answer = await openai.chat.completions.create(**CHAT)
        return answer.choices[0].message.content


def chat_stream(provider):
    with client(provider) as openai:
        return text_of(openai.chat.completions.create(**CHAT, **USAGE, stream=True))


async def chat_stream_async(provider):
    async with async_client(provider) as openai:
        stream = await openai.chat.completions.create(**CHAT, **USAGE, stream=True)
        return text_of([chunk async for chunk in stream])


def chat_helper(provider):
    with client(provider) as openai, openai.chat.completions.stream(**CHAT) as stream:
        return stream.get_final_completion().choices[0].message.content


def response(provider):
    with client(provider) as openai:
        return openai.responses.create(model="gpt-4o", input=USER).output_text


async def response_async(provider):
    async with async_client(provider) as openai:
        return (await openai.responses.create(model="gpt-4o", input="Hi")).output_text


def response_stream(provider):
    with client(provider) as openai:
        stream = openai.responses.create(model="gpt-4o", input="Hi", stream=True)
        return [e.delta for e in stream if e.type == "response.output_text.delta"]


async def response_stream_async(provider):
    async with (
        async_client(provider) as openai,
        openai.responses.stream(model="gpt-4o", input="Hi") as stream,
    ):
        return [e.delta async for e in stream if e.type == "response.output_text.delta"]


@pytest.mark.parametrize(
    "program",
    [
        chat,
        chat_async,
        chat_stream,
        chat_stream_async,
        chat_helper,
        response,
        response_async,
        response_stream,
        response_stream_async,
    ],
)
async def test_one_answer(program, scripted):
    """Each way of asking gives the same offline, and one whole step."""
    played = await scripted(program, STORY)

    (step,) = played.models
    result = played.result
    assert (result if isinstance(result, str) else "".join(result)) == STORY.text
    assert isinstance(result, str) or len(result) > 3
    assert played.texts == [STORY.text]
    assert step.outcome.ended == "complete"
    assert step.response.complete
    assert step.response.finish_reasons in {("stop",), ("completed",)}
    assert step.request.messages[-1].role == "user"
    assert step.request.stream is (
        "stream" in program.__name__ or program is chat_helper
    )
    if program is not chat_helper:  # nobody asked for its usage
        assert step.response.usage.output_tokens > 0
        assert step.cost_usd > 0


def make_search(live: list[str]):
    @tool
    def search_docs(query: str) -> list[str]:
        """Search the docs."""
        live.append(query)
        return [f"about {query}"]

    return search_docs


def make_async_search(live: list[str]):
    @tool
    async def search_docs(query: str) -> list[str]:
        """Search the docs."""
        live.append(query)
        return [f"about {query}"]

    return search_docs


def result_message(call, found) -> dict:
    return {"role": "tool", "tool_call_id": call.id, "content": json.dumps(found)}


def chat_loop(provider, live):
    search = make_search(live)
    history = [*USER]
    with client(provider) as openai:
        while True:
            answer = openai.chat.completions.create(model="gpt-4o", messages=history)
            message = answer.choices[0].message
            history.append(message.model_dump(exclude_none=True))
            if not message.tool_calls:
                return message.content
            for call in message.tool_calls:
                found = search(**json.loads(call.function.arguments))
                history.append(result_message(call, found))


async def chat_loop_streamed(provider, live):
    search = make_async_search(live)
    history = [*USER]
    async with async_client(provider) as openai:
        while True:
            async with openai.chat.completions.stream(
                model="gpt-4o", messages=history
            ) as stream:
                message = (await stream.get_final_completion()).choices[0].message
            history.append(
                message.model_dump(include={"role", "content", "tool_calls"})
            )
            if not message.tool_calls:
                return message.content
            for call in message.tool_calls:
                found = await search(**json.loads(call.function.arguments))
                history.append(result_message(call, found))


def response_loop(provider, live):
    search = make_search(live)
    asked, previous = USER, None
    with client(provider) as openai:
        while True:
            answer = openai.responses.create(
                model="gpt-4o", input=asked, previous_response_id=previous
            )
            wanted = [item for item in answer.output if item.type == "function_call"]
            if not wanted:
                return answer.output_text
            asked = [
                {
                    "type": "function_call_output",
                    "call_id": call.call_id,
                    "output": json.dumps(search(**json.loads(call.arguments))),
                }
                for call in wanted
            ]
            previous = answer.id


@pytest.mark.parametrize("loop", [chat_loop, chat_loop_streamed, response_loop])
async def test_tool_loop(loop, scripted):
    """Tools are answered from the run, and the whole conversation is in it."""
    live: list[str] = []
    played = await scripted(partial(loop, live=live), CALLS, STORY)

    assert played.result == STORY.text
    assert live == ASKED
    assert [step.call.inputs["query"] for step in played.tools] == ASKED
    kinds = [step.call.kind for step in played.run.steps]
    assert kinds == ["model", "tool", "tool", "model"]
    messages = played.run.checkpoint(3).messages
    assert [each.role for each in messages] == [
        "user",
        "assistant",
        "tool",
        "tool",
        "assistant",
    ]
    assert [p["type"] for p in messages[1].parts] == ["text", "tool_call", "tool_call"]
    assert [m.parts[0]["id"] for m in messages[2:4]] == ["call_first", "call_second"]


async def test_other_endpoints(around):
    """A call that is no model's is an HTTP step beside the model's."""

    def program(provider):
        with client(provider) as openai:
            models = [model.id for model in openai.models.list()]
            answer = openai.chat.completions.create(**CHAT)
            return [*models, answer.choices[0].message.content]

    played = await around(program, ScriptedProvider(answers=[STORY]))

    assert played.result == ["scripted", STORY.text]
    assert [step.call.kind for step in played.run.steps] == ["http", "model"]
