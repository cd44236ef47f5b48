"""Runs a command beside a scripted model, so that examples need no network.

    python examples/offline.py python examples/incident_agent.py --fixed

OPENAI_BASE_URL and OPENAI_API_KEY are set for the command.
"""

from __future__ import annotations

import os
import subprocess
import sys

from otel_agent_replay.cli.demo.model import incident
from otel_agent_replay.testing import (
    Answer,
    ScriptedProvider,
    ScriptedRequest,
    ToolCall,
)

CITIES = ("Oslo", "Cairo", "Lima")


def model(request: ScriptedRequest) -> Answer:
    """Answer as the model of the example that asks."""
    if request.path.endswith("/responses"):
        return opening_hours(request)
    offered = str(request.json.get("tools", ""))
    return weather(request) if "temperature" in offered else incident(request)


def weather(request: ScriptedRequest) -> Answer:
    """Ask for every city at once, then answer."""
    if "'role': 'tool'" in str(request.json["messages"]):
        return Answer(text="Cairo is the warmest of the three.")
    calls = [ToolCall("temperature", {"city": city}) for city in CITIES]
    return Answer(tool_calls=calls)


def opening_hours(request: ScriptedRequest) -> Answer:
    """Ask for the hours, then say them."""
    if request.json.get("previous_response_id"):
        return Answer(text="The shop in Oslo opens at 10.")
    return Answer(tool_calls=[ToolCall("opening_hours", {"city": "Oslo"})])


def main(command: list[str]) -> int:
    """Run the command with the scripted model; return its exit code."""
    with ScriptedProvider(script=model) as provider:
        settings = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "scripted"}
        done = subprocess.run(command, env=os.environ | settings, check=False)  # noqa: S603
        return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
