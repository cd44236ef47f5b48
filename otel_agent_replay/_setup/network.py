"""The network in a replay: closed, so that a tool nobody declared cannot act.

A hook of the interpreter sees what every socket of Python connects to, sends to or
looks up, whoever makes it: `socket`, `_socket`, asyncio, any client library. It stands
from the first replay on, as none can be taken off, and is idle outside.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import sys
from collections.abc import Generator, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from opentelemetry import context as otel_context

from otel_agent_replay import intercept
from otel_agent_replay.errors import ConfigurationError, SessionEndedError
from otel_agent_replay.replay.replayer import Replayer

__all__ = ["addresses_of", "closed_network"]

_TO_ADDRESS: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_TO_NAME: Final = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})
_NAME_OF: Final = frozenset({"socket.gethostbyaddr", "socket.getnameinfo"})
"""What asks a server whose an address is, so it gets out with an address too."""
_WATCHED: Final = _TO_ADDRESS | _TO_NAME | _NAME_OF
_LOOPBACK: Final = "localhost"
_PAIRS: Final = frozenset({"socketpair", "_fallback_socketpair"})
"""Functions of `socket` that connect a process with itself, where it has no pairs."""
_EXPORTS: Final = "suppress_instrumentation"
"""What OpenTelemetry sets in the context in which it exports."""


@dataclass(frozen=True, slots=True)
class _Address:
    """A host and its port; no port is any."""

    host: str
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def addresses_of(texts: Iterable[str]) -> frozenset[str]:
    """Return addresses, `host` or `host:port` each, in one way of writing them.

    Raises:
        ConfigurationError: One is no address.
    """
    return frozenset(str(_address(text)) for text in texts)


def _address(text: str) -> _Address:
    host, colon, port = text.strip().rpartition(":")
    if not colon or text.strip().endswith("]") or (":" in host and host[:1] != "["):
        host, port = text.strip(), ""
    host = host.removeprefix("[").removesuffix("]")
    if not host or "/" in host or (port and not port.isdecimal()):
        problem = f"{text!r} is no address; write it as host:port, 127.0.0.1:8123"
        raise ConfigurationError("network", problem)
    return _Address(_plain(host), int(port) if port else None)


def _plain(host: str) -> str:
    """Return a host in one way of writing it; every name of this machine's loopback."""
    lower = host.lower().rstrip(".")
    literal = _literal(lower)
    if lower == _LOOPBACK or (literal is not None and literal.is_loopback):
        return _LOOPBACK
    return lower if literal is None else str(literal)


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found


@dataclass(slots=True, eq=False)
class _Network:
    """What one replay may reach."""

    replayer: Replayer
    permitted: frozenset[_Address]
    ended: bool = field(default=False)

    def check(self, event: str, where: _Address) -> None:
        """Let an event pass, or stop the agent."""
        by_name = event in _TO_NAME | _NAME_OF
        if by_name and where.host == _LOOPBACK:
            return
        if event in _TO_NAME and _literal(where.host):
            return  # no name that anybody is asked for
        for each in self.permitted:
            ports = each.port in {None, where.port} or by_name
            if ports and _is_at(each.host, where.host):
                return
        self.replayer.refuse(f"{event.partition('.')[2]} {where}", _HOW)


_HOW: Final = (
    "the network is closed in a replay; what must be reached is named in network="
)
_here: ContextVar[_Network | None] = ContextVar("agent_replay_network", default=None)
_open: list[_Network] = []


def _is_at(permitted: str, host: str) -> bool:
    return permitted == host or (
        _literal(permitted) is None
        and _literal(host) is not None
        and host in _looked_up(permitted)
    )


@cache
def _looked_up(host: str) -> frozenset[str]:
    """Return the addresses of a permitted name: it is they that are connected to."""
    with intercept.suppressed():
        try:
            found = socket.getaddrinfo(host, None)
        except OSError:
            return frozenset()
    return frozenset(_plain(str(each[4][0])) for each in found)


@contextlib.contextmanager
def closed_network(
    replayer: Replayer, permitted: Iterable[str], live: Iterable[str]
) -> Generator[None]:
    """Stop the agent inside where it reaches for anything that is not permitted.

    Args:
        replayer: The replay; hears of what was stopped.
        permitted: Addresses.
        live: What may go live; hosts among it are permitted too.
    """
    _watch()
    texts = {*permitted, *(each for each in live if "." in each or ":" in each)}
    network = _Network(replayer, frozenset(map(_address, texts)))
    token = _here.set(network)
    _open.append(network)
    try:
        yield
    finally:
        network.ended = True
        _open.remove(network)
        try:
            _here.reset(token)
        except ValueError:  # left in another context, as async fixtures are
            _here.set(None)


@cache
def _watch() -> None:
    sys.addaudithook(_hook)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event not in _WATCHED:
        return
    # A thread that has lost its context is somebody's tool, as far as anybody knows.
    network = _here.get() or (_open[-1] if _open else None)
    if network is None or _is_ours():
        return
    where = _where(event, args)
    if where is None or network.replayer.is_live(intercept.current()):
        return
    if network.ended:
        raise SessionEndedError(f"{event} {where}")
    network.check(event, where)


def _is_ours() -> bool:
    return intercept.is_suppressed() or bool(otel_context.get_value(_EXPORTS))


def _where(event: str, args: tuple[Any, ...]) -> _Address | None:
    """Return what an event reaches for; None for what stays in this machine."""
    if event in _TO_NAME | _NAME_OF:
        host = args[0][0] if event == "socket.getnameinfo" else args[0]
        text = host.decode() if isinstance(host, bytes) else host
        here = not text or text == socket.gethostname()
        port = args[1] if len(args) > 1 and isinstance(args[1], int) else None
        return None if here else _Address(_plain(text), port)
    address = args[1]
    if not isinstance(address, tuple) or _is_pair():
        return None  # a path; or none, on a socket that is connected
    host, port = address[0], address[1]
    return _Address(_plain(str(host)), port if isinstance(port, int) else None)


def _is_pair() -> bool:
    frame = sys._getframe(3)  # noqa: SLF001 - who called the hook
    return (
        frame.f_code.co_name in _PAIRS and frame.f_globals.get("__name__") == "socket"
    )
