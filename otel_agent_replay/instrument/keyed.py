"""Writes with an idempotency key: functions whose intention is written ahead.

The seam gives such a call a `Gate`, unless nothing records it. The body runs after
the gate let it through; a call that waits in an event loop passes the gate in a
thread of its own, so that the loop goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar, cast

from otel_agent_replay import intercept, semconv
from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.instrument.results import answered, answered_later
from otel_agent_replay.instrument.subject import Subject
from otel_agent_replay.instrument.wrapping import wrap
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.exceptions import record_exception
from otel_agent_replay.model.intention import WRITE_AHEAD, Gate
from otel_agent_replay.model.natives import is_whole, to_json
from otel_agent_replay.model.payload import canonical_json

__all__ = ["IdempotencyKey", "current_idempotency_key", "keyed_write"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

IdempotencyKey: TypeAlias = "str | Sequence[str] | Callable[..., object]"
_SETTING: Final = "idempotency_key"


def current_idempotency_key() -> str | None:
    """Return the key to send along with the write that the calling code is inside.

    It is the same text in every attempt at this write, in every process and resume
    of the run, and another one for any other write or run; so a remote system that
    knows idempotency keys drops what it has had. None outside a write with a key, and
    where nothing is recorded.
    """
    opened = intercept.current()
    if opened is None:
        return None
    for each in (opened, *opened.ancestors()):
        gate = _gate(each)
        if gate is not None:
            return gate.remote_key
    return None


def keyed_write(
    function: Callable[P, R], name: str | None, key: IdempotencyKey
) -> Callable[P, R]:
    """Return a function as a tool that writes, once a key and run.

    Args:
        function: The function; sync or async.
        name: The tool's name; the function's if not given.
        key: Name of the parameter that is the key, names of several, or what makes
            the key of the arguments.

    Raises:
        ConfigurationError: It is a generator, or has no such parameter.
    """
    return wrap(
        function,
        kind="tool",
        name=name,
        effect="write",
        maker=partial(_made, key=key),
    )


def _made(subject: Subject, key: IdempotencyKey) -> Callable[..., Any]:
    function = subject.function
    called = getattr(type(function), "__call__", None)  # noqa: B004 - which, not whether
    kinds = (inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    if any(is_kind(each) for is_kind in kinds for each in (function, called)):
        problem = (
            f"{subject.name} is a generator: its caller decides how much of it runs, so "
            "no outcome tells whether it was done; write in a function that returns"
        )
        raise ConfigurationError(_SETTING, problem)
    names = (key,) if isinstance(key, str) else () if callable(key) else tuple(key)
    known = subject.signature.parameters if subject.signature else {}
    for each in names:
        if each not in known:
            has = ", ".join(known) or "none that can be read"
            problem = f"{subject.name} has no parameter {each!r}; it has {has}"
            raise ConfigurationError(_SETTING, problem)
    asks = key if callable(key) else None
    if asks is None and not names:
        raise ConfigurationError(_SETTING, f"{subject.name}: no parameter is named")
    keyed = _Keyed(subject, names, asks)
    is_async = any(map(inspect.iscoroutinefunction, (function, called)))
    return _async(keyed) if is_async else _sync(keyed)


class _Keyed:
    """A function, and how the key of a call is had."""

    def __init__(
        self,
        subject: Subject,
        names: tuple[str, ...],
        ask: Callable[..., object] | None,
    ) -> None:
        self.subject = subject
        self._names = names
        self._ask = ask

    def open(self, args: Any, kwargs: Any) -> intercept.OpenCall:
        """Open a call with its key."""
        call = self.subject.call(args, kwargs)
        text = self._key(call, args, kwargs)
        attributes = {**call.attributes, semconv.STEP_WRITE_ID: text}
        return intercept.open_call(replace(call, attributes=attributes))

    def _key(self, call: Call, args: Any, kwargs: Any) -> str:
        if self._ask is not None:
            given: object = self._ask(*args, **kwargs)
            values = [to_json(given)]
        else:
            inputs = call.inputs or {}
            values = [inputs.get(name) for name in self._names]
        if any(value is None or value == "" for value in values):
            problem = f"the key of this call of {self.subject.name} is empty"
            raise ConfigurationError(_SETTING, problem)
        if not all(is_whole(value) for value in values):
            problem = (
                f"the key of this call of {self.subject.name} holds an object that is "
                "no plain value, so other writes would have the same; take an id of it"
            )
            raise ConfigurationError(_SETTING, problem)
        (first, *more) = values
        if isinstance(first, str) and not more:
            return first
        return canonical_json(values if more else first).decode()


def _sync(keyed: _Keyed) -> Callable[..., Any]:
    function, native = keyed.subject.function, keyed.subject.native

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not intercept.active():
            return function(*args, **kwargs)
        opened = keyed.open(args, kwargs)
        answer = opened.answer or _entered(opened)
        if answer is not None:
            return answered(opened, answer, native)
        try:
            with opened.running():
                result = function(*args, **kwargs)
            outcome = _outcome(result)
        except BaseException as error:
            failure = Outcome(error=record_exception(error))
            if _is_known(error):
                _leave(opened, failure)
            opened.close(failure)
            raise
        _leave(opened, outcome)
        opened.close(outcome)
        return result

    return wrapper


def _async(keyed: _Keyed) -> Callable[..., Any]:
    function, native = keyed.subject.function, keyed.subject.native

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not intercept.active():
            return await function(*args, **kwargs)
        opened = keyed.open(args, kwargs)
        answer = opened.answer or await _entered_beside(opened)
        if answer is not None:
            return await answered_later(opened, answer, native)
        try:
            with opened.running():
                result = await function(*args, **kwargs)
            outcome = _outcome(result)
        except BaseException as error:
            failure = Outcome(error=record_exception(error))
            if _is_known(error):
                await _left_beside(opened, failure)
            opened.close(failure)
            raise
        await _left_beside(opened, outcome)
        return result

    return wrapper


def _is_known(error: BaseException) -> bool:
    """Return whether the body itself ended so, and was not cut off somewhere in it."""
    return isinstance(error, Exception)


def _outcome(result: object) -> Outcome:
    """Return what a body returned as an outcome.

    Raises:
        ConfigurationError: It is something that would write later.
    """
    later = inspect.isgenerator(result) or inspect.isasyncgen(result)
    if later or inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        problem = (
            f"the function returned {type(result).__name__}, which would write later; "
            "write in an `async def`, or in a function that returns when it has written"
        )
        raise ConfigurationError(_SETTING, problem)
    return Outcome(value=to_json(result))


# --- the gate ----------------------------------------------------------------------


def _gate(opened: intercept.OpenCall) -> Gate | None:
    return cast("Gate | None", opened.notes.get(WRITE_AHEAD))


def _entered(opened: intercept.OpenCall) -> Outcome | None:
    gate = _gate(opened)
    try:
        return gate.enter() if gate else None
    except BaseException as error:
        opened.close(Outcome(error=record_exception(error)))
        raise


async def _entered_beside(opened: intercept.OpenCall) -> Outcome | None:
    gate = _gate(opened)
    try:
        return await _beside(gate.enter, gate.withdraw) if gate else None
    except BaseException as error:
        opened.close(Outcome(error=record_exception(error)))
        raise


def _leave(opened: intercept.OpenCall, outcome: Outcome) -> None:
    gate = _gate(opened)
    if gate is not None:
        gate.leave(outcome)


async def _left_beside(opened: intercept.OpenCall, outcome: Outcome) -> None:
    gate = _gate(opened)
    try:
        if gate is not None:
            await _beside(partial(gate.leave, outcome))
    finally:
        opened.close(outcome)


async def _beside(
    work: Callable[[], T], undo: Callable[[], object] = lambda: None
) -> T:
    """Return what blocking work returns, done in a thread of its own.

    A pool would do for the work, but not for those who wait in it for others. Who is
    cancelled meanwhile has `undo` called, should the work let the body run.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
            _tell(loop, partial(future.set_exception, error))
        else:
            told = _tell(loop, partial(future.set_result, result))
            if not told and result is None:
                undo()

    def given_up(ended: asyncio.Future[T]) -> None:
        if ended.exception() is None and ended.result() is None:
            threading.Thread(target=undo).start()

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), daemon=True).start()
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        future.add_done_callback(given_up)
        raise


def _tell(loop: asyncio.AbstractEventLoop, what: Callable[[], object]) -> bool:
    try:
        loop.call_soon_threadsafe(what)
    except RuntimeError:  # the loop is closed
        return False
    return True
