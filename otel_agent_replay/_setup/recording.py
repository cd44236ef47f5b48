"""`record()`: what else is recorded, for a part of a program."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, TypeVar, cast

from otel_agent_replay._setup.configure import configure
from otel_agent_replay._setup.effects import (
    RecordedEffects,
    chosen,
    is_taking,
    recording_here,
)
from otel_agent_replay.errors import ConfigurationError

__all__ = ["record"]

F = TypeVar("F", bound=Callable[..., Any])


class _Record:
    """Records more inside: a `with` block, or a function that it decorates."""

    def __init__(self, asked: RecordedEffects) -> None:
        self._asked = asked
        self._entered: list[AbstractContextManager[None]] = []

    def __enter__(self) -> None:
        inside = self._inside()
        inside.__enter__()
        self._entered.append(inside)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._entered.pop().__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """Return a function, sync or async, that records more while it runs."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(
            function
        ):
            problem = "decorates no generator; use `with record(…)` where it is read"
            raise ConfigurationError("record()", problem)

        @functools.wraps(function)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            with self._inside():
                return function(*args, **kwargs)

        @functools.wraps(function)
        async def recorded_async(*args: Any, **kwargs: Any) -> Any:
            with self._inside():
                return await function(*args, **kwargs)

        is_async = inspect.iscoroutinefunction(function)
        return cast("F", recorded_async if is_async else recorded)

    @contextmanager
    def _inside(self) -> Iterator[None]:
        if not is_taking():
            configure()
        with recording_here(self._asked):
            yield


def record(*, effects: Collection[str] = (), files: Collection[str] = ()) -> _Record:
    """Record what the agent's code reads inside, besides its calls.

    Around an agent, or inside one; as `with` or as a decorator. It follows the context
    into tasks and threads. What is asked for by settings is recorded anyway. In a
    replay, resume or fork it changes nothing: the run says what it has.

    Args:
        effects: Of `clock`, `random`, `environment` and `file`.
        files: Patterns of the files whose reads are recorded, relative to the working
            directory, such as `data/*.json`.

    Raises:
        ConfigurationError: There is no such kind, or `file` has no patterns.
    """
    return _Record(chosen(_words(effects), _words(files)))


def _words(given: Collection[str]) -> Collection[str]:
    return [given] if isinstance(given, str) else given
