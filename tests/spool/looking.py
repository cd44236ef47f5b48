"""An agent that looks, and what is stored of it."""

from __future__ import annotations

from otel_agent_replay import agent, tool


@tool
def look(number: int, size: int = 10) -> str:
    """Give a text of a size."""
    return f"{number} " + "x" * size


@agent(name="busy")
def play(calls: int, size: int = 10) -> str:
    """Call a tool many times."""
    for number in range(calls):
        look(number, size)
    return "done"


def numbers(run) -> list[int]:
    return [each.call.inputs["number"] for each in run.steps]
