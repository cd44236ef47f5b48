"""Which of the things that two runs were given differently made one go wrong."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
from collections.abc import Callable, Sequence
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai import OpenAI

import otel_agent_replay
from otel_agent_replay import (
    agent,
    bisect,
    checkpoint,
    fork,
    open_store,
    record,
    step,
    tool,
)
from otel_agent_replay.errors import (
    BisectionError,
    ConfigurationError,
    RunIncompleteError,
)
from otel_agent_replay.model.run import Gap, Run
from otel_agent_replay.replay.bisect import smallest
from otel_agent_replay.replay.bisection import Bisection
from otel_agent_replay.testing.provider import ScriptedProvider
from otel_agent_replay.testing.scripted_answer import Answer, ToolCall

# --- the search --------------------------------------------------------------------


def deciding(*wanted: int):
    """Return a test that is bad where all of these are taken."""
    return lambda part: "bad" if part >= set(wanted) else "good"


@given(
    st.integers(1, 40).flatmap(
        lambda n: st.tuples(
            st.just(n), st.sets(st.integers(0, n - 1), min_size=1, max_size=5)
        )
    )
)
def test_what_decides_is_found_whatever_it_is(case):
    """No more and no less, proved by trials, none of them made twice."""
    number, wanted = case
    asked: list[frozenset[int]] = []

    def test(part):
        asked.append(part)
        return deciding(*wanted)(part)

    found = smallest(number, test, trials=10_000)

    assert found is not None
    assert (found.part, found.minimal) == (wanted, True)
    assert {found.without(each) for each in wanted} == {"good"}
    assert len(asked) == len(set(asked)) == len(found.verdicts)


@given(st.integers(1, 8), st.randoms(use_true_random=False))
def test_no_single_one_can_be_left_out(number, chance):
    """Also where trials say what they like, and some say nothing."""
    said: dict[frozenset[int], str] = {
        frozenset(): "good",
        frozenset(range(number)): "bad",
    }

    def test(part):
        return said.setdefault(part, chance.choice(["good", "bad", "unresolved"]))

    found = smallest(number, test, trials=10_000)

    assert found is not None
    assert found.minimal
    assert said[found.part] == "bad"
    assert all(said[found.part - {each}] != "bad" for each in found.part)


@given(st.integers(2, 30), st.integers(2, 20))
def test_without_trials_left_it_says_so(number, most):
    """What is found by then is bad all the same."""
    wanted = {0, number - 1}

    found = smallest(number, deciding(*wanted), trials=most)

    assert found is not None
    assert len(found.verdicts) <= most
    assert found.part >= wanted
    assert not found.minimal or found.part == wanted


def test_of_parts_that_do_alike_the_first_is_found():
    """What comes later often follows from it."""
    found = smallest(16, lambda part: "bad" if part else "good", trials=100)

    assert found is not None
    assert found.part == {0}


@pytest.mark.parametrize(
    "said", [("bad", "bad"), ("good", "good"), ("unresolved", "bad")]
)
def test_nothing_follows_where_the_ends_are_not_what_they_should_be(said):
    """Nothing at all is good, everything is bad; else there is nothing to look for."""
    nothing, everything = said

    found = smallest(3, lambda part: everything if part else nothing, trials=100)

    assert found is None


# --- runs --------------------------------------------------------------------------


class World:
    """What tools give, and what they were really asked for."""

    def __init__(self) -> None:
        self.gives: dict[str, object] = {}
        self.happened: list[str] = []


@pytest.fixture
def world():
    """Record into a new store."""
    otel_agent_replay.configure(store="sqlite:///runs.db")
    return World()


def newest() -> Run:
    otel_agent_replay.flush()
    with open_store("sqlite:///runs.db") as store:
        return store.load(store.runs(limit=1)[0].run_id)


def getter(world: World):
    @tool
    def get(key: str) -> object:
        world.happened.append(key)
        found = world.gives[key]
        return found.pop(0) if isinstance(found, list) else found

    return get


def ran(world: World, act: Callable[[], object], **gives: object) -> Run:
    """Return the run of an agent in a world that gives this."""
    world.gives = {
        key: [*value] if isinstance(value, list) else value
        for key, value in gives.items()
    }
    with contextlib.suppress(ValueError):
        act()
    world.happened.clear()
    return newest()


def steps(found: Bisection) -> list[int | None]:
    return [each.step for each in found.changes]


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
        client = OpenAI(base_url=url, api_key="any", max_retries=0)
        messages = [{"role": "user", "content": "Where is my refund?"}]
        first = client.chat.completions.create(model="scripted", messages=messages)
        call = first.choices[0].message.tool_calls[0]
        messages += [
            first.choices[0].message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": get("docs")},
        ]
        last = client.chat.completions.create(model="scripted", messages=messages)
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


# --- what is asked for -------------------------------------------------------------


def test_trials_can_be_too_few(world):
    """Then what was found is not known to be the smallest."""
    get = getter(world)

    @agent
    def act() -> str:
        return "bad" if sum(get(key) for key in "abcdefgh") > 12 else "good"

    good = ran(world, act, **dict.fromkeys("abcdefgh", 1))
    bad = ran(world, act, **dict.fromkeys("abcdefgh", 2))

    found = bisect(good, bad, act, trials=4)

    assert (found.minimal, found.trials) == (False, 4)
    assert bisect(good, bad, act, trials=100).minimal
    with pytest.raises(ConfigurationError, match="1 is less than 2"):
        bisect(good, bad, act, trials=1)


@pytest.mark.parametrize(
    ("until", "said"),
    [
        (None, "both runs ended with the answer 'fine'"),
        ("failed", "does not hold for run"),
        ("answer~fine", "too, which is to be the good one"),
        ("answer~(", "no regular expression"),
        ("answered", "neither 'failed' nor 'answer~REGEX'"),
    ],
)
def test_a_condition_that_tells_nothing(world, until, said):
    """It must hold for the bad run, and for that one only."""
    get = getter(world)

    @agent
    def act() -> str:
        get("a")
        return "fine"

    good, bad = ran(world, act, a=1), ran(world, act, a=2)

    with pytest.raises(ConfigurationError, match=said):
        bisect(good, bad, act, until=until)


def test_code_that_ends_otherwise_is_said(world):
    """The trials with all that one run was given must end as it did."""
    get, ends = getter(world), count()

    @agent
    def act() -> str:
        return f"{next(ends)} {get('a')}"

    good, bad = ran(world, act, a=1), ran(world, act, a=2)
    with pytest.raises(BisectionError, match="given all that") as raised:
        bisect(good, bad, act)
    assert good.run_id in raised.value.problem
    assert "it ended with the answer '2 1'" in raised.value.problem


def test_nothing_given_differently_is_the_code(world):
    """There is nothing to look for among what was recorded."""
    get, ends = getter(world), count()

    @agent
    def act() -> str:
        return f"{next(ends)} {get('a')}"

    good, bad = ran(world, act, a=1), ran(world, act, a=1)

    with pytest.raises(BisectionError, match="it is the code that"):
        bisect(good, bad, act)


def test_a_run_with_gaps_must_be_allowed(world):
    """Of either run."""
    get = getter(world)

    @agent
    def act() -> str:
        return str(get("a"))

    good, bad = ran(world, act, a=1), ran(world, act, a=2)
    holed = dataclasses.replace(bad, gaps=(Gap(text="something is lost"),))

    with pytest.raises(RunIncompleteError):
        bisect(good, holed, act)
    assert steps(bisect(good, holed, act, allow_gaps=True)) == [0]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_all_that_a_run_was_given_makes_its_end(world, data):
    """Whatever calls follow from it: then what is found makes it too."""
    get = getter(world)
    keys = st.sampled_from("abcd")
    tables = st.fixed_dictionaries(
        {key: st.lists(keys, min_size=6, max_size=6) for key in "abcd"}
    )

    @step
    def inside(key: str) -> object:
        return get(key)

    @agent
    def act() -> str:
        seen = ["a"]
        for number in range(6):
            ask = inside if number % 3 == 2 else get
            seen.append(ask(seen[-1]))
        return "".join(seen)

    good = ran(world, act, **data.draw(tables))
    bad = ran(world, act, **data.draw(tables))
    if good.output == bad.output:
        return

    found = bisect(good, bad, act, trials=200)

    assert found.changes
    assert found.minimal
    assert "bad" not in found.without.values()
    assert world.happened == []
