"""The OpenAI Agents SDK: its runs are recorded and played offline."""

from __future__ import annotations

import contextlib
import threading
from functools import partial

import pytest
from openai import AsyncOpenAI

from otel_agent_replay import tool
from tests.loop.sdks.answers import ASKED, CALLS, STORY

agents = pytest.importorskip(
    "agents", reason="openai-agents needs openai 2: `make test-openai2`"
)


@pytest.fixture(autouse=True)
def _no_traces():
    """Keep its own traces from being sent to OpenAI."""
    agents.set_tracing_disabled(disabled=True)


@contextlib.asynccontextmanager
async def helper(provider, model, live):
    """Make an agent with a tool that is recorded, called twice at a time."""
    both = threading.Barrier(2, timeout=20)

    @tool
    def search_docs(query: str) -> str:
        """Search the docs."""
        both.wait()
        live.append(query)
        return f"about {query}"

    async with AsyncOpenAI(
        base_url=provider.base_url, api_key="any", max_retries=0
    ) as client:
        yield agents.Agent(
            name="helper",
            model=model(model="gpt-4o", openai_client=client),
            tools=[agents.function_tool(search_docs)],
        )


async def whole(provider, model, live):
    async with helper(provider, model, live) as made:
        return (await agents.Runner.run(made, "Where is my refund?")).final_output


async def streamed(provider, model, live):
    async with helper(provider, model, live) as made:
        result = agents.Runner.run_streamed(made, "Where is my refund?")
        kinds = [event.type async for event in result.stream_events()]
        assert len(kinds) > 10
        return result.final_output


@pytest.mark.parametrize(
    "model", ["OpenAIChatCompletionsModel", "OpenAIResponsesModel"]
)
@pytest.mark.parametrize("program", [whole, streamed])
async def test_runner(program, model, scripted):
    """Tools and model calls of the SDK's loop are answered from the run."""
    live: list[str] = []
    program = partial(program, model=getattr(agents, model), live=live)
    played = await scripted(program, CALLS, STORY)

    assert played.result == STORY.text
    assert sorted(live) == sorted(ASKED)
    assert sorted(step.call.inputs["query"] for step in played.tools) == sorted(ASKED)
    kinds = [step.call.kind for step in played.run.steps]
    assert kinds == ["model", "tool", "tool", "model"]
