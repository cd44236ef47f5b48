"""Retries of provider SDKs, which need not wait for a recorded refusal to pass."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from otel_agent_replay import intercept
from otel_agent_replay.instrument.effects.reading import in_force
from otel_agent_replay.instrument.on_import import when_imported

__all__ = ["install"]

_SDKS: Final = ("openai._base_client", "anthropic._base_client")
_CLASS: Final = "BaseClient"
_METHOD: Final = "_calculate_retry_timeout"
"""No public name of theirs says how long they wait; without it they wait as ever."""


@functools.cache
def install() -> None:
    """Let the SDKs of OpenAI and Anthropic retry at once in a replay."""
    for name in _SDKS:
        when_imported(name, _patch)


def _patch(module: ModuleType) -> None:
    cls = getattr(module, _CLASS, None)
    original = vars(cls).get(_METHOD) if isinstance(cls, type) else None
    if callable(original):
        setattr(cls, _METHOD, _at_once(original))


def _at_once(original: Callable[..., float]) -> Callable[..., float]:
    @functools.wraps(original)
    def wait(*args: Any, **kwargs: Any) -> float:
        if in_force().hurries and intercept.takes_reads():
            return 0.0
        return original(*args, **kwargs)

    return wait
