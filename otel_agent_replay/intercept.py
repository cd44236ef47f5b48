"""The seam: every call that leaves the agent passes here.

An adapter (an HTTP client's hook, a tool's wrapper) opens a `Call`, runs it or
takes the answer it was given, and closes it with its `Outcome`. Interceptors
(recorder, replayer) sit on the seam and never see an adapter; adapters never see
them. The seam does no I/O itself, so one seam serves sync, async and streams.

A chain of interceptors is in force for the process (`install`), and another one
for what runs inside `session` (a replay). A session's chain follows the context
into tasks and, with `instrument.threads`, into threads; a call that lost its
context while exactly one session is open belongs to that session, and code that
outlives its session may call nothing, so that nothing goes live unseen.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, Protocol, TypeAlias, TypeVar

from otel_agent_replay.errors import LostContextError, SessionEndedError
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.exceptions import record_exception

__all__ = [
    "CUT_SHORT",
    "STORED_SPAN",
    "Interceptor",
    "OpenCall",
    "active",
    "current",
    "in_force",
    "in_session",
    "install",
    "is_suppressed",
    "open_call",
    "session",
    "set_base",
    "suppressed",
    "takes_reads",
]


T = TypeVar("T")
_Failure: TypeAlias = tuple[
    type[BaseException] | None, BaseException | None, TracebackType | None
]
"""What `__exit__` is told."""

STORED_SPAN: Final = "stored span"
"""Key in `OpenCall.notes`: id of the span that stands for the call already. A
resume puts it there, so that a call is not recorded twice."""


CUT_SHORT: Final = "cut short"
"""Key in `OpenCall.notes`: the recorded run itself was cancelled or interrupted, so
that nobody in it will cancel this call, and its answer need not be waited for."""

_RUNS: Final = frozenset({"agent", "process"})
"""Kinds of outermost calls whose end is the end of the run here."""


class Interceptor(Protocol):
    """Something on the seam. Methods run on the thread of the call.

    `before` may answer a call (an `Outcome`: it does not run), replace it (a
    `Call`: that one goes live), or let it pass (None). `after` runs once for every
    call whose `before` ran, also for answered ones, in reverse order. `scope`
    surrounds the code that runs while the call is open; it may be entered many
    times (once for each item of a generator).
    """

    def before(self, opened: OpenCall) -> Outcome | Call | None:
        """See a call before it runs."""

    def after(self, opened: OpenCall, outcome: Outcome) -> None:
        """See what came back."""

    def scope(self, opened: OpenCall) -> AbstractContextManager[None]:
        """Return what surrounds the running call."""


class OpenCall:
    """A call between its start and its end.

    Attributes:
        call: The call as it goes live; an interceptor may have replaced it.
        asked: The call as the agent made it.
        parent: The call it was made inside; None outside any. That one may have
            ended: a task or thread can outlive the call that started it.
        root: The outermost call it is inside, or itself.
        answer: The outcome an interceptor gave; None means run it.
    """

    __slots__ = (
        "_chain",
        "_closed",
        "_lock",
        "answer",
        "asked",
        "call",
        "notes",
        "parent",
        "root",
    )

    def __init__(
        self,
        call: Call,
        parent: OpenCall | None,
        chain: tuple[Interceptor, ...],
    ) -> None:
        self.asked = call
        self.call = call
        self.parent = parent
        self.root: OpenCall = parent.root if parent else self
        self.answer: Outcome | None = None
        self.notes: dict[object, object] = {}
        """What an interceptor keeps about this call, under itself as the key."""
        self._chain = chain
        self._closed = False
        self._lock = threading.Lock()

    def _begin(self) -> None:
        passed: list[Interceptor] = []
        try:
            for interceptor in self._chain:
                passed.append(interceptor)
                said = interceptor.before(self)
                if isinstance(said, Outcome):
                    self.answer = said
                    break
                if said is not None:
                    self.call = said
        except BaseException as error:
            self._chain = tuple(passed[:-1])
            self.close(Outcome(error=record_exception(error)))
            raise
        self._chain = tuple(passed)

    def running(self) -> AbstractContextManager[None]:
        """Make this call the current one for the code inside.

        May be called again and again, from any thread or task, not nested. It may
        be left in another context than it was entered in, as a coroutine is that is
        thrown away while it waits.
        """
        return _Running(self, self._chain)

    def close(self, outcome: Outcome) -> None:
        """End the call. The first outcome counts; later ones are ignored.

        Raises:
            BaseException: What an interceptor raised, after all have been told.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
        _tell(list(self._chain), self, outcome)

    @property
    def closed(self) -> bool:
        """Whether the call has ended."""
        return self._closed

    def ancestors(self) -> Iterator[OpenCall]:
        """Yield the calls this one is inside, nearest first."""
        above = self.parent
        while above is not None:
            yield above
            above = above.parent


def _tell(chain: list[Interceptor], opened: OpenCall, outcome: Outcome) -> None:
    """Tell all of the end of a call, the last first, whatever one of them raises."""
    while chain:
        try:
            chain.pop().after(opened, outcome)
        except BaseException:
            _tell(chain, opened, outcome)
            raise


class _Running:
    """Makes a call the current one; plain, as it stands around every call."""

    __slots__ = ("_chain", "_opened", "_scopes", "_token")

    def __init__(self, opened: OpenCall, chain: tuple[Interceptor, ...]) -> None:
        self._opened = opened
        self._chain = chain
        self._scopes: list[AbstractContextManager[None]] = []

    def __enter__(self) -> None:
        self._token = _current.set(self._opened)
        try:
            for interceptor in self._chain:
                scope = interceptor.scope(self._opened)
                scope.__enter__()
                self._scopes.append(scope)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            _leave(self._scopes, (kind, error, trace))
        finally:
            _reset(_current, self._token)


def _leave(scopes: list[AbstractContextManager[None]], failure: _Failure) -> None:
    """Leave all scopes, the last first, whatever one of them raises."""
    while scopes:
        try:
            scopes.pop().__exit__(*failure)
        except BaseException:
            _leave(scopes, sys.exc_info())
            raise


_current: ContextVar[OpenCall | None] = ContextVar("agent_replay_current", default=None)
_suppressed: ContextVar[bool] = ContextVar("agent_replay_suppressed", default=False)


class _Session:
    """A chain in force for what runs inside; later it is known to have ended."""

    __slots__ = ("chain", "ended")

    def __init__(self, chain: tuple[Interceptor, ...]) -> None:
        self.chain = chain
        self.ended = False


_inside: ContextVar[_Session | None] = ContextVar("agent_replay_inside", default=None)
_process_chain: tuple[Interceptor, ...] = ()
_base: OpenCall | None = None
_sessions: list[_Session] = []
_sessions_lock = threading.Lock()


def _reset(variable: ContextVar[T], token: Token[T]) -> None:
    """Reset a context variable, unless this is not the context it was set in."""
    try:  # noqa: SIM105 - it ends every call, and costs a fifth of `suppress`
        variable.reset(token)
    except ValueError:
        pass


def _chain_for(call: Call) -> tuple[Interceptor, ...]:
    chain = _chain()
    if chain is not None:
        return chain
    raise (LostContextError if _sessions else SessionEndedError)(call.name)


def _chain() -> tuple[Interceptor, ...] | None:
    """Return the chain in force here; None if it cannot or must not be told."""
    inside, open_sessions = _inside.get(), _sessions
    if inside is not None and not inside.ended:
        return inside.chain
    if open_sessions:
        return open_sessions[0].chain if len(open_sessions) == 1 else None
    return _process_chain if inside is None else None


def active() -> bool:
    """Return whether a call made here would be seen by any interceptor."""
    if _suppressed.get():
        return False
    return bool(_process_chain or _sessions or _inside.get() is not None)


def in_force() -> tuple[Interceptor, ...]:
    """Return the interceptors that would see a call made here; none if it is unclear."""
    if _suppressed.get():
        return ()
    return _chain() or ()


def in_session() -> bool:
    """Return whether a call made here would be, or must have been, a session's."""
    return bool(_sessions) or _inside.get() is not None


def takes_reads() -> bool:
    """Return whether what is read here is part of a run.

    Unlike a call, a read that has lost its context, or outlived its session, belongs to
    nobody: a background thread may look at the clock.
    """
    if _suppressed.get():
        return False
    inside = _inside.get()
    if inside is not None:
        return not inside.ended
    return _base is not None if _sessions else bool(_process_chain)


def current() -> OpenCall | None:
    """Return the call that the running code is inside, or None.

    A task or thread stays inside the call that started it also when that call has
    ended, so that what it calls has the same place however fast it is. Once the run
    has ended, it is inside none.
    """
    found = _current.get()
    if found is None or (found.root.closed and found.root.call.kind in _RUNS):
        return _base
    return found


def open_call(call: Call) -> OpenCall:
    """Open a call; the caller must close it, also when it fails.

    Raises:
        LostContextError: It cannot be told which session it belongs to.
        SessionEndedError: It comes from a session that has ended.
        BaseException: What an interceptor raised to stop the call; it is closed.
    """
    opened = OpenCall(call, current(), _chain_for(call))
    opened._begin()  # noqa: SLF001
    return opened


def install(*interceptors: Interceptor) -> None:
    """Put interceptors on the seam for the whole process, in place of the last ones."""
    global _process_chain  # noqa: PLW0603 - the one chain of the process
    _process_chain = interceptors


def set_base(opened: OpenCall | None) -> None:
    """Make an open call the one that all code of this process is inside.

    A forked child calls this too, with None or its own: the calls that were open in
    its parent are its parent's to close.
    """
    global _base  # noqa: PLW0603 - the one base of the process
    _base = opened
    _current.set(None)


@contextmanager
def session(*interceptors: Interceptor) -> Generator[None]:
    """Put interceptors on the seam for what runs inside, until it is left.

    It may be left in another context than it was entered in.
    """
    opened = _Session(interceptors)
    with _sessions_lock:
        _sessions.append(opened)
    inside, frame = _inside.set(opened), _current.set(None)
    try:
        yield
    finally:
        opened.ended = True
        with _sessions_lock, suppress(ValueError):
            _sessions.remove(opened)
        _reset(_current, frame)
        _reset(_inside, inside)


def end_sessions() -> None:
    """Leave all sessions, as a forked child does: they are its parent's.

    What still runs in the context of one may call nothing until it opens its own.
    """
    while _sessions:
        _sessions.pop().ended = True


def is_suppressed() -> bool:
    """Return whether what runs here is telemetry's own."""
    return _suppressed.get()


@contextmanager
def suppressed() -> Generator[None]:
    """Keep what runs inside off the seam: telemetry's own traffic."""
    token = _suppressed.set(True)
    try:
        yield
    finally:
        _suppressed.reset(token)
