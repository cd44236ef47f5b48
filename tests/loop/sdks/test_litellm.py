"""litellm, which speaks through openai's SDK, httpx or aiohttp: played offline."""

from __future__ import annotations

import gc
import json
from functools import partial

import pytest

from otel_agent_replay import tool
from tests.loop.sdks.answers import ASKED, CALLS, STORY

pytestmark = [
    # litellm's own: pydantic models that do not fit, coroutines and clients left open.
    pytest.mark.filterwarnings("ignore"),
]
USER = [{"role": "user", "content": "Where is my refund?"}]


@pytest.fixture(autouse=True)
def litellm(monkeypatch):
    """Import it without letting it ask the network for its prices."""
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    return pytest.importorskip(
        "litellm", reason="litellm needs openai 2: `make test-openai2`"
    )


PROVIDERS = {
    "openai": ("openai/gpt-4o", lambda provider: provider.base_url),
    "anthropic": ("anthropic/claude-opus-4-6", lambda provider: provider.url),
    "gemini": (
        "gemini/gemini-2.5-flash",
        lambda provider: f"{provider.url}/v1beta/models/gemini-2.5-flash",
    ),
}


def request_for(name, provider, **more):
    model, base_of = PROVIDERS[name]
    return {
        "model": model,
        "api_base": base_of(provider),
        "api_key": "any",
        "num_retries": 0,
        "max_retries": 0,
        **more,
    }


def whole(provider, litellm, name):
    request = request_for(name, provider, messages=USER)
    return litellm.completion(**request).choices[0].message.content


async def whole_async(provider, litellm, name):
    request = request_for(name, provider, messages=USER)
    answer = await litellm.acompletion(**request)
    return answer.choices[0].message.content


def streamed(provider, litellm, name):
    request = request_for(name, provider, messages=USER, stream=True)
    chunks = litellm.completion(**request)
    return [chunk.choices[0].delta.content or "" for chunk in chunks]


async def streamed_async(provider, litellm, name):
    request = request_for(name, provider, messages=USER, stream=True)
    chunks = await litellm.acompletion(**request)
    return [chunk.choices[0].delta.content or "" async for chunk in chunks]


@pytest.fixture(params=["aiohttp", "httpx"])
async def transport(request, litellm, monkeypatch):
    """Each of the transports that litellm's async clients can have."""
    monkeypatch.setattr(litellm, "disable_aiohttp_transport", request.param == "httpx")
    yield
    litellm.in_memory_llm_clients_cache.flush_cache()
    # What it leaves open complains when it is collected: here, not in the next test.
    gc.collect()


@pytest.mark.usefixtures("transport")
@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("ask", [whole, whole_async, streamed, streamed_async])
async def test_one_answer(ask, name, litellm, scripted):
    """Each provider's wire gives the same offline, and one whole step."""
    program = partial(ask, litellm=litellm, name=name)
    played = await scripted(program, STORY)

    (step,) = played.run.steps
    assert "".join(played.result) == STORY.text
    assert isinstance(played.result, str) or len(played.result) > 3
    assert played.texts == [STORY.text]
    # Anthropic's last event tells nothing more, and not every client reads it.
    assert step.outcome.ended == "complete" or name == "anthropic"
    assert step.response.finish_reasons in {("stop",), ("end_turn",), ("STOP",)}
    if "stream" not in ask.__name__:  # where it is asked for, streams have it too
        assert step.response.usage.output_tokens > 0


async def loop(provider, litellm, name, live):
    @tool
    def search_docs(query: str) -> list[str]:
        live.append(query)
        return [f"about {query}"]

    history = [*USER]
    about = {"type": "object", "properties": {"query": {"type": "string"}}}
    tools = [
        {"type": "function", "function": {"name": "search_docs", "parameters": about}}
    ]
    while True:
        request = request_for(name, provider, messages=history, tools=tools)
        message = (await litellm.acompletion(**request)).choices[0].message
        history.append(message.model_dump(exclude_none=True))
        if not message.tool_calls:
            return message.content
        for call in message.tool_calls:
            found = search_docs(**json.loads(call.function.arguments))
            content = json.dumps(found)
            history.append(
                {"role": "tool", "tool_call_id": call.id, "content": content}
            )


@pytest.mark.usefixtures("transport")
@pytest.mark.parametrize("name", PROVIDERS)
async def test_tool_loop(name, litellm, scripted):
    """Tools are answered from the run, and the model calls between them."""
    live: list[str] = []
    program = partial(loop, litellm=litellm, name=name, live=live)
    played = await scripted(program, CALLS, STORY)

    assert played.result == STORY.text
    assert live == ASKED
    assert [step.call.inputs["query"] for step in played.tools] == ASKED
    kinds = [step.call.kind for step in played.run.steps]
    assert kinds == ["model", "tool", "tool", "model"]
