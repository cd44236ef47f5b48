"""Context into threads and thread pools."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import pytest

from otel_agent_replay import agent, intercept, tool
from otel_agent_replay.instrument import threads
from tests.instrument.tape import Tape, recorded


@pytest.fixture(autouse=True)
def installed():
    """Threads carry context."""
    threads.install(task=lambda function: function)
    yield
    intercept.install()


@tool
def look_up(number: int) -> int:
    return number


@agent
def run(function):
    """A run that does something."""
    return function()


def parents_in(tape: Tape) -> list[str | None]:
    return [each.inside for each in tape.entries if each.call.name == "look_up"]


def in_thread(thread: threading.Thread) -> None:
    thread.start()
    thread.join()


class Subclass(threading.Thread):
    """A thread with a `run` of its own."""

    def run(self) -> None:
        look_up(1)


class Wrapping(threading.Thread):
    """A thread that does something around."""

    def run(self) -> None:
        look_up(1)
        super().run()


@pytest.mark.parametrize(
    "make",
    [
        lambda: threading.Thread(target=look_up, args=[1]),
        lambda: threading.Thread(target=look_up, kwargs={"number": 1}, daemon=True),
        lambda: threading.Timer(0, look_up, [1]),
        Subclass,
        lambda: Wrapping(target=int),
    ],
    ids=["args", "kwargs", "timer", "subclass", "wrapping"],
)
def test_a_thread_is_inside_what_started_it(make):
    """Whatever sort of thread it is."""
    with recorded() as tape:
        run(lambda: in_thread(make()))

    assert parents_in(tape) == ["run"]


def test_a_thread_started_by_a_thread():
    """Context goes on from one to the other."""
    with recorded() as tape:
        run(lambda: in_thread(threading.Thread(target=lambda: in_thread(Subclass()))))

    assert parents_in(tape) == ["run"]


def test_exceptions_in_threads_are_reported_as_ever(monkeypatch):
    """With the thread they left."""
    reported = []
    monkeypatch.setattr(threading, "excepthook", reported.append)
    thread = threading.Thread(target=lambda: 1 / 0)

    with recorded():
        in_thread(thread)

    assert [each.exc_type for each in reported] == [ZeroDivisionError]
    assert reported[0].thread is thread
    with recorded(), pytest.raises(RuntimeError, match="only be started once"):
        thread.start()


def test_a_thread_that_has_run_is_let_go():
    """It does not keep itself alive, nor what it ran."""
    gc.collect()
    gc.disable()
    try:
        thread = threading.Thread(target=look_up, args=[1])
        with recorded():
            in_thread(thread)
        gone = weakref.ref(thread)
        del thread
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("kind", ["executor", "pool"])
def test_work_is_inside_who_gave_it(kind):
    """Not inside who had the pool's thread started."""
    executor, pool = ThreadPoolExecutor(1), ThreadPool(1)

    def work(number: int) -> int:
        if kind == "executor":
            return executor.submit(look_up, number).result()
        return pool.apply_async(look_up, [number]).get()

    with executor, pool, recorded() as tape:
        run(lambda: work(1))
        work(2)

    assert parents_in(tape) == ["run", None]


def test_a_pool_of_before_serves_sessions_after_it():
    """Its threads belong to nobody; work given later is in the later session."""
    with ThreadPoolExecutor(1) as pool:
        with recorded() as first:
            run(lambda: pool.submit(look_up, 1).result())
        assert pool.submit(look_up, 2).result() == 2
        with recorded() as second:
            pool.submit(look_up, 3).result()

    assert [each.inputs for each in (first, second)] == [
        [first.inputs[0], {"number": 1}],
        [{"number": 3}],
    ]


def test_every_way_of_giving_work_to_a_thread_pool():
    """One by one, many at once, lazily; several at the same time."""
    barrier = threading.Barrier(2)

    def together(number: int) -> int:
        barrier.wait(20)
        return look_up(number)

    def everything() -> list[object]:
        with ThreadPool(2) as pool:
            return [
                pool.map(together, range(4), chunksize=1),
                [*pool.imap(together, range(4))],
                sorted(pool.imap_unordered(together, range(4))),
                pool.starmap(together, [(1,), (2,)], chunksize=1),
                pool.map_async(look_up, [7]).get(),
                pool.starmap_async(look_up, [(8,)]).get(),
                pool.apply(look_up, (9,)),
                pool.apply_async(look_up, kwds={"number": 10}).get(),
            ]

    with recorded() as tape:
        found = run(everything)

    assert found == [
        [0, 1, 2, 3],
        [0, 1, 2, 3],
        [0, 1, 2, 3],
        [1, 2],
        [7],
        [8],
        9,
        10,
    ]
    assert parents_in(tape) == ["run"] * 18


def test_an_executor_maps_inside():
    """Many at the same time."""
    barrier = threading.Barrier(4)

    def together(number: int) -> int:
        barrier.wait(20)
        return look_up(number)

    with recorded() as tape, ThreadPoolExecutor(4) as pool:
        assert run(lambda: [*pool.map(together, range(4))]) == [0, 1, 2, 3]

    assert parents_in(tape) == ["run"] * 4


async def test_asyncio_carries_its_own_context():
    """`to_thread` and `run_in_executor`."""

    async def both() -> None:
        await asyncio.to_thread(look_up, 1)
        await asyncio.get_running_loop().run_in_executor(None, look_up, 2)

    with recorded() as tape:
        await agent(both)()

    assert parents_in(tape) == ["both", "both"]


def test_a_context_of_its_own_is_respected():
    """Python 3.14 takes one as an argument; the thread runs in that."""
    found = []
    thread = threading.Thread(target=lambda: found.append(intercept.current()))
    thread._context = contextvars.Context()

    with recorded() as tape:
        run(lambda: in_thread(thread))

    assert found == [None]
    assert len(tape.entries) == 1


def test_other_context_goes_along():
    """What else a context holds is there too."""
    variable = contextvars.ContextVar("variable", default="unset")
    found = []

    def note() -> None:
        found.append(variable.get())

    variable.set("set")
    with recorded():
        in_thread(threading.Thread(target=note))
    in_thread(threading.Thread(target=note))

    assert found[0] == "set"
    assert found[1] == in_bare_python(variable)


def in_bare_python(variable: contextvars.ContextVar) -> str:
    """What a thread sees of a variable where nothing is recorded."""
    found = []

    class Bare(threading.Thread):
        def run(self) -> None:
            found.append(variable.get())

    in_thread(Bare())
    return found[0]


def test_installing_twice_is_installing_once():
    """Nothing is wrapped again."""
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit

    threads.install(task=lambda function: function)

    assert threading.Thread.start is start
    assert ThreadPoolExecutor.submit is submit
