"""A function on the seam: sync, async, generator, async generator.

A wrapped function behaves as the bare one: same signature, result, exceptions;
sync, async, generators and async generators. With nothing on the seam the wrapper
only asks whether there is.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from typing import Any, Final, ParamSpec, TypeVar, cast

from otel_agent_replay import intercept
from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.instrument.results import (
    Flow,
    RecordedFlow,
    answered,
    answered_later,
    flowing,
    hand_on,
    hand_on_awaited,
    recorded,
    replayed,
    replayed_async,
)
from otel_agent_replay.instrument.subject import Subject, signature_of
from otel_agent_replay.model.call import Effect, Kind, Outcome
from otel_agent_replay.model.exceptions import record_exception
from otel_agent_replay.model.payload import JsonObject

__all__ = ["wrap", "wrap_tool"]

P = ParamSpec("P")
R = TypeVar("R")
_EFFECTS: Final = ("read", "write")


def _given(
    subject: Subject,
    opened: intercept.OpenCall,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments to run with: those of the call that goes live.

    Raises:
        ResultTypeError: An interceptor gave some that cannot be had.
    """
    if opened.call is opened.asked:
        return args, kwargs
    return subject.arguments(opened.call, args, kwargs)


def _sync(subject: Subject) -> Callable[..., Any]:
    function = subject.function

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not intercept.active():
            return function(*args, **kwargs)
        opened = intercept.open_call(subject.call(args, kwargs))
        if opened.answer is not None:
            return answered(opened, opened.answer, subject.native)
        try:
            args, kwargs = _given(subject, opened, args, kwargs)
            with opened.running():
                result = function(*args, **kwargs)
        except BaseException as error:
            opened.close(Outcome(error=record_exception(error)))
            raise
        return hand_on(opened, result)

    return wrapper


def _async(subject: Subject) -> Callable[..., Any]:
    function = subject.function

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not intercept.active():
            return await function(*args, **kwargs)
        opened = intercept.open_call(subject.call(args, kwargs))
        if opened.answer is not None:
            return await answered_later(opened, opened.answer, subject.native)
        try:
            args, kwargs = _given(subject, opened, args, kwargs)
            running = function(*args, **kwargs)
        except BaseException as error:
            opened.close(Outcome(error=record_exception(error)))
            raise
        return await hand_on_awaited(opened, running)

    return wrapper


def _generator(subject: Subject) -> Callable[..., Any]:
    function = subject.function

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        if not intercept.active():
            return (yield from function(*args, **kwargs))
        opened = intercept.open_call(subject.call(args, kwargs))
        if opened.answer is not None:
            return (yield from replayed(opened, opened.answer, subject.native))
        try:
            args, kwargs = _given(subject, opened, args, kwargs)
            running = function(*args, **kwargs)
        except BaseException as error:
            opened.close(Outcome(error=record_exception(error)))
            raise
        return (yield from recorded(opened, running))

    return wrapper


def _async_generator(subject: Subject) -> Callable[..., Any]:
    function = subject.function

    def start(*args: Any, **kwargs: Any) -> Flow:
        if not intercept.active():
            return Flow(function(*args, **kwargs))
        opened = intercept.open_call(subject.call(args, kwargs))
        if opened.answer is not None:
            return Flow(replayed_async(opened, opened.answer, subject.native))
        try:
            args, kwargs = _given(subject, opened, args, kwargs)
            return RecordedFlow(opened, function(*args, **kwargs))
        except BaseException as error:
            opened.close(Outcome(error=record_exception(error)))
            raise

    return functools.wraps(function)(flowing(start))


def _is_generator_function(function: object) -> bool:
    # What `types.coroutine` makes of one is awaited, not iterated over.
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    made = flags & inspect.CO_ITERABLE_COROUTINE
    return inspect.isgeneratorfunction(function) and not made


_WRAPPERS: Final[
    tuple[tuple[Callable[[object], bool], Callable[[Subject], Callable[..., Any]]], ...]
] = (
    (inspect.isasyncgenfunction, _async_generator),
    (inspect.iscoroutinefunction, _async),
    (_is_generator_function, _generator),
)
_MARK: Final = "__agent_replay__"


def wrap(
    function: Callable[P, R],
    *,
    kind: Kind,
    name: str | None,
    effect: Effect = "read",
    attributes: JsonObject | None = None,
    maker: Callable[[Subject], Callable[..., Any]] | None = None,
) -> Callable[P, R]:
    """Return the function with its calls on the seam.

    Args:
        function: The function; also what `staticmethod` or `classmethod` made of one,
            or an object that can be called.
        kind: What its calls are.
        name: What they are called; the function's name if not given.
        effect: Whether running it changes the world.
        attributes: Put on every call.
        maker: Makes the wrapper; by default one for the sort of function it is.

    Raises:
        ConfigurationError: The effect is neither `read` nor `write`, or this is no
            function.
    """
    if effect not in _EFFECTS:
        raise ConfigurationError("effect", f"{effect!r} is neither 'read' nor 'write'")
    if isinstance(function, staticmethod | classmethod):
        inner = wrap(
            function.__func__,
            kind=kind,
            name=name,
            effect=effect,
            attributes=attributes,
            maker=maker,
        )
        return cast("Callable[P, R]", type(function)(inner))
    _check(function, kind)
    signature, receiver = signature_of(function)
    subject = Subject(
        function=function,
        signature=signature,
        receiver=receiver,
        kind=kind,
        name=name or _name_of(function),
        effect=effect,
        attributes=attributes or {},
    )
    wrapped: Callable[P, R] = (maker or _maker_for(function))(subject)
    setattr(wrapped, _MARK, kind)
    return wrapped


def _check(function: object, kind: Kind) -> None:
    if isinstance(function, type):
        problem = f"{function.__qualname__} is a class; decorate one of its methods"
        raise ConfigurationError(kind, problem)
    if isinstance(function, property):
        raise ConfigurationError(kind, "a property; decorate the function inside")
    if not callable(function):
        problem = f"{function!r} is no function; names are given by keyword, name=…"
        raise ConfigurationError(kind, problem)


def _name_of(function: object) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def _maker_for(function: object) -> Callable[[Subject], Callable[..., Any]]:
    # Of an object that can be called, it is its method that says what a call gives.
    called = getattr(type(function), "__call__", None)  # noqa: B004 - which, not whether
    for fits, maker in _WRAPPERS:
        if fits(function) or fits(called):
            return maker
    return _sync


def wrap_tool(function: Callable[P, R], effect: Effect) -> Callable[P, R]:
    """Return a function as a tool; one that is on the seam already stays as it is."""
    if hasattr(getattr(function, "__func__", function), _MARK):
        return function
    return wrap(function, kind="tool", name=None, effect=effect)
