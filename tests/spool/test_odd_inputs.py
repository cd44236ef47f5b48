"""Large payloads, odd values and a clock that jumps."""

from __future__ import annotations

import math
import sys

import pytest
import urllib3
from opentelemetry import trace

from otel_agent_replay import agent, flush, open_store, tool
from otel_agent_replay.testing import LocalServer, Reply, ScriptedRequest
from tests.spool.looking import numbers, play


def test_a_tool_result_of_64_mb(configure, ended):
    """It is stored whole."""
    configure()
    word = "The weather in Lisbon was fine. "
    text = word * (64_000_000 // len(word))

    @tool
    def fetch() -> str:
        return text

    @agent(name="large")
    def run():
        return len(fetch())

    assert run() == len(text)
    found, _ = ended()

    (step,) = found.steps
    assert step.outcome.value == text
    assert found.gaps == ()


def test_a_run_of_10_000_steps(configure, ended):
    """All of them are there, in order."""
    configure()
    play(10_000)
    run, line = ended()

    assert numbers(run) == [*range(10_000)]
    assert run.gaps == ()
    assert (line.step_count, line.status) == (10_000, "success")


def test_10_000_events(configure, ended):
    """A span's own events come along, however many."""
    configure()

    @agent(name="eventful")
    def run():
        span = trace.get_current_span()
        for number in range(10_000):
            span.add_event("happened", {"number": number})

    run()
    found, _ = ended()

    (root,) = [each for each in found.spans if each.span_id == found.root_span_id]
    events = [each for each in root.events if each.name == "happened"]
    assert [each.attributes["number"] for each in events] == [
        str(number) for number in range(10_000)
    ]


BYTES = bytes(range(256)) * 3 + b"\xff\xfe\x00\xd8"


class Mirror(LocalServer):
    """Gives a request's body back."""

    def respond(self, request: ScriptedRequest) -> Reply:
        kind = ("content-type", "text/plain; charset=utf-8")
        return Reply(headers=(kind,), body=request.body)


@pytest.mark.parametrize("redact", ["off", "default"])
def test_bytes_that_are_no_text(configure, ended, redact):
    """They come back as they were, or are left out as what may hide a secret."""
    configure(redact=redact)

    @agent(name="binary")
    def run(url):
        return urllib3.PoolManager().request("POST", url, body=BYTES).data == BYTES

    with Mirror() as mirror:
        assert run(mirror.url)
    found, _ = ended()

    (step,) = found.steps
    if redact == "default":
        assert step.dropped == "redaction"
        assert found.gaps
        return
    assert step.call.request.body == BYTES
    assert b"".join(each.data for each in step.outcome.response.chunks) == BYTES
    assert found.gaps == ()


class Hostile:
    """Can neither be shown nor compared."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    __hash__ = None


def recursive() -> list[object]:
    found: list[object] = [1]
    found.append(found)
    return found


def deep() -> object:
    found: object = 1
    for _ in range(sys.getrecursionlimit() * 3):
        found = [found]
    return found


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        {"a": -math.inf},
        recursive(),
        deep(),
        "a\ud800b",
        {"\udfff": ["\ud83d"]},
        Hostile(),
        [Hostile()],
        10**400,
        {1: 2, None: 3, (1, 2): 4},
        "\x00\x01",
        BYTES,
        object,
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_that_are_hard_to_keep(configure, ended, value):
    """The agent gets its own value; the run is whole, or says what it has not."""
    configure()

    @tool
    def give(it):
        return it

    @agent(name="odd")
    def run(it):
        return give(it) is it

    assert run(value)
    found, _ = ended()

    (step,) = found.steps
    assert found.status == "success"
    assert not step.is_open
    assert found.dropped == {} or found.gaps


def test_times_and_numbers_that_no_store_holds(configure, place):
    """A foreign span with them takes no other with it, and keeps nothing back."""
    configure()
    tracer = trace.get_tracer("foreign")
    play(2)
    for start, end in ((-5, 10), (2**70, 2**71), (10, 5), (0, 2**63)):
        span = tracer.start_span("odd", start_time=start)
        span.set_attribute("large", 10**30)
        span.end(end)
    play(3)
    assert flush(30)

    with open_store(place.store) as store:
        runs = [store.load(each.run_id) for each in store.runs()]
    assert sorted(len(each.steps) for each in runs if each.steps) == [2, 3]


CLOCK = """
    import os, signal, sys, time
    behind = [0]
    real_ns, real = time.time_ns, time.time
    time.time_ns = lambda: real_ns() - behind[0] * 10**9
    time.time = lambda: real() - behind[0]
    import otel_agent_replay
    from otel_agent_replay import agent, tool
    otel_agent_replay.configure()

    @tool
    def look(number):
        if number == 1:
            behind[0] = 3600
        return number

    @agent(name="late")
    def play():
        for number in range(3):
            look(number)
        otel_agent_replay.flush()
        if sys.argv[1] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)

    play()
"""


@pytest.mark.parametrize("end", ["returned", "killed"])
def test_a_clock_that_jumps_back(place, end):
    """All steps are there, and no time ends before it begins in what is cut off."""
    place.write("clock.py", CLOCK)
    place.run("clock.py", end)

    run = place.only_run()
    assert sorted(numbers(run)) == [0, 1, 2]
    assert run.status == ("success" if end == "returned" else "interrupted")
    assert run.gaps == ()
    if end == "killed":
        assert run.end_ns >= run.start_ns
