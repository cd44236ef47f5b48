"""How a Python process is made to start capture, and where it says that it did."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

__all__ = ["CHECK_IN", "starting_path"]

CHECK_IN: Final = "AGENT_REPLAY_CHECK_IN"
"""Names the file by which a started process says that it is being recorded."""

_SITE: Final = str(Path(__file__).with_name("site"))
"""The folder whose `sitecustomize` starts capture."""


def starting_path(path: str | None) -> str:
    """Return the PYTHONPATH of a process that starts capture, given its own."""
    before = path.split(os.pathsep) if path else []
    return os.pathsep.join([_SITE, *(each for each in before if each != _SITE)])
