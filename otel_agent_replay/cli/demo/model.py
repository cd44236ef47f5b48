"""The demo's model: what it says is written down here."""

from __future__ import annotations

from otel_agent_replay.testing import Answer, ScriptedRequest, ToolCall

__all__ = ["MADE_UP", "incident"]

MADE_UP = "You can return shoes within 90 days."


def incident(request: ScriptedRequest) -> Answer:
    """Search as long as there is a tool to search with, then make something up."""
    if not request.json.get("tools"):
        return Answer(text=MADE_UP)
    tries = str(request.json["messages"]).count("'role': 'tool'")
    query = f"return policy shoes {tries + 1}"
    return Answer(tool_calls=[ToolCall("search_docs", {"query": query})])
