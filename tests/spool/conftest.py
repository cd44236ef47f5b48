"""Recording into a store of one's own, in this process or in others."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanLimits, TracerProvider

import otel_agent_replay
from otel_agent_replay import open_store
from otel_agent_replay.model.run import Run, RunSummary
from tests.setup.programs import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A directory with programs and a store."""
    return Place(folder=tmp_path)


@pytest.fixture
def configure(place, monkeypatch) -> Callable[..., None]:
    """Record into the place's store, under these settings, with no limit of events."""
    limits = SpanLimits(max_events=100_000)
    provider = TracerProvider(shutdown_on_exit=False, span_limits=limits)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)

    def start(**settings: object) -> None:
        otel_agent_replay.configure(**{"store": place.store, **settings})

    return start


@pytest.fixture
def ended(place) -> Callable[[], tuple[Run, RunSummary]]:
    """Return what ends recording and gives the only run, and its line in the list."""

    def load() -> tuple[Run, RunSummary]:
        otel_agent_replay.shutdown()
        with open_store(place.store) as store:
            (line,) = store.runs()
            return store.load(line.run_id), line

    return load


@pytest.fixture
def locked(place) -> Iterator[Callable[[], None]]:
    """Lock the place's store; return what unlocks it."""
    with open_store(place.store):
        pass
    path = place.store.removeprefix("sqlite:///")
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")

    def unlock() -> None:
        if other.in_transaction:
            other.execute("ROLLBACK")

    yield unlock
    unlock()
    other.close()
