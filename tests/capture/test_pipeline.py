"""The queue between the agent and the store: bounds, outages, ends."""

from __future__ import annotations

import gc
import logging
import sqlite3
import threading
import time

import pytest
from opentelemetry.sdk.trace import TracerProvider

import otel_agent_replay
from otel_agent_replay import agent, open_store, tool
from otel_agent_replay.capture.encode import Finisher
from otel_agent_replay.capture.finished import FinishedSpan
from otel_agent_replay.capture.genai import Description
from otel_agent_replay.capture.losses import Losses
from otel_agent_replay.capture.pipeline import Outlet, Pipeline, Queue
from otel_agent_replay.errors import StoreUnavailableError
from otel_agent_replay.model.content import PackedBatch
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.redact import Policy, Redactor
from otel_agent_replay.testing import LocalServer, Reply, ScriptedRequest


@tool
def look(number: int) -> int:
    """Say it again."""
    return number


@agent(name="busy")
def play(calls: int) -> str:
    """Call a tool many times."""
    for number in range(calls):
        look(number)
    return "done"


class Shelf:
    """A store in memory that can be out of order."""

    def __init__(self) -> None:
        self.spans: list[SpanRecord] = []
        self.writes = 0
        self.failures = 0
        self.refused = ""
        self.open = threading.Event()
        self.open.set()
        self.closed = False

    def write_packed(self, batch: PackedBatch) -> None:
        self.open.wait(30)
        self.writes += 1
        if self.writes <= self.failures:
            raise StoreUnavailableError("shelf:", "it is being painted")
        spans = [each.span for each in batch.spans]
        if any(span.name == self.refused for span in spans):
            raise ValueError("a name that no shelf can hold")
        self.spans += spans

    def close(self) -> None:
        self.closed = True

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.spans]


def pipeline_to(
    shelf: Shelf, *, losses: Losses | None = None, limit: int = 1_000_000
) -> Pipeline:
    """Return a pipeline that redacts nothing."""
    finisher = Finisher(
        redactor=Redactor(Policy.off(), b""),
        describe=lambda *_: Description(),
        decode=lambda response: response,
    )
    return Pipeline(
        Outlet(finisher=lambda: finisher, writer=lambda: shelf),
        losses=losses or Losses(),
        queue=Queue(bytes=limit),
    )


def ended(name: str) -> FinishedSpan:
    """Return a span that has ended."""
    span = TracerProvider(shutdown_on_exit=False).get_tracer("t").start_span(name)
    span.end()
    return FinishedSpan(span=span)


# --- full --------------------------------------------------------------------


def test_a_full_queue_keeps_the_run_and_counts_what_it_drops(
    use_provider, store_url, tmp_path, run_of
):
    """Payloads go first, then whole steps; the run says how many, and ends."""
    use_provider()
    with open_store(store_url):
        pass
    other = sqlite3.connect(tmp_path / "runs.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # nothing else can be written now
    otel_agent_replay.configure(store=store_url, queue_bytes=20_000)

    play(3000)
    other.execute("ROLLBACK")
    other.close()

    run = run_of()
    lost = run.dropped["queue"]
    assert run.status == "success"
    assert run.output == "done"
    assert len(run.steps) + lost == 3000
    assert 0 < lost < 1000
    without = [each for each in run.steps if each.dropped == "queue"]
    assert 0 < len(without) < len(run.steps)
    texts = [gap.text for gap in run.gaps]
    assert f"{lost} lost while recording: queue" in texts
    assert any(f"{lost} of the 3000 steps" in text for text in texts)


def test_a_large_result_counts_by_its_size(store_url, use_provider, run_of, tmp_path):
    """What a tool returns is measured too, text or collection."""
    use_provider()
    with open_store(store_url):
        pass
    other = sqlite3.connect(tmp_path / "runs.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    otel_agent_replay.configure(store=store_url, queue_bytes=110_000)

    @tool
    def fetch(kind: str) -> object:
        return {"text": "x" * 90_000, "list": [{"n": "y" * 50}] * 2000}[kind]

    @agent
    def run():
        fetch("text")
        fetch("list")
        look(1)

    run()
    other.execute("ROLLBACK")
    other.close()

    steps = run_of().steps
    assert [each.dropped for each in steps] == [None, "queue", None]


# --- the store is out of order -------------------------------------------------


def test_a_store_that_comes_back_gets_everything_once(caplog):
    """Spans wait for it, in order; the outage is logged once."""
    shelf = Shelf()
    shelf.failures = 2
    pipeline = pipeline_to(shelf)
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            pipeline.put(ended(f"span {number}"))

        assert pipeline.flush(30)

    assert shelf.names == [f"span {number}" for number in range(5)]
    assert [each.message.split(",")[0] for each in caplog.records] == [
        "The store cannot be written"
    ]
    pipeline.shutdown()


def test_a_store_that_is_away_for_good(use_provider, caplog):
    """The agent does not notice; the process ends soon, and says what is lost."""
    with Silent() as gone:
        port = gone.port
    use_provider()
    url = f"clickhouse://default:hunter2hunter2@127.0.0.1:{port}/runs"
    otel_agent_replay.configure(store=url)

    begun = time.monotonic()
    assert play(3) == "done"
    called = time.monotonic() - begun
    written = otel_agent_replay.shutdown(timeout=20)
    ended_after = time.monotonic() - begun

    assert not written
    assert called < 1
    assert ended_after < 15
    assert "4 spans are lost: no store took them" in caplog.text
    assert "hunter2" not in caplog.text


class Silent(LocalServer):
    """A port that was there."""

    def respond(self, _: ScriptedRequest) -> Reply:
        return Reply(status=500)


def test_one_span_that_cannot_be_stored_takes_no_other_with_it(caplog):
    """The rest of its batch is written; it is counted."""
    shelf, losses = Shelf(), Losses()
    shelf.refused = "span 2"
    shelf.open.clear()
    pipeline = pipeline_to(shelf, losses=losses)
    pipeline.put(ended("first"))  # the others wait together behind it
    for number in range(5):
        pipeline.put(ended(f"span {number}"))
    shelf.open.set()

    pipeline.flush(30)

    assert sorted(shelf.names) == ["first", "span 0", "span 1", "span 3", "span 4"]
    assert losses.total() == {"store": 1}
    assert "no shelf can hold" not in caplog.text
    pipeline.shutdown()


# --- ends --------------------------------------------------------------------


def test_flush_means_what_was_taken_before_it():
    """It comes back while others go on putting."""
    shelf = Shelf()
    pipeline = pipeline_to(shelf)
    stop = threading.Event()
    spans = [ended(f"span {number}") for number in range(50)]

    def busy() -> None:
        while not stop.is_set():
            for span in spans:
                pipeline.put(span)

    pipeline.put(ended("mine"))
    thread = threading.Thread(target=busy)
    thread.start()
    try:
        flushed = pipeline.flush(20)
    finally:
        stop.set()
        thread.join()

    assert flushed
    assert "mine" in shelf.names
    pipeline.shutdown()


def test_shutting_down_twice_and_putting_after():
    """The second time changes nothing; what comes late is counted as lost."""
    shelf, losses = Shelf(), Losses()
    pipeline = pipeline_to(shelf, losses=losses)
    pipeline.put(ended("in time"))

    assert pipeline.shutdown()
    assert pipeline.shutdown()
    assert pipeline.flush()
    pipeline.put(ended("late"))

    assert shelf.names == ["in time"]
    assert shelf.closed
    assert losses.total() == {"queue": 1}


def test_shutting_down_an_unused_one():
    """A pipeline that got nothing opens no store and starts no thread."""
    opened: list[int] = []
    pipeline = Pipeline(
        Outlet(
            finisher=lambda: opened.append(1),
            writer=lambda: opened.append(1),
        ),
        losses=Losses(),
        queue=Queue(bytes=1),
    )

    before = threading.active_count()

    assert pipeline.flush()
    assert pipeline.shutdown()
    assert threading.active_count() == before
    assert opened == []


@pytest.mark.parametrize("twice", [False, True])
def test_public_flush_and_shutdown_repeat(recording, store_url, twice):
    """Both may be called again, in any order."""
    play(2)
    for _ in range(1 + twice):
        assert otel_agent_replay.flush()
    for _ in range(1 + twice):
        assert otel_agent_replay.shutdown()
    assert otel_agent_replay.flush()

    with open_store(store_url) as store:
        assert len(store.runs()) == 1


def test_spans_put_by_finalizers():
    """A finalizer may end a call while its own thread is putting another."""
    shelf, losses = Shelf(), Losses()
    pipeline = pipeline_to(shelf, losses=losses, limit=100_000_000)
    spans = [ended(f"span {number}") for number in range(10)]
    finalized: list[int] = []

    class Cycle:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            finalized.append(1)
            pipeline.put(spans[0])

    threshold = gc.get_threshold()
    gc.set_threshold(3, 2, 2)
    try:
        for _ in range(300):
            Cycle()
            for span in spans:
                pipeline.put(span)
    finally:
        gc.set_threshold(*threshold)
    gc.disable()
    try:
        assert pipeline.shutdown(30)
        late = losses.total().get("queue", 0)
        assert len(finalized) > 10
        assert len(shelf.spans) + late == 3000 + len(finalized)
    finally:
        gc.enable()
