"""One read of the world on the seam: recorded, answered, or left alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import FrameType
from typing import Final, TypeVar

from otel_agent_replay import intercept
from otel_agent_replay.instrument.effects.callers import own_caller, place_of
from otel_agent_replay.instrument.results import answered
from otel_agent_replay.model.call import FRAME_KINDS, Call, Kind, Outcome
from otel_agent_replay.model.exceptions import record_exception
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = [
    "NO_EFFECTS",
    "THROUGH",
    "Effects",
    "Read",
    "asked_by",
    "in_force",
    "read",
    "standing_time",
    "use_for_process",
    "using",
]

T = TypeVar("T")

THROUGH: Final = frozenset({"pydantic.main"})
"""Modules in which a default is made for the caller's own class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """Which reads are taken here.

    Attributes:
        kinds: What is recorded, or answered in a session.
        files: Patterns of the files whose reads are.
        session: Whether a session says so; nothing inside it says otherwise.
        outside: Says whether a read outside any call belongs to a run.
        early: Takes a read that comes before the process's run has begun.
        lost: Hears of a read that is too large to be recorded.
        hurries: Whether nothing need be waited for, as all answers are there.
        now: In a replay, the time to stand at, in nanoseconds since 1970.
    """

    kinds: frozenset[Kind] = frozenset()
    files: tuple[str, ...] = ()
    session: bool = False
    outside: Callable[[], bool] = bool
    early: Callable[[Call, Outcome], None] | None = None
    lost: Callable[[], object] = bool
    hurries: bool = False
    now: Callable[[], int | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A read: what is asked, and how its value is written and read again."""

    kind: Kind
    name: str
    place: str
    inputs: JsonObject


NO_EFFECTS: Final = Effects()
_process = NO_EFFECTS
_here: ContextVar[Effects | None] = ContextVar("agent_replay_effects", default=None)


class _Busy(threading.local):
    """Whether this thread is at a read already.

    What it reads then, such as a span processor of the agent's own, is ours to make.
    """

    on = False


_busy: Final = _Busy()


def use_for_process(effects: Effects) -> None:
    """Say what is taken wherever nothing else is said."""
    global _process  # noqa: PLW0603 - the one configuration of the process
    _process = effects


@contextmanager
def using(effects: Effects) -> Generator[None]:
    """Say what is taken inside; it may be left in another context."""
    token = _here.set(effects)
    try:
        yield
    finally:
        try:
            _here.reset(token)
        except ValueError:
            _here.set(None)


def in_force() -> Effects:
    """Return which reads are taken here."""
    return _here.get() or _process


def asked_by(
    kind: Kind, frame: FrameType | None, through: frozenset[str] = THROUGH
) -> str | None:
    """Return the place of the agent's code that reads; None if this one is not taken.

    Taken are reads of kinds in force by the agent's own code, inside a run, and not
    inside a call that a replay answers as a whole.
    """
    effects = _here.get() or _process
    if kind not in effects.kinds or _busy.on:
        return None
    own = own_caller(frame, through)
    if own is None or not _is_inside(effects):
        return None
    return place_of(own)


def _is_inside(effects: Effects) -> bool:
    if not intercept.takes_reads():
        return False
    opened = intercept.current()
    if opened is None:
        return effects.early is not None or effects.outside()
    if opened.call.kind not in FRAME_KINDS:
        return False
    return all(above.call.kind in FRAME_KINDS for above in opened.ancestors())


def standing_time(frame: FrameType | None) -> int | None:
    """Return the time that the clock stands at for the agent's code; None: as it is."""
    effects = _here.get()
    if effects is None or effects.now is None or _busy.on:
        return None
    if own_caller(frame, THROUGH) is None or not intercept.takes_reads():
        return None
    return effects.now()


def read(
    what: Read,
    live: Callable[[], T],
    dump: Callable[[T], JsonValue],
    load: Callable[[JsonValue], T],
) -> T:
    """Return what a read gives: of a session the recorded value, else the live one.

    Raises:
        BaseException: What the read raises, or raised when it was recorded.
    """
    call = Call(
        kind=what.kind, name=what.name, inputs={"at": what.place, **what.inputs}
    )
    effects = in_force()
    if intercept.current() is None and not effects.outside():
        return _early(effects, call, live, dump)
    _busy.on = True
    try:
        opened = intercept.open_call(call)
        if opened.answer is not None:
            return _given(opened, opened.answer, load)
        try:
            value = live()
        except BaseException as error:
            opened.close(Outcome(error=record_exception(error)))
            raise
        opened.close(Outcome(value=dump(value)))
    finally:
        _busy.on = False
    return value


def _given(
    opened: intercept.OpenCall, answer: Outcome, load: Callable[[JsonValue], T]
) -> T:
    value: T = answered(opened, answer, load)
    return value


def _early(
    effects: Effects, call: Call, live: Callable[[], T], dump: Callable[[T], JsonValue]
) -> T:
    try:
        value = live()
    except BaseException as error:
        if effects.early is not None:
            effects.early(call, Outcome(error=record_exception(error)))
        raise
    if effects.early is not None:
        effects.early(call, Outcome(value=dump(value)))
    return value
