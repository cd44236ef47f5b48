"""Prints, at the end of a session, how much recorded traffic went round the loop."""

from __future__ import annotations

import pytest

LOOPED = "went round the loop"


@pytest.fixture
def looped(record_property):
    """Note how many of how many interactions of an API came back, sent in one way."""

    def note(api: str, way: str, said: str) -> None:
        record_property(LOOPED, [api, way, said])

    return note


def pytest_terminal_summary(terminalreporter):
    # Properties travel with the reports, also from other processes.
    reports = [each for found in terminalreporter.stats.values() for each in found]
    table: dict[str, list[str]] = {}
    for report in reports:
        if getattr(report, "when", None) != "call":
            continue
        for name, said in report.user_properties:
            if name == LOOPED:
                table.setdefault(said[0], []).append(f"  {said[1]:28} {said[2]}")
    if not table:
        return
    terminalreporter.section("recorded traffic: served, stored, loaded, replayed")
    for api, lines in sorted(table.items()):
        terminalreporter.write_line(api)
        for line in lines:
            terminalreporter.write_line(line)
