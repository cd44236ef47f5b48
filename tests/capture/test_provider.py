"""Beside an application's own provider: its exporter, its sampler, its limits."""

from __future__ import annotations

import gc
import weakref

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)

import otel_agent_replay
from otel_agent_replay import agent, fork, open_store, semconv, step, tool

SECRET = "mia.long@example.com"


@tool
def look(word: str) -> str:
    """Say it again."""
    return word


@agent(name="plain")
def play(word: str) -> str:
    """Look twice, once inside a step and a foreign span."""

    @step
    def inside() -> str:
        with trace.get_tracer("other").start_as_current_span("between"):
            return look(word)

    return look(word) + inside()


def test_their_exporter_sees_spans_without_payloads(recording, run_of):
    """The application's exporter gets the tree, and nothing of what was said."""
    play(SECRET)

    assert len(run_of().steps) == 3
    seen = recording.get_finished_spans()
    assert sorted(span.name for span in seen) == [
        "between",
        "execute_tool look",
        "execute_tool look",
        "invoke_agent plain",
        "step inside",
    ]
    assert len({span.context.trace_id for span in seen}) == 1
    assert [span.events for span in seen] == [()] * 5
    assert SECRET not in "".join(span.to_json() for span in seen)


def test_their_exporter_sees_that_a_call_failed(recording):
    """The status is set for them too, without the message."""

    @tool
    def failing():
        raise ValueError(SECRET)

    @agent
    def run():
        with pytest.raises(ValueError, match=SECRET):
            failing()

    run()

    failed, _ = recording.get_finished_spans()
    assert failed.status.status_code is trace.StatusCode.ERROR
    assert SECRET not in failed.to_json()


class RecordOnly(Sampler):
    """Spans record, but are not to be exported."""

    def should_sample(self, *_: object, **__: object) -> SamplingResult:
        return SamplingResult(Decision.RECORD_ONLY)

    def get_description(self) -> str:
        return "RecordOnly"


@pytest.mark.parametrize(
    "sampler",
    [
        ALWAYS_OFF,
        ParentBased(ALWAYS_OFF),
        ParentBased(TraceIdRatioBased(0.0)),
        RecordOnly(),
    ],
    ids=["off", "parent-based off", "ratio 0", "record only"],
)
def test_a_sampler_takes_nothing_from_a_recording(
    use_provider, store_url, run_of, sampler
):
    """Runs are whole whatever is sampled, and others get no more than they sampled."""
    theirs = use_provider(sampler=sampler)
    otel_agent_replay.configure(store=store_url)

    play("hello")

    run = run_of()
    assert [each.call.name for each in run.steps] == ["look", "inside", "look"]
    assert [each.parent for each in run.steps] == [None, None, 1]
    assert run.gaps == ()
    assert run.status == "success"
    assert "between" not in {span.name for span in run.spans}
    assert theirs.get_finished_spans() == ()


def test_calls_in_a_request_that_is_not_sampled(use_provider, store_url, runs):
    """Where no root span can be seen, calls belong to the run of the process."""
    use_provider(sampler=ParentBased(ALWAYS_OFF))
    otel_agent_replay.configure(store=store_url, agent_name="server")
    for word in ("one", "two"):
        with trace.get_tracer("web").start_as_current_span("GET /"):
            look(word)

    otel_agent_replay.shutdown()
    with open_store(store_url) as store:
        [run] = [store.load(each.run_id) for each in store.runs()]

    assert [each.outcome.value for each in run.steps] == ["one", "two"]
    assert run.gaps == ()


LIMITS = SpanLimits(
    max_attributes=1,
    max_span_attributes=1,
    max_events=1,
    max_event_attributes=1,
    max_attribute_length=4,
    max_span_attribute_length=4,
)


@pytest.mark.parametrize("where", ["provider", "environment"])
def test_the_sdk_s_limits_cut_nothing_of_ours(
    use_provider, store_url, run_of, monkeypatch, where
):
    """A run is whole, however low the limits for attributes and events are."""
    if where == "environment":
        for name in ("ATTRIBUTE_COUNT", "EVENT_COUNT", "EVENT_ATTRIBUTE_COUNT"):
            monkeypatch.setenv(f"OTEL_SPAN_{name}_LIMIT", "1")
        monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "4")
        monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "4")
        use_provider()
    else:
        use_provider(span_limits=LIMITS)
    otel_agent_replay.configure(store=store_url, agent_version="2026-11-21", user="mia")

    play("a word that is longer than four letters")

    run = run_of()
    assert run.agent_name == "plain"
    assert run.agent_version == "2026-11-21"
    assert run.user == "mia"
    assert run.input == {"word": "a word that is longer than four letters"}
    assert [each.call.name for each in run.steps] == ["look", "inside", "look"]
    assert [each.parent for each in run.steps] == [None, None, 1]
    assert run.gaps == ()
    assert all(semconv.STEP_DROPPED not in span.attributes for span in run.spans)


def test_configuring_again_goes_on_elsewhere(recording, store_url, tmp_path, runs):
    """What comes after goes to the new store alone, foreign spans too."""
    play("one")
    other = f"sqlite:///{tmp_path}/other.db"
    otel_agent_replay.configure(store=other)
    play("two")
    assert otel_agent_replay.flush()

    with open_store(other) as store:
        [summary] = store.runs()
        second = store.load(summary.run_id)
    [first] = runs()
    assert first.input == {"word": "one"}
    assert second.input == {"word": "two"}
    assert len(first.spans) == len(second.spans) == 5


def test_after_shutdown_nothing_is_recorded(recording, store_url):
    """Spans and calls that come later go by untouched."""
    play("one")
    otel_agent_replay.shutdown()

    play("two")

    with open_store(store_url) as store:
        [summary] = store.runs()
        assert store.load(summary.run_id).input == {"word": "one"}


def test_with_the_sdk_switched_off_nothing_is_recorded(
    monkeypatch, store_url, tmp_path, caplog
):
    """The agent runs as without us, and it is said once why there is no run."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    otel_agent_replay.configure(store=store_url)
    said = play("word")
    otel_agent_replay.shutdown()

    assert said == "wordword"
    assert [each.getMessage() for each in caplog.records] == [
        "OTEL_SDK_DISABLED is set: this process is not recorded."
    ]
    assert not list(tmp_path.rglob("*.db"))


def test_a_fork_is_recorded_with_the_sdk_switched_off(monkeypatch, recording, runs):
    """Who starts a session wants its run."""
    play("word")
    (run,) = runs()
    otel_agent_replay.shutdown()
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    with fork(run, at=0) as session:
        play("word")

    assert len(session.run.steps) == len(run.steps)


def test_shutting_down_their_provider_ends_no_recording(recording, run_of):
    """A provider that is shut down writes what there is; ours goes on."""
    trace.get_tracer_provider().shutdown()

    play("one")

    assert run_of().gaps == ()


def test_spans_that_never_end_are_not_kept(recording):
    """A foreign span that nobody ends can be collected."""
    tracer = trace.get_tracer("other")

    endless = weakref.ref(tracer.start_span("endless"))
    with trace.use_span(endless() or trace.INVALID_SPAN):
        look("one")  # the root of a run, even
    gc.collect()

    assert endless() is None
