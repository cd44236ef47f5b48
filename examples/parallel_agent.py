"""An async agent that calls tools in parallel and streams what the model says.

    python examples/parallel_agent.py

It needs an OpenAI-compatible model at OPENAI_BASE_URL; `offline.py` beside it
brings a scripted one.
"""

from __future__ import annotations

import asyncio
import json

from openai import AsyncOpenAI

from otel_agent_replay import agent, tool

QUESTION = "Where is it warmer today: Oslo, Cairo or Lima?"
CELSIUS = {"Oslo": 4, "Cairo": 31, "Lima": 19}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "temperature",
            "description": "The temperature in a city, in degrees Celsius.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    },
]


@tool(effect="read")
async def temperature(city: str) -> int:
    """Return the temperature in a city."""
    # The first one asked for comes back last.
    for _ in range(len(CELSIUS) - list(CELSIUS).index(city)):
        await asyncio.sleep(0)
    return CELSIUS[city]


async def ask(client: AsyncOpenAI, messages: list[dict]) -> dict:
    """Return the model's message, put together from its stream."""
    stream = client.chat.completions.stream(
        model="gpt-4o-mini", messages=messages, tools=TOOLS
    )
    async with stream as events:
        async for event in events:
            if event.type == "content.delta":
                print(event.delta, end="", flush=True)
        reply = await events.get_final_completion()
    return reply.choices[0].message.model_dump(exclude_none=True)


async def run_tool(call: dict) -> dict:
    """Return the message that answers a tool call."""
    result = await temperature(**json.loads(call["function"]["arguments"]))
    return {"role": "tool", "tool_call_id": call["id"], "content": str(result)}


@agent(name="weather", version="1.0")
async def answer(question: str) -> str:
    """Answer a question about the weather."""
    messages: list[dict] = [{"role": "user", "content": question}]
    async with AsyncOpenAI() as client:
        while True:
            message = await ask(client, messages)
            messages.append(message)
            calls = message.get("tool_calls")
            if not calls:
                print()
                return message["content"]
            messages += await asyncio.gather(*map(run_tool, calls))


if __name__ == "__main__":
    asyncio.run(answer(QUESTION))
