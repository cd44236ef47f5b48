"""A support agent that searches in vain, again and again: the incident.

The index behind `search_docs` is empty. The model searches until `max_retries`
stops it, and then makes an answer up. With `--fixed`, or INCIDENT_FIXED=1 in the
environment, the agent gives up after two empty searches and says so.

    python examples/incident_agent.py
    python examples/incident_agent.py --fixed

It needs an OpenAI-compatible model at OPENAI_BASE_URL; `offline.py` beside it
brings a scripted one.
"""

from __future__ import annotations

import json
import os
import sys

from openai import OpenAI

from otel_agent_replay import agent, checkpoint, tool

FIXED = "--fixed" in sys.argv or os.environ.get("INCIDENT_FIXED") == "1"
QUESTION = "How many days do I have to return a pair of shoes?"
SYSTEM = "You answer questions about our shop from its documentation."
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "search_docs",
            "description": "Search the documentation.",
            "parameters": {
                "type": "object",
                "properties": {"query": {"type": "string"}},
                "required": ["query"],
            },
        },
    },
]


@tool(effect="read")
def search_docs(query: str) -> list[str]:
    """Return the passages that fit the query: none, as nothing is indexed."""
    index: dict[str, str] = {}
    return [text for title, text in index.items() if query in title]


@agent(name="support", version="1.1" if FIXED else "1.0")
def answer(question: str) -> str:
    """Answer a question from the documentation."""
    client = OpenAI()
    state = {"max_retries": 6, "empty_searches": 0}
    messages = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": question},
    ]
    while state["empty_searches"] < state["max_retries"]:
        reply = client.chat.completions.create(
            model="gpt-4o-mini", messages=messages, tools=TOOLS
        )
        message = reply.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        if not message.tool_calls:
            return message.content or ""
        for call in message.tool_calls:
            found = search_docs(**json.loads(call.function.arguments))
            state["empty_searches"] += not found
            text = "\n".join(found) or "[]"
            messages.append({"role": "tool", "tool_call_id": call.id, "content": text})
        state = checkpoint(state)
        if FIXED and state["empty_searches"] >= 2:  # noqa: PLR2004 - the fix
            return "Not found: the documentation says nothing about this."
    # No tools any more: the model has to say something.
    pieces = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=messages,
        stream=True,
        stream_options={"include_usage": True},
    )
    said = [choice.delta.content for piece in pieces for choice in piece.choices]
    return "".join(filter(None, said))


if __name__ == "__main__":
    print(answer(QUESTION))
