"""A terminal for a command, and what stands on it."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

from tests.cli.conftest import CLI, environment


def on_terminal(folder: Path, *words: str, **settings: str) -> str:
    """Return what a command shows on a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*CLI, *words],
        cwd=folder,
        env=environment(**{"TERM": "xterm", "NO_COLOR": "", **settings}),
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(ours)
    process.wait(30)
    return shown.decode().replace("\r\n", "\n")


def plain_lines(text: str) -> list[str]:
    """Return lines without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
