"""What the scripted model says in these tests."""

from __future__ import annotations

from otel_agent_replay.testing import Answer, ToolCall

STORY = Answer(text="It takes five days, counted from the day we got it back.")
CALLS = Answer(
    text="Let me look.",
    tool_calls=[
        ToolCall("search_docs", {"query": "refund policy"}, id="call_first"),
        ToolCall("search_docs", {"query": "orders"}, id="call_second"),
    ],
)
ASKED = ["refund policy", "orders"]
"""What the tool is asked for, in order."""
