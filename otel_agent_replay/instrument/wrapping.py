"""A function on the seam: sync, async, generator, async generator.

A wrapped function behaves as the bare one: same signature, result, exceptions;
sync, async, generators and async generators. With nothing on the seam the wrapper
only asks whether there is.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, Final, ParamSpec, TypeVar

from otel_agent_replay import intercept
from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.model.call import Call, Effect, Kind, Outcome
from otel_agent_replay.model.exceptions import rebuild_exception, record_exception
from otel_agent_replay.model.natives import from_json, to_json
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = ["wrap", "wrap_tool"]

P = ParamSpec("P")
R = TypeVar("R")
_EFFECTS: Final = ("read", "write")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """A function as the seam sees it."""

    function: Callable[..., Any]
    signature: inspect.Signature | None
    kind: Kind
    name: str
    effect: Effect
    attributes: JsonObject

    def call(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Call:
        return Call(
            kind=self.kind,
            name=self.name,
            inputs=self._inputs(args, kwargs),
            effect=self.effect,
            attributes=self.attributes,
        )

    def _inputs(
        self, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> JsonObject:
        """Return the arguments by parameter name, defaults filled in."""
        unbound: JsonObject = {"args": to_json(list(args)), "kwargs": to_json(kwargs)}
        if self.signature is None:
            return unbound
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError:  # the call itself will say what is wrong with it
            return unbound
        bound.apply_defaults()
        parameters = self.signature.parameters
        names = [
            name
            for position, name in enumerate(bound.arguments)
            if not (position == 0 and name in {"self", "cls"})
            and parameters[name].kind is not inspect.Parameter.VAR_KEYWORD
        ]
        found = {name: to_json(bound.arguments[name]) for name in names}
        return {**found, **self._further(bound)}

    def _further(self, bound: inspect.BoundArguments) -> JsonObject:
        """Return what `**kwargs` took, each under its own name."""
        last = next(reversed([*bound.signature.parameters.values()]), None)
        if last is None or last.kind is not last.VAR_KEYWORD:
            return {}
        more = bound.arguments.get(last.name, {})
        return {name: to_json(value) for name, value in more.items()}

    def native(self, value: JsonValue) -> Any:
        """Return a recorded value as what the function returns."""
        return from_json(value, self._annotation())

    def _annotation(self) -> object:
        try:
            return typing.get_type_hints(self.function).get("return")
        except Exception:  # noqa: BLE001 - an annotation that cannot be read names nothing
            return None


def _answered(opened: intercept.OpenCall, answer: Outcome) -> None:
    """End a call that is answered; raise what it recorded."""
    opened.close(answer)
    if answer.error is not None and answer.items is None:
        raise rebuild_exception(answer.error)


def _sync(subject: _Subject) -> Callable[..., Any]:
    function = subject.function

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not intercept.active():
            return function(*args, **kwargs)
        opened = intercept.open_call(subject.call(args, kwargs))
        if opened.answer is not None:
            _answered(opened, opened.answer)
            return subject.native(opened.answer.value)
        try:
            with opened.running():
                result = function(*args, **kwargs)
        except BaseException as error:
            opened.close(Outcome(error=record_exception(error)))
            raise
        if inspect.isawaitable(result):
            return _awaited(opened, result)
        opened.close(Outcome(value=to_json(result)))
        return result

    return wrapper


async def _awaited(opened: intercept.OpenCall, result: Awaitable[Any]) -> Any:
    try:
        with opened.running():
            value = await result
    except BaseException as error:
        opened.close(Outcome(error=record_exception(error)))
        raise
    opened.close(Outcome(value=to_json(value)))
    return value


def _async(subject: _Subject) -> Callable[..., Any]:
    function = subject.function

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not intercept.active():
            return await function(*args, **kwargs)
        opened = intercept.open_call(subject.call(args, kwargs))
        if opened.answer is not None:
            _answered(opened, opened.answer)
            return subject.native(opened.answer.value)
        return await _awaited(opened, function(*args, **kwargs))

    return wrapper


def _generator(subject: _Subject) -> Callable[..., Any]:
    function = subject.function

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        if not intercept.active():
            return (yield from function(*args, **kwargs))
        opened = intercept.open_call(subject.call(args, kwargs))
        if opened.answer is not None:
            return (yield from _replayed(subject, opened, opened.answer))
        return (yield from _recorded(opened, function(*args, **kwargs)))

    return wrapper


def _replayed(
    subject: _Subject,
    opened: intercept.OpenCall,
    answer: Outcome,
) -> Generator[Any, Any, Any]:
    opened.close(answer)
    for item in answer.items or ():
        yield subject.native(item)
    if answer.error is not None:
        raise rebuild_exception(answer.error)
    return subject.native(answer.value)


def _recorded(
    opened: intercept.OpenCall,
    running: Generator[Any, Any, Any],
) -> Generator[Any, Any, Any]:
    items: list[JsonValue] = []
    resume: Callable[[], Any] = functools.partial(next, running)
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
                resume = functools.partial(running.send, (yield item))
            except GeneratorExit:
                running.close()
                opened.close(Outcome(items=tuple(items), ended="abandoned"))
                raise
            except BaseException as error:  # noqa: BLE001 - the caller's throw()
                resume = functools.partial(running.throw, error)
    except BaseException as error:
        opened.close(_failed(error, items))
        raise


def _async_generator(subject: _Subject) -> Callable[..., Any]:
    function = subject.function

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        if not intercept.active():
            async for item in function(*args, **kwargs):
                yield item
            return
        opened = intercept.open_call(subject.call(args, kwargs))
        source = (
            _recorded_async(opened, function(*args, **kwargs))
            if opened.answer is None
            else _replayed_async(subject, opened, opened.answer)
        )
        try:
            async for item in source:
                yield item
        finally:
            await source.aclose()

    return wrapper


async def _replayed_async(
    subject: _Subject,
    opened: intercept.OpenCall,
    answer: Outcome,
) -> AsyncGenerator[Any, None]:
    for item in _replayed(subject, opened, answer):
        yield item


async def _recorded_async(
    opened: intercept.OpenCall,
    running: AsyncGenerator[Any, Any],
) -> AsyncGenerator[Any, None]:
    items: list[JsonValue] = []
    try:
        while True:
            try:
                with opened.running():
                    item = await anext(running)
            except StopAsyncIteration:
                break
            items.append(to_json(item))
            yield item
    except GeneratorExit:
        await running.aclose()
        opened.close(Outcome(items=tuple(items), ended="abandoned"))
        raise
    except BaseException as error:
        opened.close(_failed(error, items))
        raise
    opened.close(Outcome(items=tuple(items)))


def _failed(error: BaseException, items: list[JsonValue]) -> Outcome:
    return Outcome(
        error=record_exception(error),
        items=tuple(items),
        ended="failed" if items else "complete",
    )


_WRAPPERS: Final[
    tuple[tuple[Callable[[object], bool], Callable[[_Subject], Any]], ...]
] = (
    (inspect.isasyncgenfunction, _async_generator),
    (inspect.iscoroutinefunction, _async),
    (inspect.isgeneratorfunction, _generator),
)
_MARK: Final = "__agent_replay__"


def wrap(
    function: Callable[P, R],
    *,
    kind: Kind,
    name: str | None,
    effect: Effect = "read",
    attributes: JsonObject | None = None,
) -> Callable[P, R]:
    """Return the function with its calls on the seam.

    Args:
        function: The function.
        kind: What its calls are.
        name: What they are called; the function's name if not given.
        effect: Whether running it changes the world.
        attributes: Put on every call.

    Raises:
        ConfigurationError: The effect is neither `read` nor `write`.
    """
    if effect not in _EFFECTS:
        raise ConfigurationError("effect", f"{effect!r} is neither 'read' nor 'write'")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-in functions have none
        signature = None
    subject = _Subject(
        function=function,
        signature=signature,
        kind=kind,
        name=name or str(getattr(function, "__name__", type(function).__name__)),
        effect=effect,
        attributes=attributes or {},
    )
    make = next((m for fits, m in _WRAPPERS if fits(function)), _sync)
    wrapped: Callable[P, R] = make(subject)
    setattr(wrapped, _MARK, kind)
    return wrapped


def wrap_tool(function: Callable[P, R], effect: Effect) -> Callable[P, R]:
    """Return a function as a tool; one that is on the seam already stays as it is."""
    if hasattr(function, _MARK):
        return function
    return wrap(function, kind="tool", name=None, effect=effect)
