"""Calls of every shape become steps, each once, under the right parent."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import trace

from otel_agent_replay import agent, step, tool


def shape(run) -> list[tuple[str, int | None]]:
    """Return the steps' names and what each is inside."""
    return [(each.call.name, each.parent) for each in run.steps]


@pytest.mark.parametrize(
    "stop", [KeyboardInterrupt, SystemExit, asyncio.CancelledError]
)
def test_what_is_no_exception_passes_and_is_recorded(recording, run_of, stop):
    """A tool that is interrupted raises as without us, and its step says so."""

    @tool
    def interrupted():
        raise stop

    @agent
    def play():
        with pytest.raises(stop):
            interrupted()

    play()

    run = run_of()
    assert run.steps[0].outcome.error.type_name.endswith(stop.__name__)
    assert run.gaps == ()


def test_a_generator_left_half_way(recording, run_of):
    """What was yielded is kept, and that nobody read on."""

    @tool
    def pages():
        yield from range(10)

    @agent
    def play():
        for page in pages():
            if page == 2:
                break
        gc.collect()

    play()

    outcome = run_of().steps[0].outcome
    assert outcome.items == (0, 1, 2)
    assert outcome.ended == "abandoned"


async def test_an_async_generator_left_half_way(recording, run_of):
    """The same for an async one, closed in another task than it was opened in."""

    @tool
    async def pages():
        for page in range(10):
            yield page

    @agent
    async def play():
        source = pages()
        first = await anext(source)
        await asyncio.create_task(source.aclose())
        return first

    assert await play() == 0

    outcome = run_of().steps[0].outcome
    assert outcome.items == (0,)
    assert outcome.ended == "abandoned"


async def test_a_cancelled_task(recording, run_of):
    """A tool that is cancelled while it waits is a step that was cancelled."""
    started = asyncio.Event()

    @tool
    async def waiting():
        started.set()
        await asyncio.Event().wait()

    @agent
    async def play():
        task = asyncio.create_task(waiting())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return "done"

    await play()

    run = run_of()
    assert run.steps[0].outcome.error.type_name.endswith("CancelledError")
    assert run.gaps == ()


async def test_a_coroutine_nobody_awaits(recording, run_of):
    """A call whose result is thrown away unawaited is a step without a payload."""

    @tool
    def ask():
        async def answer():
            return 1

        coroutine = answer()
        coroutine.close()
        return coroutine

    @agent
    async def play():
        thrown_away = ask()
        thrown_away.close()
        del thrown_away
        gc.collect()
        return "done"

    await play()

    run = run_of()
    assert shape(run) == [("ask", None)]
    assert run.steps[0].dropped == "capture"
    assert [gap.step for gap in run.gaps] == [0]


def test_recursion(recording, run_of):
    """Each level is inside the one that called it."""

    @tool
    def down(level: int) -> int:
        return down(level - 1) if level else 0

    @agent
    def play():
        return down(4)

    play()

    assert [each.parent for each in run_of().steps] == [None, 0, 1, 2, 3]


def test_a_hundred_threads(recording, run_of):
    """A hundred threads at once: every call is there, under its own step."""
    together = threading.Barrier(100)

    @tool
    def inner(number: int) -> int:
        return number

    @step
    def outer(number: int) -> int:
        together.wait(timeout=30)
        return inner(number)

    @agent
    def play():
        with ThreadPoolExecutor(100) as pool:
            return list(pool.map(outer, range(100)))

    play()

    run = run_of()
    assert run.gaps == ()
    assert len(run.steps) == 200
    inside = {
        each.call.inputs["number"]: run.steps[each.parent].call.inputs["number"]
        for each in run.steps
        if each.call.name == "inner"
    }
    assert inside == {number: number for number in range(100)}


def test_a_span_that_the_tool_ends_itself(recording, run_of):
    """Code that ends the current span does not take the payload off it."""

    @tool
    def hasty() -> str:
        trace.get_current_span().end()
        return "done"

    @agent
    def play():
        return hasty()

    play()

    run = run_of()
    assert run.steps[0].outcome.value == "done"
    assert run.gaps == ()


def test_a_current_span_that_is_not_inside_the_call(recording, run_of):
    """Code that puts an outer span back as the current one moves no step."""
    tracer = trace.get_tracer("other")

    @tool
    def inner() -> int:
        return 1

    @step
    def outer(before) -> int:
        with trace.use_span(before):
            return inner()

    @agent
    def play():
        with tracer.start_as_current_span("around") as before:
            return outer(before)

    play()

    run = run_of()
    assert shape(run) == [("outer", None), ("inner", 0)]
    parents = {span.span_id: span.parent_span_id for span in run.spans}
    assert parents[run.steps[1].span_id] == run.steps[0].span_id


def test_a_span_of_another_between_two_steps(recording, run_of):
    """A step inside a foreign span inside a step is inside that step."""
    tracer = trace.get_tracer("other")

    @tool
    def inner() -> int:
        return 1

    @step
    def outer() -> int:
        with tracer.start_as_current_span("between"):
            return inner()

    @agent
    def play():
        return outer()

    play()

    run = run_of()
    assert shape(run) == [("outer", None), ("inner", 0)]
    between = next(span for span in run.spans if span.name == "between")
    last = next(span for span in run.spans if span.span_id == run.steps[1].span_id)
    assert last.parent_span_id == between.span_id
    assert between.parent_span_id == run.steps[0].span_id


def test_runs_beside_each_other(recording, runs):
    """Agents in threads have runs of their own, each numbered from zero."""
    together = threading.Barrier(4)

    @tool
    def look(name: str) -> str:
        together.wait(timeout=30)
        return name

    def play(name: str) -> None:
        agent(name=name)(lambda: [look(name), look(name)])()

    threads = [threading.Thread(target=play, args=(name,)) for name in "abcd"]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    found = {run.agent_name: run for run in runs()}
    assert sorted(found) == ["a", "b", "c", "d"]
    for name, run in found.items():
        assert [each.call.inputs for each in run.steps] == [{"name": name}] * 2
        assert run.gaps == ()


def test_calls_outside_any_agent_are_one_run_of_the_process(program, runs):
    """A script without an agent is a run that ends with the process."""
    done: subprocess.CompletedProcess[str] = program(
        """
        import os
        import otel_agent_replay
        from otel_agent_replay import tool

        otel_agent_replay.configure(store=os.environ["STORE"], agent_name="script")

        @tool
        def look(word):
            return word

        look("one")
        look("two")
        raise SystemExit(3)
        """
    )

    assert done.returncode == 3, done.stderr
    [run] = runs()
    assert run.agent_name == "script"
    assert [each.outcome.value for each in run.steps] == ["one", "two"]
    assert run.gaps == ()
