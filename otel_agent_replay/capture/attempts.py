"""Which process makes an attempt, and whether that process still lives."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Final

__all__ = ["is_alive", "this_process"]

_STATE: Final = 0
_STARTED: Final = 19
"""Fields of `/proc/PID/stat` after the name: state, and start in ticks since boot."""


def this_process() -> str:
    """Return what tells this process from any other: host, id, and its start."""
    process = os.getpid()
    return f"{socket.gethostname()} {process} {_started(process) or '-'}"


def is_alive(process: str) -> bool:
    """Return whether a process of this host still runs; one of another host does not.

    Where the system does not say when a process started, another one that has got its
    id counts as it.
    """
    host, _, rest = process.rpartition(" ")[0].rpartition(" ")
    started = process.rpartition(" ")[2]
    if host != socket.gethostname() or not rest.isdecimal():
        return False
    now = _started(int(rest))
    if now is not None and started != "-":
        return now == started
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    return now != ""


def _started(process: int) -> str | None:
    """Return when a process started, empty if it has ended, None if nobody says."""
    if not Path("/proc/self/stat").exists():
        return None
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[_STATE] == "Z" else fields[_STARTED]
