"""What a wrapped function returns: recorded when it has come, or given as recorded.

A value has come at once; an awaitable, a generator or an async generator later, piece
by piece, and the call lasts as long.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import sys
import weakref
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Generator,
    Iterator,
)
from dataclasses import replace
from functools import partial
from typing import Any, Final

from otel_agent_replay import intercept
from otel_agent_replay.errors import AgentReplayError, RecordedStreamEndedError
from otel_agent_replay.model.call import Outcome, RecordedException
from otel_agent_replay.model.exceptions import rebuild_exception, record_exception
from otel_agent_replay.model.natives import awaited, to_json, what_is_awaited
from otel_agent_replay.model.payload import JsonValue

__all__ = [
    "Flow",
    "Native",
    "RecordedFlow",
    "answered",
    "answered_later",
    "flowing",
    "hand_on",
    "hand_on_awaited",
    "recorded",
    "replayed",
    "replayed_async",
]

Native = Callable[[JsonValue], Any]
"""Gives a recorded value as what the function returns."""

_CANCELLED: Final = {"asyncio.exceptions:CancelledError", "trio:Cancelled"}
_ASYNC: Final = awaited(None)
"""Value of what has items and must be read with `async for`, or failed when awaited."""


# --- recorded --------------------------------------------------------------------


def hand_on(opened: intercept.OpenCall, result: Any) -> Any:
    """Return what a plain function returned; the call ends when that has come.

    What is awaitable and more than that, such as what `async with` takes too, is
    left alone, for nothing could stand for it.
    """
    if asyncio.isfuture(result):
        result.add_done_callback(partial(_settled, opened))
        return result
    if inspect.isawaitable(result) and not hasattr(type(result), "__aenter__"):
        return hand_on_awaited(opened, result, of_plain=True)
    return _hand_on_value(opened, result)


async def hand_on_awaited(
    opened: intercept.OpenCall,
    result: Awaitable[Any],
    *,
    of_plain: bool = False,
) -> Any:
    """Return what an awaitable gives; the call ends when that has come."""
    try:
        with opened.running():
            value = await result
    except BaseException as error:
        failure = record_exception(error)
        opened.close(Outcome(value=_ASYNC if of_plain else None, error=failure))
        raise
    if not of_plain:
        return _hand_on_value(opened, value)
    opened.close(Outcome(value=awaited(to_json(value))))
    return value


def _settled(opened: intercept.OpenCall, future: asyncio.Future[Any]) -> None:
    error = asyncio.CancelledError() if future.cancelled() else future.exception()
    if error is not None:
        opened.close(Outcome(value=_ASYNC, error=record_exception(error)))
    else:
        opened.close(Outcome(value=awaited(to_json(future.result()))))


def _hand_on_value(opened: intercept.OpenCall, value: Any) -> Any:
    handed_on = value
    if inspect.isgenerator(value):
        handed_on = recorded(opened, value)
    elif inspect.isasyncgen(value):
        flow = RecordedFlow(opened, value, marked=True)
        handed_on = flowing(lambda: flow)()
    else:
        opened.close(Outcome(value=to_json(value)))
        return value
    # One that is never started runs no code at its end either.
    weakref.finalize(handed_on, opened.close, Outcome(items=(), ended="abandoned"))
    return handed_on


def recorded(
    opened: intercept.OpenCall,
    running: Generator[Any, Any, Any],
) -> Generator[Any, Any, Any]:
    """Yield what a generator yields; the call ends with it."""
    items: list[JsonValue] = []
    resume: Callable[[], Any] = partial(next, running)
    try:
        while True:
            try:
                with opened.running():
                    item = resume()
            except StopIteration as stop:
                opened.close(Outcome(value=to_json(stop.value), items=tuple(items)))
                return stop.value
            items.append(to_json(item))
            try:
                resume = partial(running.send, (yield item))
            except GeneratorExit:
                with opened.running():
                    running.close()
                opened.close(Outcome(items=tuple(items), ended="abandoned"))
                raise
            except BaseException as error:  # noqa: BLE001 - the caller's throw()
                resume = partial(running.throw, error)
    except BaseException as error:
        opened.close(_failed(error, items))
        raise


class Flow:
    """An async generator, gone on with piece by piece."""

    def __init__(self, source: AsyncGenerator[Any, Any]) -> None:
        self.source = source

    async def go_on(self, resume: Callable[[], Awaitable[Any]]) -> Any:
        """Return the next item."""
        return await resume()

    async def abandon(self) -> None:
        """End it before its end."""
        await self.source.aclose()


class RecordedFlow(Flow):
    """Notes what comes, and ends the call."""

    def __init__(
        self,
        opened: intercept.OpenCall,
        source: AsyncGenerator[Any, Any],
        *,
        marked: bool = False,
    ) -> None:
        super().__init__(source)
        self._opened = opened
        self._items: list[JsonValue] = []
        self._value = _ASYNC if marked else None

    async def go_on(self, resume: Callable[[], Awaitable[Any]]) -> Any:
        """Return the next item, noted."""
        try:
            with self._opened.running():
                item = await resume()
        except StopAsyncIteration:
            self._close(Outcome(items=tuple(self._items)))
            raise
        except BaseException as error:
            self._close(_failed(error, self._items))
            raise
        self._items.append(to_json(item))
        return item

    async def abandon(self) -> None:
        """End it, and the call, before its end."""
        try:
            with self._opened.running():
                await super().abandon()
        except BaseException as error:
            self._close(_failed(error, self._items))
            raise
        self._close(Outcome(items=tuple(self._items), ended="abandoned"))

    def _close(self, outcome: Outcome) -> None:
        self._opened.close(replace(outcome, value=self._value))


def flowing(start: Callable[..., Flow]) -> Callable[..., AsyncGenerator[Any, Any]]:
    """Return an async generator function that passes on what flows, both ways."""

    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        flow = start(*args, **kwargs)
        source = flow.source
        resume: Callable[[], Awaitable[Any]] = source.__anext__
        while True:
            try:
                item = await flow.go_on(resume)
            except StopAsyncIteration:
                return
            try:
                resume = partial(source.asend, (yield item))
            except GeneratorExit:
                await flow.abandon()
                raise
            except BaseException as error:  # noqa: BLE001 - the caller's athrow()
                resume = partial(source.athrow, error)

    return wrapper


def _failed(error: BaseException, items: list[JsonValue]) -> Outcome:
    return Outcome(
        error=record_exception(error),
        items=tuple(items),
        ended="failed" if items else "complete",
    )


# --- given as recorded -------------------------------------------------------------


def answered(opened: intercept.OpenCall, answer: Outcome, native: Native) -> Any:
    """Return, or raise, what a plain function returned or raised when recorded."""
    is_async = what_is_awaited(answer.value) is not None
    if answer.items is not None:
        return (replayed_async if is_async else replayed)(opened, answer, native)
    if is_async:
        return answered_later(opened, answer, native)
    return _answer(opened, answer, native)


async def answered_later(
    opened: intercept.OpenCall, answer: Outcome, native: Native
) -> Any:
    """Return, or raise, what an async function did when it was recorded."""
    if answer.items is not None:
        return answered(opened, answer, native)
    await _until_cancelled(opened, answer)
    return _answer(opened, answer, native)


def _answer(opened: intercept.OpenCall, answer: Outcome, native: Native) -> Any:
    if answer.error is not None:
        opened.close(answer)
        raise rebuild_exception(answer.error)
    (content,) = what_is_awaited(answer.value) or (answer.value,)
    with _closing_if_unusable(opened, answer):
        value = native(content)
    opened.close(answer)
    return value


@contextlib.contextmanager
def _closing_if_unusable(opened: intercept.OpenCall, answer: Outcome) -> Iterator[None]:
    """End the call with what is wrong with its answer, so that the session hears."""
    try:
        yield
    except AgentReplayError as error:
        opened.close(replace(answer, value=None, error=record_exception(error)))
        raise


async def _until_cancelled(opened: intercept.OpenCall, answer: Outcome) -> None:
    """Wait for the end that the recorded caller met, if it was cancelled.

    A cancellation is the caller's doing: one that came by itself would tell a
    `wait_for`, a task group or the loop something that did not happen.
    """
    if answer.error is None or answer.error.type_name not in _CANCELLED:
        return
    if opened.notes.get(intercept.CUT_SHORT):
        return
    try:
        await _forever()
    finally:
        opened.close(answer)


async def _forever() -> None:
    if asyncio._get_running_loop() is None:  # noqa: SLF001 - the public one raises
        await sys.modules["trio"].sleep_forever()
    else:
        await asyncio.get_running_loop().create_future()


class _Pieces:
    """The recorded items of a generator, counted as they are given."""

    def __init__(
        self, opened: intercept.OpenCall, answer: Outcome, native: Native
    ) -> None:
        # A fork's list in place of the recorded items stands for them.
        if answer.items is None and isinstance(answer.value, list):
            answer = replace(answer, value=None, items=tuple(answer.value))
        self._opened = opened
        self._answer = answer
        self._native = native
        self._given: list[JsonValue] = []

    def __iter__(self) -> Iterator[Any]:
        for item in self._answer.items or ():
            with _closing_if_unusable(self._opened, self._answer):
                value = self._native(item)
            self._given.append(item)
            yield value

    async def until_cancelled(self) -> None:
        await _until_cancelled(self._opened, self._answer)

    def left(self, error: BaseException) -> None:
        """The caller ended it, by `close()` or `throw()`."""
        failure: RecordedException | None = None
        if not isinstance(error, GeneratorExit):
            failure = record_exception(error)
        self._opened.close(
            replace(
                self._answer,
                items=tuple(self._given),
                error=failure,
                ended="failed" if failure else "abandoned",
            )
        )

    def end(self) -> Any:
        """Return or raise what came after the last item."""
        if self._answer.ended != "abandoned":
            return _answer(self._opened, self._answer, self._native)
        with _closing_if_unusable(self._opened, self._answer):
            raise RecordedStreamEndedError(self._opened.call.name)


def replayed(
    opened: intercept.OpenCall, answer: Outcome, native: Native
) -> Generator[Any, Any, Any]:
    """Yield what a generator yielded when it was recorded."""
    pieces = _Pieces(opened, answer, native)
    for item in pieces:
        try:
            yield item
        except BaseException as error:
            pieces.left(error)
            raise
    return pieces.end()


async def replayed_async(
    opened: intercept.OpenCall, answer: Outcome, native: Native
) -> AsyncGenerator[Any, Any]:
    """Yield what an async generator yielded when it was recorded."""
    pieces = _Pieces(opened, answer, native)
    for item in pieces:
        try:
            yield item
        except BaseException as error:
            pieces.left(error)
            raise
    await pieces.until_cancelled()
    pieces.end()
