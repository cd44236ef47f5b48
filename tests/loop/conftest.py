"""Prints, at the end of a session, how much recorded traffic went round the loop."""

from __future__ import annotations

from collections import Counter

import pytest

Table = dict[str, dict[str, Counter]]
TABLE = pytest.StashKey[Table]()


@pytest.fixture(scope="session")
def looped(pytestconfig) -> Table:
    """A table that the session's summary prints: counts by way of sending, by API."""
    return pytestconfig.stash.setdefault(TABLE, {})


def pytest_terminal_summary(terminalreporter, config):
    table = config.stash.get(TABLE, {})
    if not table:
        return
    terminalreporter.section("recorded traffic: served, stored, loaded, replayed")
    for api, ways in sorted(table.items()):
        said = ", ".join(f"{way} {n['right']}/{n['all']}" for way, n in ways.items())
        terminalreporter.write_line(f"{api:24} {said}")
