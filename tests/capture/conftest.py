"""Recording into a store of one's own, beside a provider of one's own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_agent_replay
from otel_agent_replay import open_store


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """The URL of an empty store."""
    return f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def use_provider(monkeypatch):
    """Return what puts an application's own provider in place, with its exporter."""

    def use(**options) -> InMemorySpanExporter:
        provider = TracerProvider(shutdown_on_exit=False, **options)
        exporter = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
        return exporter

    return use


@pytest.fixture
def recording(store_url, use_provider) -> InMemorySpanExporter:
    """Record into the store; return what the application's own exporter gets."""
    exporter = use_provider()
    otel_agent_replay.configure(store=store_url)
    return exporter


@pytest.fixture
def runs(store_url):
    """Return what gives all runs recorded so far, oldest first."""

    def load():
        assert otel_agent_replay.flush()
        with open_store(store_url) as store:
            return [store.load(each.run_id) for each in reversed(store.runs())]

    return load


@pytest.fixture
def run_of(runs):
    """Return what gives the only run recorded so far."""

    def load():
        [run] = runs()
        return run

    return load


@pytest.fixture
def program(tmp_path, store_url):
    """Return what runs a program of its own, not under pytest, and gives what it said.

    The store's URL is in `STORE`.
    """

    def run(source: str, **variables: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(source))
        outer = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
        root = str(Path(otel_agent_replay.__file__).parent.parent)
        return subprocess.run(
            [sys.executable, str(path)],
            env={**outer, "PYTHONPATH": root, "STORE": store_url, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
