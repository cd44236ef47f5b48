"""Real graphs over our saver: history, time travel, interrupts, subgraphs."""

from __future__ import annotations

import operator
from typing import Annotated, TypedDict

import pytest
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import REMOVE_ALL_MESSAGES, add_messages
from langgraph.types import Command, Send, interrupt


def join(state, writes):
    """Add up what was written to a list."""
    return [*(state or []), *(each for write in writes for each in write)]


class Log(TypedDict):
    log: Annotated[list, DeltaChannel(join, snapshot_frequency=4)]
    count: int


CONFIG = {"configurable": {"thread_id": "thread 1"}}


class Chat(TypedDict):
    messages: Annotated[list, add_messages]
    count: int


def chat(saver, *, steps: int = 3):
    """A graph that answers so many times."""

    def answer(state: Chat):
        count = state["count"] + 1
        text = f"answer {count} of a certain length, so that it stands alone. " * 2
        return {"messages": [AIMessage(text)], "count": count}

    graph = StateGraph(Chat)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_conditional_edges(
        "answer", lambda state: "answer" if state["count"] % steps else END
    )
    return graph.compile(checkpointer=saver)


def begin(graph, config=CONFIG, **how):
    given = {"messages": [HumanMessage("Where is my refund?")], "count": 0}
    return graph.invoke(given, config, **how)


def texts(state) -> list[str]:
    return [message.content[:8] for message in state.values["messages"]]


ANSWERED = ["Where is", "answer 1", "answer 2", "answer 3"]


def test_state_and_history_come_back(saver, open_saver):
    """A new process sees each state of the thread, as it was."""
    result = begin(chat(saver))

    again = chat(open_saver())
    state = again.get_state(CONFIG)
    history = [*again.get_state_history(CONFIG)]

    assert state.values == result
    assert [type(each) for each in state.values["messages"]] == [
        HumanMessage,
        AIMessage,
        AIMessage,
        AIMessage,
    ]
    assert [texts(each) for each in history[:-1]] == [
        ANSWERED[: 4 - at] for at in range(4)
    ]
    assert [each.metadata["step"] for each in history] == [3, 2, 1, 0, -1]
    assert history[0].parent_config == history[1].config
    assert [*again.get_state_history(CONFIG, limit=2)] == history[:2]
    only = [*again.get_state_history(CONFIG, filter={"source": "input"})]
    assert only == history[-1:]


async def test_state_and_history_come_back_awaited(saver, open_saver):
    """The asynchronous methods give the same."""
    graph = chat(saver)
    given = {"messages": [HumanMessage("Where is my refund?")], "count": 0}
    result = await graph.ainvoke(given, CONFIG)

    again = chat(open_saver())
    state = await again.aget_state(CONFIG)
    history = [each async for each in again.aget_state_history(CONFIG)]

    assert state.values == result
    assert history == [*again.get_state_history(CONFIG)]


def test_a_conversation_goes_on_in_another_process(saver, open_saver):
    """Turn after turn with nothing remembered but what is stored."""
    begin(chat(saver))
    for turn in range(1, 4):
        graph = chat(open_saver())
        graph.invoke({"messages": [HumanMessage(f"turn {turn}")]}, CONFIG)

    state = chat(open_saver()).get_state(CONFIG)
    assert state.values["count"] == 12
    assert len(state.values["messages"]) == 16
    assert len({message.id for message in state.values["messages"]}) == 16


def test_time_travel(saver, open_saver):
    """An earlier checkpoint is gone on from; both branches stay whole."""
    graph = chat(saver)
    begin(graph)
    before = [*graph.get_state_history(CONFIG)]
    second = next(each for each in before if each.values.get("count") == 1)

    again = chat(open_saver())
    config = again.update_state(
        second.config, {"messages": [HumanMessage("another way")]}
    )
    again.invoke(None, config)

    state = chat(open_saver()).get_state(CONFIG)
    assert texts(state) == ["Where is", "answer 1", "another ", *ANSWERED[2:]]
    history = [*chat(open_saver()).get_state_history(CONFIG)]
    assert [each for each in history if each in before] == before
    assert chat(open_saver()).get_state(before[0].config).values == before[0].values


def test_update_state(saver):
    """A message is replaced, removed, and all are: the state is what LangGraph makes."""
    graph = chat(saver)
    begin(graph)
    second = graph.get_state(CONFIG).values["messages"][1]

    changed = AIMessage("changed!", id=second.id)
    graph.update_state(CONFIG, {"messages": [changed]}, as_node="answer")
    assert texts(graph.get_state(CONFIG))[1] == "changed!"

    gone = RemoveMessage(id=second.id)
    graph.update_state(CONFIG, {"messages": [gone]}, as_node="answer")
    assert texts(graph.get_state(CONFIG)) == [ANSWERED[0], *ANSWERED[2:]]

    everything = RemoveMessage(id=REMOVE_ALL_MESSAGES)
    new = [everything, AIMessage("summary.")]
    graph.update_state(CONFIG, {"messages": new}, as_node="answer")
    assert texts(graph.get_state(CONFIG)) == ["summary."]
    found = [texts(each) for each in graph.get_state_history(CONFIG)]
    assert found[-4:] == [ANSWERED[:3], ANSWERED[:2], ANSWERED[:1], []]


def test_a_message_changed_in_place_is_stored_as_it_is(saver, open_saver):
    """What a node changes in an old message is in the next checkpoint, and only there."""

    def answer(state: Chat):
        state["messages"][0].additional_kwargs["seen"] = state["count"]
        return {"messages": [AIMessage("answer")], "count": state["count"] + 1}

    graph = StateGraph(Chat)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_conditional_edges(
        "answer", lambda state: "answer" if state["count"] < 3 else END
    )
    # Else LangGraph saves a step while the next one changes the message already.
    begin(graph.compile(checkpointer=saver), durability="sync")

    history = [*chat(open_saver()).get_state_history(CONFIG)]
    seen = [
        each.values["messages"][0].additional_kwargs.get("seen")
        for each in history
        if each.values.get("messages")
    ]
    assert seen == [2, 1, 0, None]


def approving(saver):
    """A graph that asks a person between two nodes."""

    class Order(TypedDict):
        log: Annotated[list, operator.add]

    def look_up(state: Order):
        return {"log": ["looked up"]}

    def ask(state: Order):
        said = interrupt({"question": "Pay?"})
        return {"log": [f"said {said}"]}

    graph = StateGraph(Order)
    graph.add_node("look_up", look_up)
    graph.add_node("ask", ask)
    graph.add_edge(START, "look_up")
    graph.add_edge("look_up", "ask")
    return graph.compile(checkpointer=saver)


def test_interrupt(saver, open_saver):
    """Another process sees the question, and goes on with the answer."""
    approving(saver).invoke({"log": []}, CONFIG)

    waiting = approving(open_saver())
    state = waiting.get_state(CONFIG)
    assert state.next == ("ask",)
    assert state.tasks[0].interrupts[0].value == {"question": "Pay?"}

    result = approving(open_saver()).invoke(Command(resume="yes"), CONFIG)
    assert result == {"log": ["looked up", "said yes"]}


def test_parallel_tasks_after_a_failure(saver, open_saver):
    """A task that had finished beside one that failed does not run again."""
    ran: list[int] = []

    class Work(TypedDict):
        done: Annotated[list, operator.add]

    def work(number: int):
        ran.append(number)
        if number == 2 and ran.count(2) == 1:
            raise RuntimeError("once")
        return {"done": [number]}

    def made(with_saver):
        graph = StateGraph(Work)
        graph.add_node("work", work)
        graph.add_conditional_edges(
            START, lambda _: [Send("work", number) for number in range(4)], ["work"]
        )
        return graph.compile(checkpointer=with_saver)

    with pytest.raises(RuntimeError, match="once"):
        made(saver).invoke({"done": []}, {**CONFIG, "max_concurrency": 1})
    finished = [number for number in ran if number != 2]

    result = made(open_saver()).invoke(None, CONFIG)

    assert result == {"done": [0, 1, 2, 3]}
    assert finished
    assert all(ran.count(number) == 1 for number in finished)


def test_subgraph(saver, open_saver):
    """A graph inside a graph has checkpoints in its own namespace."""

    def made(with_saver):
        inner = StateGraph(Chat)
        inner.add_node("ask", lambda _: {"messages": [AIMessage(interrupt("Well?"))]})
        inner.add_edge(START, "ask")
        outer = StateGraph(Chat)
        outer.add_node("inner", inner.compile())
        outer.add_edge(START, "inner")
        return outer.compile(checkpointer=with_saver)

    begin(made(saver))
    waiting = made(open_saver()).get_state(CONFIG, subgraphs=True)
    inside = waiting.tasks[0].state

    result = made(open_saver()).invoke(Command(resume="so"), CONFIG)

    assert inside.config["configurable"]["checkpoint_ns"].startswith("inner:")
    assert texts(inside) == ["Where is"]
    assert [message.content for message in result["messages"]][1:] == ["so"]
    listed = [*open_saver().list({"configurable": {"thread_id": "thread 1"}})]
    spaces = {each.config["configurable"]["checkpoint_ns"] for each in listed}
    assert len(spaces) == 2


def test_growing_values_of_every_kind(saver, open_saver):
    """Numbers, texts, dictionaries, tuples and bytes in a list, and what is no list."""

    class Mixed(TypedDict):
        items: Annotated[list, operator.add]
        table: dict

    rows = [
        [1, 2.5, None, True],
        ["a", "b" * 500, "größe"],
        [{"a": [1, {"b": None}]}, {"a": "x" * 300}],
        [b"\x00\xff", [1, [2]], []],
        [],
        [1, True, 1.0],
    ]

    def add(state: Mixed):
        at = len(state["table"])
        return {"items": rows[at], "table": {**state["table"], str(at): rows[at]}}

    graph = StateGraph(Mixed)
    graph.add_node("add", add)
    graph.add_edge(START, "add")
    graph.add_conditional_edges(
        "add", lambda state: "add" if len(state["table"]) < len(rows) else END
    )
    made = graph.compile(checkpointer=saver)
    made.invoke({"items": [], "table": {}}, CONFIG)

    again = graph.compile(checkpointer=open_saver())
    history = [each.values for each in again.get_state_history(CONFIG)][:-1]
    for state, at in zip(history, range(len(rows), -1, -1), strict=True):
        wanted = [item for row in rows[:at] for item in row]
        assert repr(state["items"]) == repr(wanted)
        assert repr([*state["table"].values()]) == repr(rows[:at])


def test_delta_channel_survives_pruning(saver, open_saver):
    """What a `DeltaChannel` is made from stays when only the latest is kept."""

    def add(state: Log):
        return {"log": [state["count"]], "count": state["count"] + 1}

    def made(with_saver):
        graph = StateGraph(Log)
        graph.add_node("add", add)
        graph.add_edge(START, "add")
        graph.add_conditional_edges(
            "add", lambda state: "add" if state["count"] < 10 else END
        )
        return graph.compile(checkpointer=with_saver)

    made(saver).invoke({"log": [], "count": 0}, CONFIG)
    before = len([*saver.list(CONFIG)])

    open_saver().prune(["thread 1"])

    state = made(open_saver()).get_state(CONFIG)
    assert state.values["log"] == [*range(10)]
    assert len([*saver.list(CONFIG)]) < before


def test_cost_is_linear(tmp_path):
    """Four times the steps take about four times the bytes."""
    from otel_agent_replay.langgraph import AgentReplaySaver

    sizes = []
    for steps in (50, 200):
        path = tmp_path / f"{steps}.db"
        with AgentReplaySaver(f"sqlite:///{path}") as saver:
            config = {**CONFIG, "recursion_limit": 1000}
            begin(chat(saver, steps=steps), config)
        sizes.append(path.stat().st_size)

    assert sizes[1] < 4 * sizes[0]


def test_a_deleted_thread_can_be_written_again(saver, open_saver):
    """A saver that knew a thread writes it whole when another has deleted it."""
    graph = chat(saver)
    begin(graph)
    open_saver().delete_thread("thread 1")
    assert graph.get_state(CONFIG).values == {}

    begin(graph)
    graph.invoke({"messages": [HumanMessage("and again")]}, CONFIG)

    state = chat(open_saver()).get_state(CONFIG)
    assert len(state.values["messages"]) == 8
