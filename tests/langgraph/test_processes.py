"""Many processes on one store, and what doctor says of it."""

from __future__ import annotations

import subprocess
import sys

from langchain_core.messages import HumanMessage

from otel_agent_replay.cli.checks import findings
from otel_agent_replay.langgraph import AgentReplaySaver
from tests.langgraph.test_graphs import CONFIG, begin, chat

CHILD = """
import sys
from otel_agent_replay.langgraph import AgentReplaySaver
from tests.langgraph.test_graphs import begin, chat

with AgentReplaySaver(sys.argv[1]) as saver:
    begin(chat(saver, steps=10), {"configurable": {"thread_id": sys.argv[2]}})
"""


def test_many_processes_write_to_one_file(tmp_path, pytestconfig):
    """Each keeps its thread whole."""
    url = f"sqlite:///{tmp_path}/runs.db"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, url, f"thread {number}"],
            cwd=pytestconfig.rootpath,
        )
        for number in range(3)
    ]
    assert [each.wait(timeout=100) for each in running] == [0, 0, 0]

    with AgentReplaySaver(url) as saver:
        for number in range(3):
            config = {"configurable": {"thread_id": f"thread {number}"}}
            state = chat(saver).get_state(config)
            assert len(state.values["messages"]) == 11
            assert len([*saver.list(config)]) == 12


def test_savers_of_two_processes_take_turns_on_one_thread(open_saver):
    """What one has remembered does not spoil what the other has written."""
    one, two = chat(open_saver()), chat(open_saver())
    begin(one)
    for turn in range(4):
        graph = (two, one)[turn % 2]
        graph.invoke({"messages": [HumanMessage(f"turn {turn}")]}, CONFIG)

    state = chat(open_saver()).get_state(CONFIG)
    assert len(state.values["messages"]) == 4 + 4 * 4
    assert state.values["count"] == 15


def test_doctor_says_that_states_are_not_redacted(url, saver):
    """Only where there are any."""

    def said() -> str:
        return "\n".join(each.text for each in findings(url, {}))

    assert "not redacted" not in said()

    begin(chat(saver))

    assert "5 checkpoints of LangGraph's threads" in said()
    assert "not redacted" in said()
