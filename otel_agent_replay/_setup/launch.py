"""Runs a program of anybody's under capture, or under a session, with no edit of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final, TypeAlias

from otel_agent_replay._setup.children import PARENT, SESSION
from otel_agent_replay._setup.starting import CHECK_IN, starting_path
from otel_agent_replay.errors import LaunchError

__all__ = ["Finished", "absolute_store_url", "launch", "sqlite_path"]

_FORWARDED: Final = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
_FROM_TERMINAL: Final = ("SIGINT", "SIGQUIT")
_PYTHONS: Final = frozenset({"python", "python3"})
_OF_ANOTHER_RUN: Final = (PARENT, SESSION, CHECK_IN)
_BY_SIGNAL: Final = 128

Forward: TypeAlias = Callable[[int, FrameType | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a launched program ended.

    Attributes:
        exit_code: As a shell would show it: 128 + n after signal n.
        processes: Ids of the processes that were being recorded or replayed.
        ended: Those of them that lived to say what they did.
        run_ids: The runs that these began.
    """

    exit_code: int
    processes: tuple[int, ...]
    ended: tuple[int, ...]
    run_ids: tuple[str, ...]


def launch(
    command: Sequence[str],
    settings: Mapping[str, str],
    *,
    stdout: int | None = None,
    stderr: int | None = None,
) -> Finished:
    """Run a command under capture and return how it ended.

    Its standard streams are those of this process, and signals that this process
    gets are passed on, so that to its caller this process stands for it.

    Args:
        command: The command and its arguments.
        settings: Environment variables to set for it.
        stdout: Another file descriptor for its standard output.
        stderr: Another one for its standard error.

    Raises:
        LaunchError: It cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="agent-replay-") as folder:
        check_in = Path(folder) / "check-in"
        environment = _environment(os.environ, settings, check_in)
        exit_code = _run(_resolved(command), environment, (stdout, stderr))
        words = _words(check_in)
    return Finished(
        exit_code=exit_code,
        processes=tuple(int(what) for what in _said(words, "process")),
        ended=tuple(int(what) for what in _said(words, "ended")),
        run_ids=_said(words, "run"),
    )


def absolute_store_url(url: str) -> str:
    """Return a store's URL that means the same in every directory."""
    path = sqlite_path(url)
    return url if path is None else f"sqlite:///{path.absolute()}"


def sqlite_path(url: str) -> Path | None:
    """Return the file of an SQLite store's URL, None for any other URL."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return Path(url).expanduser() if url else None
    if scheme != "sqlite" or not rest.startswith("/") or rest == "/":
        return None
    return Path(rest[1:]).expanduser()


def _environment(
    inherited: Mapping[str, str],
    settings: Mapping[str, str],
    check_in: Path,
) -> dict[str, str]:
    kept = {
        name: value for name, value in inherited.items() if name not in _OF_ANOTHER_RUN
    }
    path = starting_path(inherited.get("PYTHONPATH"))
    return {**kept, **settings, "PYTHONPATH": path, CHECK_IN: str(check_in)}


def _resolved(command: Sequence[str]) -> list[str]:
    """Return the command with the path of its program."""
    if not command:
        raise LaunchError("", "no command was given")
    program, *arguments = command
    found = shutil.which(program)
    if found is None and program in _PYTHONS:
        found = sys.executable
    if found is None:
        raise LaunchError(program, _why_not_found(program))
    return [found, *arguments]


def _why_not_found(program: str) -> str:
    path = Path(program)
    if path.suffix == ".py" and path.exists():
        return f"it is no command; start it with `python {program}`"
    if path.exists():
        return "it may not be executed"
    return "no such command"


def _run(
    command: list[str],
    environment: dict[str, str],
    streams: tuple[int | None, int | None],
) -> int:
    process: subprocess.Popen[bytes] | None = None
    waiting: list[int] = []

    def forward(number: int, frame: FrameType | None) -> None:
        del frame
        if process is None:
            waiting.append(number)
        elif not (_from_terminal(number) and _in_foreground()):
            process.send_signal(number)

    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # what was said before the program stands before its output
    with _signals_to(forward):
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own command
                command, env=environment, stdout=streams[0], stderr=streams[1]
            )
        except OSError as error:
            raise LaunchError(command[0], error.strerror or str(error)) from error
        for number in waiting:
            process.send_signal(number)
        code = process.wait()
    return _BY_SIGNAL - code if code < 0 else code


@contextmanager
def _signals_to(forward: Forward) -> Iterator[None]:
    """Pass signals on to the program while it runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = [name for name in (*_FORWARDED, *_FROM_TERMINAL) if hasattr(signal, name)]
    numbers = [getattr(signal, name) for name in names]
    before = {
        number: signal.signal(number, forward)
        for number in numbers
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _from_terminal(number: int) -> bool:
    return signal.Signals(number).name in _FROM_TERMINAL


def _in_foreground() -> bool:
    """Return whether a key press at the terminal reaches the program by itself."""
    with contextlib.suppress(OSError):
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
        try:
            return os.tcgetpgrp(terminal) == os.getpgrp()
        finally:
            os.close(terminal)
    return False


def _said(words: list[tuple[str, str]], wanted: str) -> tuple[str, ...]:
    """Return what goes with a word, once; a process that `exec`s says things again."""
    return tuple(dict.fromkeys(what for word, what in words if word == wanted))


def _words(check_in: Path) -> list[tuple[str, str]]:
    """Return what the processes said: `process PID`, `run ID`, `ended PID`."""
    try:
        lines = check_in.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = [line.partition(" ") for line in lines]
    return [(word, what) for word, separator, what in found if separator]
