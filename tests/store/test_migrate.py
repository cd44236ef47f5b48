"""Schemas have numbered histories."""

from __future__ import annotations

import pytest

from otel_agent_replay.errors import StoreSchemaError
from otel_agent_replay.store.migrate import migrations, pending


@pytest.mark.parametrize("back_end", ["sqlite", "clickhouse"])
def test_migrations_are_numbered(back_end):
    """Each back end's files count up from 1 and hold statements."""
    known = migrations(back_end)

    numbers = [each.version for each in known]
    assert numbers == sorted({*numbers})
    assert numbers[0] == 1
    assert all(each.statements for each in known)
    assert not [s for each in known for s in each.statements if "--" in s or ";" in s]


def test_only_what_is_missing_is_pending():
    """A store at a version needs what came after it."""
    known = migrations("sqlite")

    assert pending("u", 0, known) == known
    assert pending("u", known[-1].version, known) == ()


def test_a_newer_store_is_refused():
    """The error says both versions and what to do."""
    known = migrations("sqlite")

    with pytest.raises(StoreSchemaError, match=r"version 99.*Upgrade"):
        pending("u", 99, known)
