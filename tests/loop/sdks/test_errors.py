"""What goes wrong between a real SDK and its provider goes wrong offline in the same way."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from functools import partial

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors as gemini_errors

from otel_agent_replay.testing import Answer, ScriptedProvider
from tests.loop.sdks.answers import STORY

AT_ONCE = {"retry-after-ms": "1", "retry-after": "0.001"}
SLOW_DOWN = Answer(status=429, text="Slow down", headers=AT_ONCE)
DOWN = Answer(status=500, text="Out of order", headers=AT_ONCE)
USER = [{"role": "user", "content": "Where is my refund?"}]
CHAT = {"model": "gpt-4o", "messages": USER}
MESSAGE = {"model": "claude-opus-4-6", "max_tokens": 100, "messages": USER}


def ask_openai(provider, **settings):
    with openai.OpenAI(base_url=provider.base_url, api_key="any", **settings) as client:
        return client.chat.completions.create(**CHAT).choices[0].message.content


async def ask_openai_async(provider, **settings):
    async with openai.AsyncOpenAI(
        base_url=provider.base_url, api_key="any", **settings
    ) as client:
        answer = await client.chat.completions.create(**CHAT)
        return answer.choices[0].message.content


def ask_anthropic(provider, **settings):
    with anthropic.Anthropic(
        base_url=provider.url, api_key="any", **settings
    ) as client:
        return client.messages.create(**MESSAGE).content[0].text


async def ask_anthropic_async(provider, **settings):
    async with anthropic.AsyncAnthropic(
        base_url=provider.url, api_key="any", **settings
    ) as client:
        return (await client.messages.create(**MESSAGE)).content[0].text


SDKS = [
    (ask_openai, openai),
    (ask_openai_async, openai),
    (ask_anthropic, anthropic),
    (ask_anthropic_async, anthropic),
]


@pytest.fixture(params=SDKS, ids=lambda pair: pair[0].__name__)
def sdk(request):
    """Each way to ask, and the module of its errors."""
    return request.param


async def test_a_retry_is_another_attempt(sdk, scripted):
    """A 429 that the SDK tries again is two steps of one call, told apart."""
    ask, _ = sdk
    program = partial(ask, max_retries=1)
    played = await scripted(program, SLOW_DOWN, STORY)

    assert played.result == STORY.text
    assert [step.attempt for step in played.models] == [0, 1]
    assert [s.outcome.response.status for s in played.models] == [429, 200]
    assert [step.attempt for step in played.again.steps] == [0, 1]
    assert played.models[0].response.error is not None


async def test_giving_up_after_retries(sdk, scripted):
    """The SDK's own error ends the run after as many attempts as then."""
    ask, errors = sdk
    program = partial(ask, max_retries=2)
    played = await scripted(
        program, DOWN, DOWN, DOWN, raises=(errors.InternalServerError,)
    )

    assert played.result[0] is errors.InternalServerError
    assert "Out of order" in played.result[1]
    assert [step.attempt for step in played.models] == [0, 1, 2]
    assert played.run.status == "failed"
    assert played.run.outcome.error.type_name.endswith("InternalServerError")


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (404, "NotFoundError"),
        (429, "RateLimitError"),
    ],
)
async def test_refusals(status, name, sdk, scripted):
    """An error status is the same exception offline."""
    ask, errors = sdk
    refusal = Answer(status=status, text="No.")
    expected = getattr(errors, name)
    played = await scripted(partial(ask, max_retries=0), refusal, raises=(expected,))

    assert played.result[0] is expected
    assert "No." in played.result[1]
    assert played.models[0].outcome.response.status == status


async def test_nobody_listens(sdk, around):
    """A refused connection is refused again, each attempt of it."""
    ask, errors = sdk
    causes = []

    def note(error):
        causes.append((type(error.__cause__), str(error.__cause__)))
        raise error

    def sync(provider):
        try:
            return ask(provider, max_retries=1)
        except errors.APIConnectionError as error:
            note(error)

    async def unsync(provider):
        try:
            return await ask(provider, max_retries=1)
        except errors.APIConnectionError as error:
            note(error)

    provider = ScriptedProvider()
    provider.close()
    program = unsync if asyncio.iscoroutinefunction(ask) else sync
    played = await around(program, provider, raises=(errors.APIConnectionError,))

    assert played.result[0] is errors.APIConnectionError
    assert [step.attempt for step in played.models] == [0, 1]
    assert {s.outcome.error.type_name for s in played.models} == {
        f"{causes[0][0].__module__}:{causes[0][0].__qualname__}",
    }
    assert causes[0] == causes[1]


async def test_no_answer_in_time(sdk, scripted):
    """A time-out is one offline, at once."""
    ask, errors = sdk
    never = Answer(text="late", hold=threading.Event())
    program = partial(ask, max_retries=0, timeout=0.2)
    played = await scripted(program, never, raises=(errors.APITimeoutError,))

    assert played.result[0] is errors.APITimeoutError
    assert played.models[0].outcome.response is None
    assert played.again.steps[0].duration_ns < 200_000_000


BROKEN = Answer(text=STORY.text, break_after_chunks=5)


def read_openai(provider, got):
    with openai.OpenAI(
        base_url=provider.base_url, api_key="any", max_retries=0
    ) as client:
        stream = client.chat.completions.create(**CHAT, stream=True)
        got.extend(chunk.choices[0].delta.content for chunk in stream)


async def read_openai_async(provider, got):
    async with openai.AsyncOpenAI(
        base_url=provider.base_url, api_key="any", max_retries=0
    ) as client:
        stream = await client.chat.completions.create(**CHAT, stream=True)
        async for chunk in stream:
            got.append(chunk.choices[0].delta.content)


def read_anthropic(provider, got):
    with (
        anthropic.Anthropic(
            base_url=provider.url, api_key="any", max_retries=0
        ) as client,
        client.messages.stream(**MESSAGE) as stream,
    ):
        got.extend(stream.text_stream)


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession")
async def read_gemini_async(provider, got):
    client = genai.Client(
        api_key="any",
        vertexai=False,
        http_options=genai.types.HttpOptions(base_url=provider.url),
    )
    try:
        stream = await client.aio.models.generate_content_stream(
            model="gemini-2.5-flash", contents="Where is it?"
        )
        async for chunk in stream:
            got.append(chunk.text)
    finally:
        await client.aio.aclose()
        client.close()


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession")
@pytest.mark.parametrize(
    "read", [read_openai, read_openai_async, read_anthropic, read_gemini_async]
)
async def test_a_broken_stream(read, scripted):
    """What had come comes again, then the same exception."""
    got: list[str] = []
    answer = Answer(text=STORY.text, break_after_chunks=3)
    played = await scripted(partial(read, got=got), answer, raises=(Exception,))

    half = len(got) // 2
    assert got[:half] == got[half:]
    assert half > 0
    (step,) = played.models
    assert step.outcome.ended == "failed"
    error = step.outcome.error.type_name
    assert error.rpartition(":")[2] in {"RemoteProtocolError", "ClientPayloadError"}
    assert not step.response.complete


async def test_a_cancelled_stream(scripted):
    """Whoever was cancelled while waiting for a piece waits there again."""
    got: list[str] = []

    async def program(provider):
        async with openai.AsyncOpenAI(
            base_url=provider.base_url, api_key="any", max_retries=0
        ) as client:
            stream = await client.chat.completions.create(**CHAT, stream=True)
            for _ in range(3):
                chunk = await anext(stream)
                got.append(chunk.choices[0].delta.content)
            waiting = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0)
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiting
            return "cancelled" if waiting.cancelled() else "not cancelled"

    held = Answer(text=STORY.text, hold=threading.Event(), hold_after_chunks=3)
    played = await scripted(program, held)

    assert played.result == "cancelled"
    assert got[:3] == got[3:]
    assert played.models[0].outcome.ended == "abandoned"
    assert "CancelledError" in played.models[0].outcome.error.type_name


async def test_a_cancelled_request(scripted):
    """An agent cancelled before the answer began is cancelled there again."""

    async def program(provider):
        sent = asyncio.Event()

        async def about_to_send(_):
            sent.set()

        http = openai.DefaultAsyncHttpxClient(event_hooks={"request": [about_to_send]})
        async with openai.AsyncOpenAI(
            base_url=provider.base_url, api_key="any", max_retries=0, http_client=http
        ) as client:
            asking = asyncio.ensure_future(client.chat.completions.create(**CHAT))
            # The server's thread has no event to wait for.
            while not (sent.is_set() and provider.requests):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking
            return "cancelled" if asking.cancelled() else "not cancelled"

    held = Answer(text=STORY.text, hold=threading.Event())
    played = await scripted(program, held)

    assert played.result == "cancelled"
    assert played.models[0].outcome.ended == "abandoned"
    assert played.models[0].outcome.response is None


@pytest.mark.parametrize("close", [True, False], ids=["closed", "forgotten"])
async def test_an_abandoned_stream(close, scripted):
    """A stream that nobody reads to its end comes as far again."""
    got: list[str] = []

    def program(provider):
        client = openai.OpenAI(base_url=provider.base_url, api_key="any", max_retries=0)
        stream = client.chat.completions.create(**CHAT, stream=True)
        got.extend(next(stream).choices[0].delta.content for _ in range(3))
        if close:
            stream.close()
        del stream
        gc.collect()
        client.close()

    played = await scripted(program, STORY)

    assert got[:3] == got[3:]
    assert played.models[0].outcome.ended == "abandoned"
    assert played.models[0].outcome.error is None
    assert not played.models[0].response.complete


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession")
async def test_gemini_refuses(scripted):
    """google-genai's error has its code, status and message again."""
    refusal = Answer(status=429, text="Slow down")
    played = await scripted(
        partial(read_gemini_async, got=[]),
        refusal,
        raises=(gemini_errors.ClientError,),
    )

    assert played.result[0] is gemini_errors.ClientError
    assert "Slow down" in played.result[1]
    assert played.models[0].outcome.response.status == 429
