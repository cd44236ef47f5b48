"""Processes that fork: each writes what is its own, once, and none hangs."""

from __future__ import annotations

from otel_agent_replay import open_store

HEAD = """
import os
import sys
import threading
import otel_agent_replay
from otel_agent_replay import agent, tool
from opentelemetry import trace

otel_agent_replay.configure(store=os.environ["STORE"], agent_name="process")


@tool
def look(word):
    return word

"""


def test_a_child_forked_outside_any_run(program, runs):
    """It has runs of its own; the parent's queue and spans stay the parent's."""
    done = program(
        HEAD
        + """
@agent
def play(word):
    return look(word)

play("before")
child = os.fork()
play("child" if child == 0 else "parent")
if child == 0:
    otel_agent_replay.shutdown()
    os._exit(0)
os.waitpid(child, 0)
"""
    )

    assert done.returncode == 0, done.stderr
    found = runs()
    assert sorted(run.input["word"] for run in found) == ["before", "child", "parent"]
    assert [run.gaps for run in found] == [()] * 3
    assert [len(run.steps) for run in found] == [1] * 3


def test_a_child_that_leaves_through_the_parent_s_calls(program, run_of):
    """A fork inside a tool: the tool's result is the parent's alone."""
    done = program(
        HEAD
        + """
@tool
def split():
    child = os.fork()
    if child == 0:
        look("in the child")
        sys.exit(7)
    os.waitpid(child, 0)
    return "of the parent"

@agent
def play():
    return split()

play()
"""
    )

    assert done.returncode == 0, done.stderr
    run = run_of()
    steps = {step.call.name: step for step in run.steps}
    assert steps["split"].outcome.value == "of the parent"
    assert steps["look"].outcome.value == "in the child"
    assert run.status == "success"
    assert run.gaps == ()


def test_a_child_forked_while_threads_record(program, store_url):
    """Locks that other threads hold at that moment do not stop the child."""
    done = program(
        HEAD
        + """
stop = threading.Event()

def busy():
    while not stop.wait(0.001):
        agent(name="busy")(lambda: look("busy"))()

threads = [threading.Thread(target=busy) for _ in range(4)]
for each in threads:
    each.start()
for number in range(8):
    child = os.fork()
    if child == 0:
        agent(name="child")(lambda: look(str(number)))()
        otel_agent_replay.shutdown()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
for each in threads:
    each.join()
"""
    )

    assert done.returncode == 0, done.stderr
    with open_store(store_url) as store:
        ids = [each.run_id for each in store.runs(agent="child")]
        children = [store.load(run_id) for run_id in ids]
    assert sorted(run.steps[0].outcome.value for run in children) == list("01234567")
    assert [run.gaps for run in children] == [()] * 8


def test_a_foreign_span_open_across_a_fork(program, runs):
    """Both processes leave it; the parent's end of it is the one that is stored."""
    done = program(
        HEAD
        + """
with trace.get_tracer("web").start_as_current_span("GET /") as span:
    look("before")
    child = os.fork()
    if child == 0:
        span.set_attribute("in", "child")
    else:
        os.waitpid(child, 0)
        span.set_attribute("in", "parent")
        look("after")
if child == 0:
    otel_agent_replay.shutdown()
    os._exit(0)
"""
    )

    assert done.returncode == 0, done.stderr
    [run] = runs()
    assert run.agent_name == "GET /"
    assert [step.outcome.value for step in run.steps] == ["before", "after"]
    [root] = [span for span in run.spans if span.name == "GET /"]
    assert root.attributes["in"] == "parent"
    assert run.gaps == ()


def test_a_child_draws_other_span_ids(program):
    """Ids are drawn many at once; those that wait in the parent stay the parent's."""
    done = program(
        HEAD
        + """
tracer = trace.get_tracer("test")


def drawn(count):
    spans = [tracer.start_span("drawn") for _ in range(count)]
    return {span.get_span_context().span_id for span in spans}


drawn(1)
read, write = os.pipe()
if os.fork() == 0:
    os.write(write, repr(drawn(50)).encode())
    os._exit(0)
os.wait()
theirs = eval(os.read(read, 1 << 16))
assert len(theirs) == 50
assert not theirs & drawn(50)
"""
    )

    assert done.returncode == 0, done.stderr
