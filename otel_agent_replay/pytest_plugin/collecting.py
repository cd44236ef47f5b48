"""A test for each golden in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from otel_agent_replay._setup.golden_files import (
    FOLDER,
    NAMED,
    golden_names,
    unnamed,
)

__all__ = ["parametrize"]

_FIXTURE: Final = "agent_replay"


def parametrize(metafunc: pytest.Metafunc, marker: pytest.Mark) -> None:
    """Give a test every golden of the folder that its marker names.

    Raises:
        pytest.UsageError: The test does not take the goldens, or there is none: a test
            that runs on nothing would be green.
    """
    test = metafunc.definition
    if _FIXTURE not in metafunc.fixturenames:
        message = (
            f"{test.name} is marked golden_folder, and needs the argument {_FIXTURE}"
        )
        raise pytest.UsageError(message)
    if len(marker.args) > 1 or any(not isinstance(a, str | Path) for a in marker.args):
        message = f"{test.name}: golden_folder takes one path, beside the test"
        raise pytest.UsageError(message)
    folder = test.path.parent / Path(marker.args[0] if marker.args else FOLDER)
    odd = unnamed(folder)
    if odd:
        message = f"{test.name}: {odd[0]} can be no golden by its name: {NAMED}"
        raise pytest.UsageError(message)
    names = golden_names(folder)
    if not names:
        message = (
            f"{test.name}: there is no golden in {folder}, so it would compare nothing"
        )
        raise pytest.UsageError(message)
    found = [(folder, name) for name in names]
    metafunc.parametrize(_FIXTURE, found, indirect=True, ids=names)
