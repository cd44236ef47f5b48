"""The seam: chains, sessions, lost contexts, places of calls."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from contextlib import contextmanager

import pytest

from otel_agent_replay import intercept
from otel_agent_replay.errors import LostContextError, SessionEndedError
from otel_agent_replay.model.call import Call, Outcome

DONE = Outcome(value="done")


class Stop(BaseException):
    """What stops a call."""


class Witness:
    """An interceptor that notes what it sees, and says what it is told to say."""

    def __init__(self, name: str = "", seen: list[str] | None = None, says=None):
        self.name = name
        self.seen = [] if seen is None else seen
        self.says = says
        self.outcomes: list[Outcome] = []

    def _note(self, what: str, opened: intercept.OpenCall) -> None:
        self.seen.append(f"{self.name}{what} {opened.call.name}")

    def before(self, opened):
        self._note("before", opened)
        if isinstance(self.says, BaseException):
            raise self.says
        return self.says

    def after(self, opened, outcome):
        self._note("after", opened)
        self.outcomes.append(outcome)

    @contextmanager
    def scope(self, opened):
        self._note("enter", opened)
        yield
        self._note("leave", opened)


def call(name: str = "f", kind: str = "tool") -> Call:
    return Call(kind=kind, name=name, inputs={})


@pytest.fixture(autouse=True)
def bare_seam():
    """Nothing on the seam before and after."""
    yield
    intercept.install()
    intercept.set_base(None)


@contextmanager
def inside(name: str, kind: str = "tool"):
    """Make a call and stay inside it."""
    opened = intercept.open_call(call(name, kind))
    with opened.running():
        yield opened
    opened.close(DONE)


def test_interceptors_surround_each_other():
    """`before` and `scope` run in order, `after` in reverse."""
    seen: list[str] = []
    intercept.install(Witness("a ", seen), Witness("b ", seen))

    with inside("f"):
        seen.append("run")

    assert seen == [
        "a before f",
        "b before f",
        "a enter f",
        "b enter f",
        "run",
        "b leave f",
        "a leave f",
        "b after f",
        "a after f",
    ]


def test_an_answer_ends_the_way_down():
    """Those behind the one that answers see nothing; those before it see its end."""
    first, answers, last = Witness(), Witness(says=DONE), Witness()
    intercept.install(first, answers, last)

    opened = intercept.open_call(call())
    opened.close(opened.answer)

    assert opened.answer is DONE
    assert first.outcomes == answers.outcomes == [DONE]
    assert last.seen == []


def test_a_replaced_call_is_what_goes_live():
    """What the agent asked for stays known."""
    intercept.install(Witness(says=call("other")), last := Witness())

    opened = intercept.open_call(call("asked"))
    opened.close(DONE)

    assert (opened.asked.name, opened.call.name) == ("asked", "other")
    assert opened.answer is None
    assert last.seen == ["before other", "after other"]


def test_the_first_outcome_counts():
    """Closing again, from any side, changes nothing."""
    intercept.install(witness := Witness())
    opened = intercept.open_call(call())
    assert not opened.closed

    opened.close(DONE)
    opened.close(Outcome(value="late"))

    assert opened.closed
    assert witness.outcomes == [DONE]


@pytest.mark.parametrize("error", [Stop("no"), ValueError("no")])
def test_what_before_raises_stops_the_call(error):
    """It leaves through the caller; those that had seen the call see it fail, once."""
    first, stops, last = Witness(), Witness(says=error), Witness()
    intercept.install(first, stops, last)

    with pytest.raises(type(error)) as raised:
        intercept.open_call(call())

    assert raised.value is error
    assert [each.error.message for each in first.outcomes] == ["no"]
    assert (stops.outcomes, last.seen) == ([], [])


def test_every_interceptor_hears_of_the_end():
    """Also when one of them fails there."""

    class Failing(Witness):
        def after(self, opened, outcome):
            super().after(opened, outcome)
            raise ValueError(self.name)

    first, failing = Witness(), Failing("failing")
    intercept.install(first, failing, last := Witness())
    opened = intercept.open_call(call())

    with pytest.raises(ValueError, match="failing"):
        opened.close(DONE)

    assert first.outcomes == failing.outcomes == last.outcomes == [DONE]
    assert opened.closed


@pytest.mark.parametrize("bad", ["enter", "leave"])
def test_every_scope_is_left(bad):
    """Also when one of them fails; the call is then no longer the current one."""

    class Failing(Witness):
        @contextmanager
        def scope(self, opened):
            if bad == "enter":
                raise ValueError(self.name)
            with super().scope(opened):
                yield
            raise ValueError(self.name)

    class Careful(Witness):
        @contextmanager
        def scope(self, opened):
            self._note("enter", opened)
            try:
                yield
            finally:
                self._note("leave", opened)

    seen: list[str] = []
    intercept.install(Careful("1 ", seen), Failing("2 ", seen))
    opened = intercept.open_call(call())

    with pytest.raises(ValueError, match="2"), opened.running():
        pass

    assert "1 enter f" in seen
    assert seen[-1] == "1 leave f"
    assert intercept.current() is None
    opened.close(DONE)


def test_scopes_hear_of_what_is_raised_inside():
    """They see the exception on its way out."""

    class Listening(Witness):
        @contextmanager
        def scope(self, opened):
            try:
                yield
            except KeyError:
                self._note("heard", opened)
                raise

    intercept.install(listening := Listening(), Witness())
    opened = intercept.open_call(call())

    with pytest.raises(KeyError), opened.running():
        raise KeyError

    assert "heard f" in listening.seen
    opened.close(DONE)


def test_calls_know_what_they_are_inside():
    """Nearest first; siblings are not inside each other."""
    intercept.install(Witness())
    with inside("run", "agent") as run, inside("part", "step") as part:
        with inside("a"):
            pass
        with inside("b") as b:
            assert intercept.current() is b
            assert [above.call.name for above in b.ancestors()] == ["part", "run"]
        assert intercept.current() is part
        assert b.root is part.root is run.root is run
    assert intercept.current() is None


def test_a_task_that_outlives_its_call_keeps_its_place():
    """What it calls is inside the call that started it, until the run has ended."""

    async def main() -> tuple[list, list]:
        release = [asyncio.Event(), asyncio.Event()]
        noted = asyncio.Event()
        found: list = []

        async def background() -> None:
            for event in release:
                await event.wait()
                found.append(intercept.current())
                noted.set()

        with inside("run", "agent"):
            with inside("part", "step") as part:
                task = asyncio.create_task(background())
            release[0].set()
            await noted.wait()
        release[1].set()
        await task
        return found, [part, None]

    intercept.install(Witness())
    found, expected = asyncio.run(main())

    assert found == expected


def test_the_base_holds_what_is_inside_no_call():
    """As in a child process."""
    intercept.install(Witness())
    base = intercept.open_call(call("child", "process"))
    intercept.set_base(base)

    with inside("f") as opened:
        assert opened.parent is base

    assert intercept.current() is base
    intercept.set_base(None)
    assert intercept.current() is None


def test_the_base_holds_also_in_threads_and_tasks():
    """They need no context for it."""
    intercept.install(Witness())
    base = intercept.open_call(call("child", "process"))
    found: list = []

    async def note() -> None:
        found.append(intercept.current())

    intercept.set_base(base)
    thread = threading.Thread(target=lambda: found.append(intercept.current()))
    thread.start()
    thread.join()
    asyncio.run(note())

    assert found == [base, base]


def test_running_serves_other_threads_and_tasks():
    """A call may run in pieces, wherever it is gone on with."""
    intercept.install(Witness())
    opened = intercept.open_call(call())
    found: list = []

    def piece() -> None:
        with opened.running():
            found.append(intercept.current())

    thread = threading.Thread(target=piece)
    thread.start()
    thread.join()
    asyncio.run(asyncio.to_thread(piece))
    piece()

    assert found == [opened] * 3
    assert intercept.current() is None


def test_running_may_be_left_in_another_context():
    """As when a coroutine is thrown away while it waits; nothing is raised."""
    intercept.install(Witness())

    async def waits() -> None:
        with inside("f"):
            await asyncio.Event().wait()

    async def main() -> None:
        coroutine = waits()
        contextvars.copy_context().run(coroutine.send, None)
        coroutine.close()
        assert intercept.current() is None

    asyncio.run(main())
    gc.collect()


def test_a_session_takes_the_place_of_the_process_chain():
    """For what runs inside, and only there; what was current is not inside it."""
    intercept.install(process := Witness())
    session = Witness()

    with inside("outer"), intercept.session(session):
        assert intercept.current() is None
        with inside("f") as opened:
            assert opened.parent is None
    with inside("g"):
        pass

    assert [s for s in session.seen if s.startswith("before")] == ["before f"]
    assert [s for s in process.seen if s.startswith("before")] == [
        "before outer",
        "before g",
    ]


def test_sessions_nest():
    """The innermost one is in force."""
    outer, inner = Witness(), Witness()

    with intercept.session(outer):
        with intercept.session(inner), inside("f"):
            pass
        with inside("g"):
            pass

    assert inner.seen[0] == "before f"
    assert outer.seen[0] == "before g"


def test_a_session_follows_tasks_and_not_their_elders():
    """A task started inside is in it; one started before belongs to the only one."""
    intercept.install(process := Witness())
    session = Witness()

    async def main() -> None:
        go = asyncio.Event()

        async def elder() -> None:
            await go.wait()
            with inside("elder"):
                pass

        async def younger() -> None:
            with inside("younger"):
                pass

        task = asyncio.create_task(elder())
        with intercept.session(session):
            go.set()
            await asyncio.gather(task, asyncio.create_task(younger()))

    asyncio.run(main())

    befores = {s for s in session.seen if s.startswith("before")}
    assert befores == {"before elder", "before younger"}
    assert process.seen == []


def in_bare_thread(function) -> list:
    """Run something in a thread that knows no context; return what it raised."""
    raised: list = []

    def run() -> None:
        try:
            contextvars.Context().run(function)
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return raised


def one_call() -> None:
    with inside("f"):
        pass


def test_a_call_without_context_belongs_to_the_only_session():
    """It does not go live unseen."""
    intercept.install(process := Witness())

    with intercept.session(session := Witness()):
        assert in_bare_thread(one_call) == []

    assert session.seen[0] == "before f"
    assert process.seen == []


def test_a_call_without_context_between_two_sessions_is_refused():
    """It cannot be told which one it belongs to."""
    one, two = Witness(), Witness()

    with intercept.session(one), intercept.session(two):
        (error,) = in_bare_thread(one_call)

    assert isinstance(error, LostContextError)
    assert "f was called" in str(error)
    assert one.seen == two.seen == []


def test_code_that_outlives_its_session_may_call_nothing():
    """A thread that a replay left behind does not go live."""
    intercept.install(process := Witness())
    with intercept.session(session := Witness()):
        left_behind = contextvars.copy_context()

    assert left_behind.run(intercept.active)
    with pytest.raises(SessionEndedError, match="f was called"):
        left_behind.run(one_call)

    assert process.seen == session.seen == []
    one_call()
    assert process.seen[0] == "before f"


def test_code_that_outlives_its_session_belongs_to_the_only_one_open():
    """A worker that an earlier test started works for the later one too."""
    with intercept.session(Witness()):
        left_behind = contextvars.copy_context()

    with intercept.session(later := Witness()):
        left_behind.run(one_call)

    assert later.seen[0] == "before f"


def test_a_session_may_be_left_in_another_context():
    """As an async fixture may; the next session is not disturbed."""
    manager = intercept.session(Witness())
    contextvars.copy_context().run(manager.__enter__)
    manager.__exit__(None, None, None)

    assert not intercept.active()
    with intercept.session(later := Witness()):
        one_call()
        assert in_bare_thread(one_call) == []
    assert later.seen.count("before f") == 2


def test_ended_sessions_answer_nothing_more():
    """A forked child leaves those of its parent, and can then open its own."""
    intercept.install(process := Witness())

    with intercept.session(session := Witness()):
        assert intercept.in_session()
        intercept.end_sessions()
        with pytest.raises(SessionEndedError):
            one_call()
        with intercept.session(own := Witness()):
            one_call()
            assert in_bare_thread(one_call) == []

    assert own.seen.count("before f") == 2
    assert process.seen == session.seen == []
    assert not intercept.in_session()


def test_suppressed_code_is_off_the_seam():
    """Adapters ask `active`; it says so for this context alone."""
    intercept.install(witness := Witness())
    assert intercept.active()

    with intercept.suppressed():
        assert not intercept.active()
        assert intercept.in_force() == ()
        in_bare_thread(one_call)

    assert intercept.in_force() == (witness,)
    assert witness.seen.count("before f") == 1


def test_nothing_is_active_at_first():
    """An adapter then asks no more than this."""
    assert not intercept.active()
    with intercept.session(Witness()):
        assert intercept.active()
    assert not intercept.active()


def test_one_interceptor_ends_a_call_of_many_threads_once():
    """However many close it at the same time."""
    intercept.install(witness := Witness())
    opened = intercept.open_call(call())
    barrier = threading.Barrier(8)

    def close() -> None:
        barrier.wait()
        opened.close(DONE)

    threads = [threading.Thread(target=close) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert witness.outcomes == [DONE]
