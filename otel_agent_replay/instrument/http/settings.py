"""What the HTTP hooks need to know, and the settings in force."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

__all__ = ["HttpSettings", "in_force", "put_in_force"]

_LOGGER: Final = logging.getLogger("otel_agent_replay")
_seen: Final[set[tuple[str, str]]] = set()


def _log_once(what: str, error: Exception) -> None:
    seen = (what, type(error).__name__)
    if seen not in _seen:
        _seen.add(seen)
        _LOGGER.warning("%s failed; your request goes on", what, exc_info=error)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HttpSettings:
    """Which exchanges are seen, and as what.

    Attributes:
        is_model: Says from method and URL which operation of a model API a request
            is, such as `chat`; None if it is none.
        peek_model: Says from URL and body which model a model request asks for.
        allow_hosts: Patterns (`*.example.com`) of the hosts whose plain exchanges
            are seen; empty means all.
        deny_hosts: Patterns of hosts whose plain exchanges pass unseen; they win
            over `allow_hosts`. Model requests are seen whatever both say.
        own_endpoints: `host:port` of telemetry's own servers; never seen.
        on_failure: Hears of a failure of ours, what was being done and why, where
            the request goes on without being recorded in full. May run anywhere.
    """

    is_model: Callable[[str, str], str | None] = field(default=lambda *_: None)
    peek_model: Callable[[str, bytes], str | None] = field(default=lambda *_: None)
    allow_hosts: tuple[str, ...] = ()
    deny_hosts: tuple[str, ...] = ()
    own_endpoints: frozenset[str] = frozenset()
    on_failure: Callable[[str, Exception], None] = _log_once


_in_force: HttpSettings | None = None


def in_force() -> HttpSettings | None:
    """Return the settings in force; None while nothing is installed."""
    return _in_force


def put_in_force(settings: HttpSettings | None) -> None:
    """Replace the settings in force; None makes every hook pass requests on."""
    global _in_force  # noqa: PLW0603 - the one set of hooks of the process
    _in_force = settings
