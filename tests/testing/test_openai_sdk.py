"""The real openai SDK reads what ScriptedProvider says."""

from __future__ import annotations

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from otel_agent_replay.model.messages import Usage
from otel_agent_replay.testing import Answer, ScriptedProvider, ToolCall

USER = [{"role": "user", "content": "Where is my refund?"}]
STORY = Answer(
    text="It takes five days, counted from the day we got it back.",
    usage=Usage(input_tokens=20, output_tokens=9, cache_read_input_tokens=5),
)
CALLS = Answer(
    text="Let me look.",
    tool_calls=[
        ToolCall("search_docs", {"query": "refund policy"}, id="call_first"),
        ToolCall("get_order", {"id": 12345678901234567890}),
    ],
)
ARGUMENTS = ['{"query":"refund policy"}', '{"id":12345678901234567890}']


@pytest.fixture
async def served():
    """Open a provider with these answers, and both clients of it."""
    opened = []

    def serve(*answers: Answer):
        provider = ScriptedProvider(answers=answers)
        settings = {"base_url": provider.base_url, "api_key": "any", "max_retries": 0}
        opened.append((provider, OpenAI(**settings), AsyncOpenAI(**settings)))
        return opened[-1]

    yield serve
    for provider, client, async_client in opened:
        await async_client.close()
        client.close()
        provider.close()


async def gather(stream) -> list:
    return [item async for item in stream]


def tool_calls(chunks) -> list[tuple[str, str, str]]:
    """Put the fragments of streamed tool calls together."""
    calls: dict[int, list[str]] = {}
    for chunk in chunks:
        for part in chunk.choices[0].delta.tool_calls or [] if chunk.choices else []:
            id_, name, arguments = calls.setdefault(part.index, ["", "", ""])
            calls[part.index] = [
                id_ + (part.id or ""),
                name + (part.function.name or ""),
                arguments + (part.function.arguments or ""),
            ]
    return [tuple(call) for call in calls.values()]


async def test_chat_completions_whole(served):
    """Text, usage and finish reason arrive, sync and async alike."""
    _, client, async_client = served(STORY, STORY)
    request = {"model": "gpt-x", "messages": USER}

    sync = client.chat.completions.create(**request)
    other = await async_client.chat.completions.create(**request)

    assert sync == other
    assert sync.model == "gpt-x"
    assert sync.choices[0].message.content == STORY.text
    assert sync.choices[0].finish_reason == "stop"
    assert (
        sync.usage.prompt_tokens,
        sync.usage.completion_tokens,
        sync.usage.total_tokens,
    ) == (20, 9, 29)
    assert sync.usage.prompt_tokens_details.cached_tokens == 5


async def test_chat_completions_streamed(served):
    """A stream brings the text in many pieces, and usage at its end if asked for."""
    _, client, async_client = served(STORY, STORY)
    request = {
        "model": "gpt-x",
        "messages": USER,
        "stream": True,
        "stream_options": {"include_usage": True},
    }

    chunks = list(client.chat.completions.create(**request))
    other = await gather(await async_client.chat.completions.create(**request))

    assert chunks == other
    texts = [c.choices[0].delta.content or "" for c in chunks if c.choices]
    assert "".join(texts) == STORY.text
    assert len(texts) > 5
    assert chunks[-1].usage.total_tokens == 29
    assert [c.usage for c in chunks[:-1]] == [None] * (len(chunks) - 1)


async def test_chat_tool_calls_whole_and_streamed(served):
    """Tool calls are the same whole, streamed in fragments, and by the helper."""
    _, client, async_client = served(CALLS, CALLS, CALLS)
    request = {"model": "gpt-x", "messages": USER}

    whole = client.chat.completions.create(**request).choices[0]
    chunks = await gather(
        await async_client.chat.completions.create(**request, stream=True)
    )
    with client.chat.completions.stream(**request) as stream:
        final = stream.get_final_completion().choices[0]

    named = [
        (call.function.name, call.function.arguments)
        for call in whole.message.tool_calls
    ]
    assert named == list(zip(["search_docs", "get_order"], ARGUMENTS, strict=True))
    assert whole.message.tool_calls[0].id == "call_first"
    assert [call[1:] for call in tool_calls(chunks)] == named
    assert [call.function.arguments for call in final.message.tool_calls] == ARGUMENTS
    assert final.message.content == whole.message.content == CALLS.text
    assert whole.finish_reason == final.finish_reason == "tool_calls"


async def test_responses_whole(served):
    """A response has its text, its usage and what it repeats of the request."""
    _, client, async_client = served(STORY, STORY)
    request = {"model": "gpt-x", "input": "Hi", "previous_response_id": "resp_0"}

    sync = client.responses.create(**request)
    other = await async_client.responses.create(**request)

    assert sync == other
    assert sync.output_text == STORY.text
    assert (sync.status, sync.previous_response_id) == ("completed", "resp_0")
    assert (sync.usage.input_tokens, sync.usage.total_tokens) == (20, 29)
    assert sync.usage.input_tokens_details.cached_tokens == 5


async def test_responses_streamed(served):
    """Events are numbered and add up to the response that ends the stream."""
    _, client, async_client = served(CALLS, CALLS, CALLS)
    request = {"model": "gpt-x", "input": "Hi"}

    events = list(client.responses.create(**request, stream=True))
    other = await gather(await async_client.responses.create(**request, stream=True))
    with client.responses.stream(**request) as stream:
        final = stream.get_final_response()

    assert events == other
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == (
        "response.created",
        "response.completed",
    )
    deltas = [e.delta for e in events if e.type == "response.output_text.delta"]
    assert "".join(deltas) == CALLS.text
    assert len(deltas) == 1
    assert [item.arguments for item in final.output[1:]] == ARGUMENTS
    assert final.model_dump(exclude_none=True)["output"][1]["call_id"] == "call_first"


def test_responses_tool_loop(served):
    """A tool call of a response can be answered in the next request."""
    provider, client, _ = served(CALLS, STORY)

    first = client.responses.create(model="gpt-x", input="Hi")
    call = next(item for item in first.output if item.type == "function_call")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "[]"}
    second = client.responses.create(
        model="gpt-x", previous_response_id=first.id, input=[result]
    )

    assert call.name == "search_docs"
    assert second.output_text == STORY.text
    assert provider.requests[1].json["previous_response_id"] == first.id


def test_an_answer_that_hit_its_length_says_so(served):
    """`finish_reason="length"` is a length stop here and an incomplete one there."""
    cut = Answer(text="It takes", finish_reason="length")
    _, client, _ = served(cut, cut, cut)

    chat = client.chat.completions.create(model="m", messages=USER)
    response = client.responses.create(model="m", input="Hi")
    *_, last = client.responses.create(model="m", input="Hi", stream=True)

    assert chat.choices[0].finish_reason == "length"
    assert response.incomplete_details.reason == "max_output_tokens"
    assert last.type == "response.incomplete"


async def test_errors_are_the_sdks_own(served):
    """A scripted 429 is raised as a rate limit error, with its message."""
    slow = Answer(status=429, text="Slow down")
    _, client, async_client = served(slow, slow)

    with pytest.raises(openai.RateLimitError, match="Slow down") as caught:
        client.chat.completions.create(model="m", messages=USER)
    with pytest.raises(openai.RateLimitError):
        await async_client.responses.create(model="m", input="Hi", stream=True)

    assert caught.value.type == "rate_limit_error"


def test_the_sdk_retries_after_an_error(served):
    """The SDK asks again after a 500 with `retry-after: 0`, and gets the next one."""
    busy = Answer(status=500, headers={"retry-after-ms": "1"})
    provider, client, _ = served(busy, STORY)

    retrying = client.with_options(max_retries=1)
    answer = retrying.chat.completions.create(model="m", messages=USER)

    assert answer.choices[0].message.content == STORY.text
    assert len(provider.requests) == 2


def test_running_out_of_answers_is_not_retried(served):
    """The SDK gives up at once when the script is at its end."""
    provider, client, _ = served()

    with pytest.raises(openai.InternalServerError, match="no answer is left"):
        client.with_options(max_retries=3).chat.completions.create(
            model="m", messages=USER
        )

    assert (len(provider.requests), provider.unanswered) == (1, 1)


def test_a_broken_stream_reaches_the_caller(served):
    """The SDK raises in the middle of a stream that breaks."""
    _, client, _ = served(Answer(text=STORY.text, break_after_chunks=3))
    stream = client.chat.completions.create(model="m", messages=USER, stream=True)
    got = []

    with pytest.raises(openai.APIError):
        got.extend(stream)

    assert len(got) == 3


def test_models_are_listed(served):
    """The SDK reads the list of models."""
    _, client, _ = served()

    assert [model.id for model in client.models.list()] == ["scripted"]
