"""Real SDKs on the hooks, live and with the server off."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import anthropic
import openai
import pytest
from google import genai

MESSAGES = [{"role": "user", "content": "Hi"}]


def _openai(server):
    with openai.OpenAI(base_url=server.url("/v1"), api_key="k") as client:
        answer = client.chat.completions.create(model="m", messages=MESSAGES)
        return [answer.choices[0].message.content]


def _openai_stream(server):
    with (
        openai.OpenAI(base_url=server.url("/v1"), api_key="k") as client,
        client.chat.completions.create(
            model="m", messages=MESSAGES, stream=True
        ) as stream,
    ):
        return [event.choices[0].delta.content for event in stream]


async def _openai_async_stream(server):
    async with openai.AsyncOpenAI(base_url=server.url("/v1"), api_key="k") as client:
        stream = await client.chat.completions.create(
            model="m", messages=MESSAGES, stream=True
        )
        return [event.choices[0].delta.content async for event in stream]


def _anthropic_stream(server):
    with (
        anthropic.Anthropic(base_url=server.url("/"), api_key="k") as client,
        client.messages.stream(model="m", max_tokens=9, messages=MESSAGES) as stream,
    ):
        return list(stream.text_stream)


async def _anthropic_async_stream(server):
    async with (
        anthropic.AsyncAnthropic(base_url=server.url("/"), api_key="k") as client,
        client.messages.stream(model="m", max_tokens=9, messages=MESSAGES) as stream,
    ):
        return [text async for text in stream.text_stream]


def _gemini(server):
    options = genai.types.HttpOptions(base_url=server.url("/"))
    return genai.Client(api_key="k", http_options=options)


def _gemini_stream(server):
    with _gemini(server) as client:
        stream = client.models.generate_content_stream(model="m", contents="Hi")
        return [answer.text for answer in stream]


async def _gemini_async_stream(server):
    async with _gemini(server).aio as client:
        stream = await client.models.generate_content_stream(model="m", contents="Hi")
        return [answer.text async for answer in stream]


@pytest.mark.parametrize(
    "ask",
    [
        _openai,
        _openai_stream,
        _openai_async_stream,
        _anthropic_stream,
        _anthropic_async_stream,
        _gemini_stream,
        _gemini_async_stream,
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_sdk(ask, server, recording, replaying):
    """An SDK gets the same answer offline, streams included; one call a request."""

    async def asked():
        answer = ask(server)
        return answer if isinstance(answer, list) else await answer

    live = await asked()
    _, outcome = recording.only
    answering = replaying()
    again = await asked()

    assert "".join(live) == "Hello there"
    assert again == live
    assert outcome.ended == "complete"
    assert answering.closed == [outcome]


def test_libraries_are_patched_when_imported(server):
    """Hooks import no client; one that is imported later is on the seam."""
    program = f"""
        import contextlib, sys
        from otel_agent_replay import intercept
        from otel_agent_replay.instrument.http import HttpSettings, install

        class Recorder:
            def before(self, opened):
                print(opened.call.name)
            def after(self, opened, outcome):
                print(outcome.response.status)
            def scope(self, opened):
                return contextlib.nullcontext()

        before = set(sys.modules)
        install(HttpSettings())
        for name in ("httpx", "httpx2", "urllib3", "aiohttp"):
            assert name in before or name not in sys.modules, name
        intercept.install(Recorder())
        import httpx, httpx2, requests, aiohttp, asyncio
        url = {server.url("/plain")!r}
        httpx.get(url)
        httpx2.get(url)
        requests.get(url)
        async def get():
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                await answer.read()
        asyncio.run(get())
    """

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout.split("\n")[:-1] == ["GET 127.0.0.1/plain", "200"] * 4
