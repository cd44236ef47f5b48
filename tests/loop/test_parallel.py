"""Calls side by side: tasks, threads, processes; answers cannot be swapped."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from openai import AsyncOpenAI, OpenAI

import otel_agent_replay
from otel_agent_replay import DivergenceError, agent, open_store, replay, tool
from otel_agent_replay.testing import Answer, ScriptedProvider, ScriptedRequest

EIGHT = range(8)


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """Record into a new store."""
    url = f"sqlite:///{tmp_path}/runs.db"
    otel_agent_replay.configure(store=url)
    return url


def only_run(url: str):
    """Return the one run of a store."""
    otel_agent_replay.flush()
    with open_store(url) as store:
        (summary,) = store.runs()
        return store.load(summary.run_id)


class Reversed:
    """Lets eight callers go in the order opposite to that of their numbers."""

    def __init__(self) -> None:
        self.done = [threading.Event() for _ in EIGHT]

    def wait(self, number: int) -> None:
        if number < len(EIGHT) - 1:
            assert self.done[number + 1].wait(20)

    def go(self, number: int) -> None:
        self.done[number].set()


def echo(request: ScriptedRequest) -> Answer:
    """Answer with what was asked."""
    return Answer(text=f"answer to {request.json['messages'][-1]['content']}")


def test_eight_tools_under_gather(store_url):
    """Each task gets its own answer back, whatever order they end or start in."""
    events: list[asyncio.Event] = []
    order: list[int] = []

    @tool
    async def look_up(number: int) -> str:
        if number < 7:
            await events[number + 1].wait()
        order.append(number)
        events[number].set()
        return f"result {number}"

    @agent
    async def parallel(numbers: list[int]) -> list[str]:
        events[:] = [asyncio.Event() for _ in EIGHT]
        return await asyncio.gather(*(look_up(n) for n in numbers))

    asyncio.run(parallel(list(EIGHT)))
    assert order == [7, 6, 5, 4, 3, 2, 1, 0]
    run = only_run(store_url)
    assert [step.call.inputs["number"] for step in run.steps] == list(EIGHT)
    assert {step.parent for step in run.steps} == {None}

    with replay(run) as session:
        answers = asyncio.run(parallel(list(EIGHT)))
    assert answers == [f"result {n}" for n in EIGHT]
    assert session.report.ok

    with replay(run, strict=False) as session:
        answers = asyncio.run(parallel(list(reversed(EIGHT))))
    assert answers == [f"result {n}" for n in reversed(EIGHT)]
    assert len(session.report.served) == 8
    assert len(order) == 8


def in_threads(ask, numbers: list[int]) -> list[str]:
    """Call a function in a thread for each number."""
    found = dict.fromkeys(numbers, "")

    def one(number: int) -> None:
        found[number] = ask(number)

    threads = [threading.Thread(target=one, args=[n]) for n in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return list(found.values())


def in_pool(ask, numbers: list[int]) -> list[str]:
    """Call a function in a pool of threads."""
    with ThreadPoolExecutor(8) as executor:
        return list(executor.map(ask, numbers))


@pytest.mark.parametrize("spread", [in_pool, in_threads])
def test_eight_tools_and_models_in_threads(store_url, spread):
    """A tool that asks a model keeps it inside, in its thread; answers stay apart."""
    order = Reversed()
    provider = ScriptedProvider(script=echo)
    client = OpenAI(base_url=provider.base_url, api_key="any", max_retries=0)
    live: list[int] = []

    @tool
    def ask(number: int) -> str:
        order.wait(number)
        live.append(number)
        answer = client.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": f"question {number}"}],
        )
        order.go(number)
        return answer.choices[0].message.content

    @agent
    def parallel(numbers: list[int]) -> list[str]:
        return spread(ask, numbers)

    expected = [f"answer to question {n}" for n in EIGHT]
    assert parallel(list(EIGHT)) == expected
    provider.close()
    run = only_run(store_url)
    assert run.gaps == ()
    assert questions_by_tool(run) == {n: f"question {n}" for n in EIGHT}

    with replay(run) as session:
        assert parallel(list(EIGHT)) == expected
    assert session.report.ok
    assert len(session.report.served) == 8
    assert len(live) == 8
    client.close()


def questions_by_tool(run) -> dict[int, str]:
    """Return what the model inside each tool call was asked."""
    return {
        run.steps[step.parent].call.inputs["number"]: step.request.messages[-1].parts[
            0
        ]["content"]
        for step in run.steps
        if step.call.kind == "model"
    }


async def test_models_under_gather_with_streams(store_url):
    """Eight streams read at the same time replay chunk by chunk, each its own."""
    provider = ScriptedProvider(script=echo, piece_size=4)
    client = AsyncOpenAI(base_url=provider.base_url, api_key="any", max_retries=0)

    async def one(number: int) -> list[str]:
        stream = await client.chat.completions.create(
            model="gpt-4o",
            stream=True,
            messages=[{"role": "user", "content": f"question {number}"}],
        )
        found = []
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                found.append(chunk.choices[0].delta.content)
            await asyncio.sleep(0)
        return found

    @agent
    async def parallel() -> list[list[str]]:
        return await asyncio.gather(*(one(n) for n in EIGHT))

    first = await parallel()
    provider.close()
    run = only_run(store_url)
    with replay(run) as session:
        again = await parallel()
    await client.close()

    assert again == first
    assert ["".join(parts) for parts in first] == [
        f"answer to question {n}" for n in EIGHT
    ]
    assert session.report.ok


CHILD = """
    import sys
    import openai
    import otel_agent_replay
    from otel_agent_replay import tool

    otel_agent_replay.configure()

    @tool
    def look_up(word: str) -> str:
        print("live", file=sys.stderr)
        return word.upper()

    client = openai.OpenAI(max_retries=0)
    word = look_up(sys.argv[1])
    answer = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": word}]
    )
    print(answer.choices[0].message.content)
"""


def test_child_processes(store_url, tmp_path, monkeypatch):
    """Children that call a tool and a model stand under the tool that started them."""
    monkeypatch.setenv("AGENT_REPLAY_STORE", store_url)
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    script = tmp_path / "child.py"
    script.write_text(textwrap.dedent(CHILD))
    outputs: list[str] = []

    def start(word: str) -> str:
        done = subprocess.run(
            [sys.executable, script, word],
            capture_output=True,
            text=True,
            check=False,
        )
        outputs.append(done.stderr)
        return done.stdout.strip()

    @agent
    def parent(words: list[str]) -> list[str]:
        return [start(word) for word in words]

    with ScriptedProvider(script=echo) as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url)
        assert parent(["one", "two"]) == ["answer to ONE", "answer to TWO"], outputs
    run = only_run(store_url)

    processes = [s for s in run.steps if s.call.kind == "process"]
    assert len(processes) == 2
    assert [p.parent for p in processes] == [None, None]
    inside = [s for s in run.steps if s.parent == processes[1].index]
    assert [s.call.kind for s in inside] == ["tool", "model"]
    assert inside[0].call.inputs == {"word": "two"}
    assert run.gaps == ()

    outputs.clear()
    with replay(run) as session:
        assert parent(["one", "two"]) == ["answer to ONE", "answer to TWO"], outputs
    assert session.report.ok
    assert len(session.report.served) == 4
    assert "".join(outputs) == ""

    with pytest.raises(DivergenceError), replay(run):
        parent(["one", "three"])
