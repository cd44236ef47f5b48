"""A directory for programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.setup.programs import AGAIN, Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return one with `again.py` in it."""
    found = Place(folder=tmp_path)
    found.write("again.py", AGAIN)
    return found
