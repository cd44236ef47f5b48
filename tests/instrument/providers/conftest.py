"""Prints, at the end of a session, how many of how many interactions were read."""

from __future__ import annotations

from collections import Counter

import pytest

Table = dict[str, Counter]
TABLE = pytest.StashKey[Table]()


@pytest.fixture(scope="session")
def counted(pytestconfig) -> Table:
    """A table that the session's summary prints: counts by column, by API."""
    return pytestconfig.stash.setdefault(TABLE, {})


def pytest_terminal_summary(terminalreporter, config):
    table = config.stash.get(TABLE, {})
    if not table:
        return
    terminalreporter.section("recorded traffic read by the provider codecs")
    for api, counts in sorted(table.items()):
        said = ", ".join(f"{name} {counts[name]}" for name in counts)
        terminalreporter.write_line(f"{api:28} {said}")
