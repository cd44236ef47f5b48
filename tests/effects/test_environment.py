"""The environment: variables the agent's code reads by name."""

from __future__ import annotations

import os

import pytest

from otel_agent_replay import open_store
from tests.effects.agents import divergence, recorded, replayed


def reads():
    missing = "EFFECTS_MISSING"
    found = [
        os.environ["EFFECTS_CITY"],
        os.getenv("EFFECTS_CITY"),
        os.environ.get("EFFECTS_CITY"),
        os.environ.get(missing, "default"),
        os.getenv(missing),
        missing in os.environ,
        "EFFECTS_CITY" in os.environ,
    ]
    with pytest.raises(KeyError, match=missing):
        os.environ[missing]
    return found


def test_variables_come_back(monkeypatch):
    """Names, values and what was not set are those of the recording."""
    monkeypatch.setenv("EFFECTS_CITY", "Ulm")
    first, run = recorded(reads, "environment")
    monkeypatch.setenv("EFFECTS_CITY", "Bonn")
    monkeypatch.setenv("EFFECTS_MISSING", "here now")
    assert replayed(run, reads) == first


def test_a_secret_is_a_pseudonym(monkeypatch):
    """What stands under a secret's name is redacted, and answered so."""
    monkeypatch.setenv("SHOP_API_KEY", "correct-horse-battery")
    monkeypatch.setenv("SHOP_PASSWORD", "staple")

    def code():
        return os.environ["SHOP_API_KEY"], os.environ["SHOP_PASSWORD"]

    first, run = recorded(lambda: len(code()), "environment")
    with open_store() as store:
        assert "correct-horse" not in repr(store.load(run.run_id))
    assert first == 2
    told = []
    assert replayed(run, lambda: told.extend(code()) or 2) == 2
    assert "correct-horse-battery" not in told
    assert all(told)


def test_an_environment_that_is_handed_on_is_not_read(monkeypatch):
    """Copies of the whole environment, as for a child process, stay as they are."""
    monkeypatch.setenv("EFFECTS_CITY", "Ulm")

    def code():
        copies = [dict(os.environ), {**os.environ}, os.environ.copy()]
        return [each["EFFECTS_CITY"] for each in copies]

    _, run = recorded(code, "environment")
    assert not run.steps


def test_another_variable_is_reported(monkeypatch):
    """A name that was not read is not answered."""
    monkeypatch.setenv("EFFECTS_CITY", "Ulm")
    monkeypatch.setenv("EFFECTS_TOWN", "Ulm")

    def code(name):
        return os.environ[name]

    _, run = recorded(lambda: code("EFFECTS_CITY"), "environment")
    assert "EFFECTS_TOWN" in divergence(run, lambda: code("EFFECTS_TOWN"))


def test_libraries_read_the_environment_that_is(monkeypatch):
    """A read by the standard library is not the agent's."""
    monkeypatch.setenv("EFFECTS_CITY", "Ulm")

    _, run = recorded(lambda: os.path.expandvars("$EFFECTS_CITY"), "environment")
    assert not run.steps
