"""`@agent`, `@tool`, `@step`, `@retrieval`, `@memory`: functions on the seam.

A decorated function behaves as the bare one: same signature, result, exceptions;
sync, async, generators and async generators. With nothing on the seam the wrapper
only asks whether there is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, overload

from otel_agent_replay import semconv
from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.instrument.keyed import IdempotencyKey, keyed_write
from otel_agent_replay.instrument.wrapping import wrap
from otel_agent_replay.model.call import Effect, Kind
from otel_agent_replay.model.payload import JsonObject

__all__ = ["agent", "memory", "retrieval", "step", "tool"]

P = ParamSpec("P")
R = TypeVar("R")


@overload
def agent(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def agent(
    *,
    name: str | None = None,
    version: str | None = None,
    description: str | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def agent(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    version: str | None = None,
    description: str | None = None,
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a function as an agent: a call of it outside any run is a run.

    Inside a run it is a sub-agent, a step that holds others.

    Args:
        function: The function, where the decorator is used without brackets.
        name: The agent's name; the function's if not given.
        version: The agent's version, shown and compared later.
        description: What the agent is for.
    """
    attributes = _known(
        {semconv.AGENT_VERSION: version, semconv.AGENT_DESCRIPTION: description},
    )
    return _decorated(function, kind="agent", name=name, attributes=attributes)


@overload
def tool(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def tool(
    *,
    effect: Effect = "read",
    name: str | None = None,
    idempotency_key: IdempotencyKey | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def tool(
    function: Callable[P, R] | None = None,
    /,
    *,
    effect: Effect = "read",
    name: str | None = None,
    idempotency_key: IdempotencyKey | None = None,
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a function as a tool: its calls are recorded, and answered in a replay.

    Args:
        function: The function, where the decorator is used without brackets.
        effect: `write` for what changes the world: it is never run again unless it
            is allowed by name.
        name: The tool's name; the function's if not given.
        idempotency_key: What makes two calls of a write the same write, in one run
            and its resumes: the name of a parameter, names of several, or a function
            of the arguments. It runs once; what it is about to do is stored before.

    Raises:
        ConfigurationError: The key is for no write, or names no parameter.
    """
    if idempotency_key is None:
        return _decorated(function, kind="tool", name=name, effect=effect)
    if effect != "write":
        problem = "is for a write; give effect='write' too"
        raise ConfigurationError("idempotency_key", problem)
    key = idempotency_key

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        return keyed_write(function, name, key)

    return decorate if function is None else decorate(function)


@overload
def step(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def step(*, name: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def step(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a function as a named part of the run; it runs in a replay too."""
    return _decorated(function, kind="step", name=name)


@overload
def retrieval(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def retrieval(
    *,
    source: str | None = None,
    name: str | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def retrieval(
    function: Callable[P, R] | None = None,
    /,
    *,
    source: str | None = None,
    name: str | None = None,
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a function as a retrieval: what it returns are the documents found.

    Args:
        function: The function, where the decorator is used without brackets.
        source: The data source searched.
        name: The retrieval's name; the function's if not given.
    """
    attributes = _known({semconv.DATA_SOURCE_ID: source})
    return _decorated(function, kind="retrieval", name=name, attributes=attributes)


@overload
def memory(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def memory(
    *,
    operation: str = semconv.OP_SEARCH_MEMORY,
    store: str | None = None,
    name: str | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def memory(
    function: Callable[P, R] | None = None,
    /,
    *,
    operation: str = semconv.OP_SEARCH_MEMORY,
    store: str | None = None,
    name: str | None = None,
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a function as a read or write of the agent's memory.

    Args:
        function: The function, where the decorator is used without brackets: a
            search.
        operation: The GenAI memory operation; all but `search_memory` are writes.
        store: The memory store's id.
        name: The name; the function's if not given.

    Raises:
        ConfigurationError: There is no such operation.
    """
    if operation not in semconv.MEMORY_OPERATIONS:
        known = ", ".join(sorted(semconv.MEMORY_OPERATIONS))
        raise ConfigurationError("operation", f"{operation!r} is none of: {known}")
    effect: Effect = "read" if operation == semconv.OP_SEARCH_MEMORY else "write"
    attributes = _known(
        {semconv.OPERATION_NAME: operation, semconv.MEMORY_STORE_ID: store},
    )
    return _decorated(
        function, kind="memory", name=name, effect=effect, attributes=attributes
    )


def _known(attributes: dict[str, str | None]) -> JsonObject:
    return {name: value for name, value in attributes.items() if value is not None}


def _decorated(
    function: Callable[P, R] | None,
    *,
    kind: Kind,
    name: str | None,
    effect: Effect = "read",
    attributes: JsonObject | None = None,
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        return wrap(
            function,
            kind=kind,
            name=name,
            effect=effect,
            attributes=attributes,
        )

    return decorate if function is None else decorate(function)
