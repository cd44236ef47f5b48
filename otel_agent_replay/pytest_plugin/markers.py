"""Markers that look as if a golden were compared, where none would be."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from typing import Final

import pytest

__all__ = ["MARKERS", "check_markers"]

MARKERS: Final = ("golden", "golden_folder")
_ALIKE: Final = 0.75
_NO_PARAMETERS: Final = "got empty parameter set"
"""Why pytest skips a test that is parametrized over nothing."""


def check_markers(item: pytest.Item, unknown: Collection[str]) -> None:
    """Fail a test whose golden would not be compared.

    Args:
        item: The test.
        unknown: Its markers that nobody has registered.
    """
    for name in sorted(unknown):
        meant = get_close_matches(name, MARKERS, n=1, cutoff=_ALIKE)
        if meant:
            _refuse(f"the marker {name} is none; {meant[0]} is")
    marked = [each for each in MARKERS if item.get_closest_marker(each)]
    if not marked:
        return
    if len(marked) > 1 or len(_own(item, "golden")) > 1:
        _refuse("it names its golden twice; write one marker golden or golden_folder")
    reasons = [str(each.kwargs.get("reason")) for each in _own(item, "skip")]
    if any(each.startswith(_NO_PARAMETERS) for each in reasons):
        _refuse("it has a golden and is parametrized over nothing, so nothing ran")


def _own(item: pytest.Item, name: str) -> list[pytest.Mark]:
    return [each for each in item.own_markers if each.name == name]


def _refuse(problem: str) -> None:
    pytest.fail(problem, pytrace=False)
