"""An agent to record in a test's own process, and what was recorded."""

from __future__ import annotations

from otel_agent_replay import agent, open_store, tool


@tool
def look_up(word: str) -> str:
    return word.upper()


@agent
def run(word: str) -> str:
    return look_up(word)


def runs_of(url: str):
    with open_store(url) as store:
        return [store.load(each.run_id) for each in store.runs()]


def inputs_in(url: str) -> list[object]:
    return [each.input["word"] for each in reversed(runs_of(url))]
