"""An agent that knows nothing of recording; the launcher records it as it is.

    agent-replay record -- python examples/plain_agent.py

To have its tool recorded too, name it: AGENT_REPLAY_TOOLS=__main__:opening_hours.

It needs an OpenAI-compatible model at OPENAI_BASE_URL; `offline.py` beside it
brings a scripted one.
"""

from __future__ import annotations

import json

from openai import OpenAI

QUESTION = "When does the shop in Oslo open?"
TOOLS = [
    {
        "type": "function",
        "name": "opening_hours",
        "description": "When a shop opens and closes.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
]


def opening_hours(city: str) -> str:
    """Return when a shop opens and closes."""
    return {"Oslo": "10-18", "Lima": "9-20"}.get(city, "closed")


def main() -> None:
    """Ask the model, run the tools it wants, print what it says."""
    client = OpenAI()
    reply = client.responses.create(model="gpt-4o-mini", input=QUESTION, tools=TOOLS)
    while calls := [item for item in reply.output if item.type == "function_call"]:
        results = [
            {
                "type": "function_call_output",
                "call_id": call.call_id,
                "output": opening_hours(**json.loads(call.arguments)),
            }
            for call in calls
        ]
        reply = client.responses.create(
            model="gpt-4o-mini",
            previous_response_id=reply.id,
            input=results,
            tools=TOOLS,
        )
    print(reply.output_text)


if __name__ == "__main__":
    main()
