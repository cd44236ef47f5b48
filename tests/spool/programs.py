"""The start of programs that record, and what is left of them."""

from __future__ import annotations

from tests.setup.programs import Place

KEY = "k" * 32
START = """
    import multiprocessing, os, signal, sys, threading, time
    import otel_agent_replay
    from otel_agent_replay import agent, tool

    @tool
    def look(number):
        return f"{number} " + "x" * 300

    @agent(name="short")
    def task(number):
        look(number)
        look(number + 1)

    otel_agent_replay.configure()
"""


def program(place: Place, body: str) -> None:
    place.write("agent.py", START + body)


def folders(place: Place) -> list[str]:
    """What is left in the spool."""
    return [each.name for each in place.folder.glob("spool/*/[0-9]*")]


def numbers(run) -> list[int]:
    return [
        each.call.inputs["number"] for each in run.steps if each.call.kind == "tool"
    ]
