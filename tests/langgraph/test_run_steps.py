"""From a step of a recorded run to the checkpoint that LangGraph made it from."""

from __future__ import annotations

import operator
from typing import Annotated, TypedDict

import pytest

pytest.importorskip("langgraph")

from langgraph.graph import START, StateGraph

import otel_agent_replay
from otel_agent_replay import agent, open_store, tool
from otel_agent_replay.errors import StepNotFoundError
from otel_agent_replay.langgraph import AgentReplaySaver

CONFIG = {"configurable": {"thread_id": "t"}}


class Found(TypedDict):
    words: Annotated[list[str], operator.add]


@tool
def look_up(word: str) -> str:
    """Return a word in capitals."""
    return word.upper()


def searching(saver: AgentReplaySaver):
    """Return a graph of three nodes; each looks two words up."""
    graph = StateGraph(Found)
    names = ["a", "b", "c"]
    for name in names:
        graph.add_node(
            name,
            lambda state, name=name: {
                "words": [look_up(f"{name}{len(state['words'])}"), look_up("x")]
            },
        )
    for before, after in zip([START, *names], names, strict=False):
        graph.add_edge(before, after)
    return graph.compile(checkpointer=saver)


def recorded(url: str, saver: AgentReplaySaver, **options):
    """Run the graph as an agent, twice on one thread; return the second run."""
    app = searching(saver)

    @agent(name="searching")
    def search() -> list[str]:
        return app.invoke({"words": []}, CONFIG, **options)["words"]

    otel_agent_replay.configure(store=url)
    search()
    search()
    otel_agent_replay.shutdown()
    with open_store(url) as store:
        return store.load(store.runs()[0].run_id)


def test_a_graph_goes_on_from_a_step(url, saver):
    """The node that made it runs again, in the state of then, and what follows it."""
    run = recorded(url, saver)
    app = searching(saver)
    asked = [step.call.inputs["word"] for step in run.steps]
    assert asked == ["a6", "x", "b8", "x", "c10", "x"]

    for index, (state, node) in enumerate(
        [(6, "a"), (6, "a"), (8, "b"), (8, "b"), (10, "c"), (10, "c")]
    ):
        config = saver.config_before(run, index)
        found = app.get_state(config)
        assert (len(found.values["words"]), found.next) == (state, (node,))

    before = [*app.get_state_history(CONFIG)]
    words = app.invoke(None, saver.config_before(run, 3))["words"]
    assert words[8:] == ["B8", "X", "C10", "X"]
    assert len([*app.get_state_history(CONFIG)]) > len(before)


def test_a_run_that_wrote_nothing_before_a_step_has_none(url, saver):
    """With checkpoints at the end only; and there must be such a step."""
    run = recorded(url, saver, durability="exit")

    assert saver.config_before(run, 0) is None
    assert saver.config_before(run, 0, thread_id="another") is None
    with pytest.raises(StepNotFoundError):
        saver.config_before(run, 6)
