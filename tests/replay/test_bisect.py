"""Which of the things that two runs were given differently made one go wrong."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Callable, Sequence
from functools import partial

import pytest
from openai import OpenAI

from otel_agent_replay import (
    agent,
    bisect,
    checkpoint,
    fork,
    record,
    step,
    tool,
)
from otel_agent_replay.errors import (
    BisectionError,
)
from otel_agent_replay.model.run import Run
from otel_agent_replay.testing.provider import ScriptedProvider
from otel_agent_replay.testing.scripted_answer import Answer, ToolCall
from tests.replay.bisected import getter, ran, steps
from tests.replay.recorded import newest


def test_one_result_decides(world):
    """It is named with what differs in it; nothing ran."""
    get = getter(world)

    @agent
    def act(keys: Sequence[str]) -> str:
        got = {key: get(key) for key in keys}
        return "too much" if got["b"] > 2 else "fine"

    call = lambda: act(["a", "b", "c"])  # noqa: E731 - as users write it
    good = ran(world, call, a=1, b=1, c=1)
    bad = ran(world, call, a=5, b=5, c=5)

    found = bisect(good, bad, call)

    assert (steps(found), found.among, found.minimal) == ([1], 3, True)
    assert [str(each) for each in found.changes[0].fields] == [
        "outcome.value: was 1, now 5"
    ]
    assert found.without == {1: "good"}
    assert (found.good, found.bad) == (good.run_id, bad.run_id)
    assert world.happened == []


def test_two_results_decide_together(world):
    """Neither of them alone."""
    get = getter(world)

    @agent
    def act() -> str:
        got = [get(key) for key in "abcd"]
        return "bad" if got[0] + got[3] > 9 else "good"

    good = ran(world, act, a=1, b=1, c=1, d=1)
    bad = ran(world, act, a=5, b=5, c=5, d=5)

    found = bisect(good, bad, act)

    assert (steps(found), found.minimal) == ([0, 3], True)
    assert found.without == {0: "good", 3: "good"}


def test_the_input_decides(world):
    """Whatever the agent is called with in the trials; methods and stars included."""
    get = getter(world)

    class Desk:
        @agent(name="desk")
        def act(self, sign: object, *words: str, most: int = 3, **more: int) -> str:
            assert isinstance(sign, Desk)
            got = get("a")
            return f"{got}" if len(words) < most + more["extra"] else "too many"

    desk = Desk()
    good = ran(world, lambda: desk.act(desk, "x", extra=0), a=1)
    bad = ran(world, lambda: desk.act(desk, "x", "y", most=1, extra=1), a=2)

    found = bisect(good, bad, lambda: desk.act(desk, "z", extra=7))

    assert [(each.kind, each.name) for each in found.changes] == [("input", "desk")]
    assert {each.path for each in found.changes[0].fields} == {
        "words[1]",
        "most",
        "extra",
    }
    assert found.minimal


def agents() -> list[tuple[str, Callable[[str, object], object]]]:
    """Return agents of every sort, with what runs them."""

    @agent
    async def waits(word: str, *, of: object = None) -> str:
        return f"{word} {of}"

    @agent
    def yields(word: str, *, of: object = None):
        yield word
        yield of

    @agent
    async def yields_later(word: str, *, of: object = None):
        yield word
        yield of

    async def read(word: str, of: object) -> list[object]:
        return [each async for each in yields_later(word, of=of)]

    return [
        ("a coroutine", lambda word, of: asyncio.run(waits(word, of=of))),
        ("a generator", lambda word, of: list(yields(word, of=of))),
        ("an async generator", lambda word, of: asyncio.run(read(word, of))),
    ]


@pytest.mark.parametrize("call", [pytest.param(c, id=name) for name, c in agents()])
def test_every_sort_of_agent_is_given_the_input(world, call):
    """As the types that it had."""
    good = ran(world, lambda: call("one", {"a": (1, 2)}))
    bad = ran(world, lambda: call("two", {"a": (1, 2)}))

    found = bisect(good, bad, lambda: call("three", {"a": [1]}))

    assert [each.path for each in found.changes[0].fields] == ["word"]
    assert found.minimal


def test_an_input_that_cannot_be_had_again_is_said(world):
    """A class that no annotation names."""

    @dataclasses.dataclass
    class Order:
        number: int

    @agent
    def act(order: object) -> int:
        return order.number

    good = ran(world, lambda: act(Order(1)))
    bad = ran(world, lambda: act(Order(2)))

    with pytest.raises(BisectionError, match="cannot be given that input"):
        bisect(good, bad, lambda: act(Order(1)))


def test_what_follows_is_answered_as_in_the_bad_run(world):
    """Calls that only that run made, also repeated ones, come in its order."""
    get = getter(world)

    @agent
    def act() -> str:
        key = get("start")
        while get("poll") == "wait":
            pass
        return f"{get(key)}{get('end')}"

    good = ran(world, act, start="x", poll=["done"], x="fine ", end=1)
    gives = {"start": "y", "poll": ["wait", "wait", "done"], "y": "broken ", "end": 1}
    bad = ran(world, act, **gives)

    found = bisect(good, bad, act)

    assert (steps(found), found.among) == ([0], 3)


def test_calls_inside_a_part_that_was_given_something_else(world):
    """A part of the same name keeps what it was given, unless that is changed."""
    get = getter(world)

    @step
    def look(where: str) -> object:
        return f"{where} {get('inner')}"

    @agent
    def act() -> str:
        return look(get("outer"))

    good = ran(world, act, outer="here", inner=1)
    bad = ran(world, act, outer="there", inner=2)

    both = bisect(good, bad, act)
    inner = bisect(good, bad, act, until="answer~2")
    outer = bisect(good, bad, act, until=lambda run: run.output.startswith("there"))

    assert steps(both) == [0, 2]
    assert (steps(inner), steps(outer)) == ([2], [0])


def test_what_neither_run_did_is_undecided(world):
    """It stops there, is counted, and says what it was."""
    get = getter(world)

    @agent
    def act() -> str:
        left, right = get("left"), get("right")
        return str(get(f"{left}-{right}"))

    good = ran(world, act, left=1, right=1, **{"1-1": "fine"})
    bad = ran(world, act, left=2, right=2, **{"2-2": "broken"})

    found = bisect(good, bad, act)

    assert (steps(found), found.unresolved) == ([2], 3)
    assert found.changes[0].asked_otherwise
    assert found.without == {2: "good"}
    assert found.reasons[0].startswith("it asked for what neither run did: get (key: ")
    assert world.happened == []


def test_an_exception_is_an_end_and_a_write_is_not_made(world):
    """Of its own class and message; nothing is written in a trial."""
    get = getter(world)

    @tool(effect="write")
    def send(text: str) -> str:
        world.happened.append(text)
        return f"sent {text}"

    @agent
    def act() -> str:
        if get("a") + get("b") > 9:
            raise ValueError("too much")
        return send("all is well")

    good = ran(world, act, a=1, b=5)
    bad = ran(world, act, a=5, b=5)

    assert steps(bisect(good, bad, act)) == [0]
    assert steps(bisect(good, bad, act, until="failed")) == [0]
    # The other way about the write was never made by the run that is changed.
    assert steps(bisect(bad, good, act, until="answer~sent")) == [0]
    assert world.happened == []


def test_items_are_an_answer(world):
    """Of an agent that yields."""
    get = getter(world)

    @agent
    def act():
        yield get("a")
        yield get("b")

    call = lambda: [*act()]  # noqa: E731
    good, bad = ran(world, call, a=1, b=1), ran(world, call, a=1, b=2)

    assert steps(bisect(good, bad, call)) == [1]
    assert steps(bisect(good, bad, call, until="answer~2")) == [1]


def test_chance_that_was_recorded_can_decide(world):
    """Reads of clock and randomness are what a run is given too."""
    get = getter(world)

    @agent
    def act() -> str:
        lucky = random.random() < 0.5  # noqa: S311 - not a secret
        return "lucky" if lucky and get("a") else "unlucky"

    with record(effects=["random"]):
        random.seed(1)
        good = ran(world, act, a=1)
        while (bad := ran(world, act, a=2)).output == good.output:
            pass

    found = bisect(good, bad, act)

    assert [each.kind for each in found.changes] == ["random"]


def test_a_state_that_a_fork_changed_can_decide(world):
    """A state that the code made itself is no change."""
    get = getter(world)

    @agent
    def act() -> int:
        state = checkpoint({"most": 3})
        return sum(get("a") for _ in range(state["most"]))

    good = ran(world, act, a=1)
    with fork(good, at=0, state={"most": 1}):
        act()
    bad = newest()

    found = bisect(good, bad, act)

    assert [(each.kind, each.step) for each in found.changes] == [("checkpoint", 0)]
    assert bad.parent is not None


def test_a_model_agent_whose_ids_are_new_in_every_run(world):
    """A tool's result decides, though what the model was sent differs in its ids."""
    get = getter(world)

    def support(url: str) -> str:
        messages = [{"role": "user", "content": "Where is my refund?"}]
        with OpenAI(base_url=url, api_key="any", max_retries=0) as client:
            ask = partial(client.chat.completions.create, model="scripted")
            first = ask(messages=messages)
            call = first.choices[0].message.tool_calls[0]
            messages += [
                first.choices[0].message.model_dump(exclude_none=True),
                {"role": "tool", "tool_call_id": call.id, "content": get("docs")},
            ]
            last = ask(messages=messages)
        return last.choices[0].message.content

    def recorded(call_id: str, docs: str, text: str) -> Run:
        asks = Answer(tool_calls=[ToolCall("get", {"key": "docs"}, id=call_id)])
        with ScriptedProvider(answers=[asks, Answer(text=text)]) as provider:
            act = agent(name="support")(support)
            return ran(world, lambda: act(provider.base_url), docs=docs)

    good = recorded("call_9fJk2mXq81LsTz0aBcDeFgHi", "Five days.", "Five days.")
    bad = recorded("call_Zz81LsTz0aBcDeFgHi9fJk2m", "", "No idea.")
    act = agent(name="support")(support)

    # The input is the server's address, which was another one each time.
    found = bisect(good, bad, lambda: act("http://127.0.0.1:9/v1"))

    assert [each.name for each in found.changes] == ["get"]
    assert found.minimal
