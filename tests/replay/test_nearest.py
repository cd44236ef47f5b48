"""Which recorded steps a call comes close to, and how it is matched on the wire."""

from __future__ import annotations

from otel_agent_replay.lanes import here
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.payload import HttpRequest
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.finder import Finder
from otel_agent_replay.replay.matching import matching_of
from otel_agent_replay.replay.nearest import call_differences, nearest

U1 = "6f1c3d0e-8a52-4f0b-9c9d-0a1b2c3d4e5f"
U2 = "0b8f7a55-1111-4222-8333-944455556666"


def wire(url="https://api.test/v1/x", body=b"{}", kind="http") -> Call:
    request = HttpRequest(method="POST", url=url, body=body)
    return Call(kind=kind, name="POST api.test/v1/x", request=request)


def steps(*calls: Call) -> tuple[Step, ...]:
    return tuple(
        Step(index=number, span_id=str(number), call=call, outcome=Outcome())
        for number, call in enumerate(calls)
    )


def test_wire_calls_differ_in_url_and_body():
    """The URL is told to be read; the body field by field."""
    fields = call_differences(
        wire("https://api.test/v1/a%20b?q=1", b'{"n": 1, "m": "x"}'),
        wire("https://api.test/v1/a%20b?q=2", b'{"n": 2, "m": "x"}'),
    )

    assert [str(each) for each in fields] == [
        "url: was 'POST api.test/v1/a b?q=1', now 'POST api.test/v1/a b?q=2'",
        "n: was 1, now 2",
    ]


def test_the_host_of_a_model_may_move_if_there_is_one():
    """As it may for the key."""
    then, now = wire(kind="model"), wire("http://127.0.0.1:81/v1/x", kind="model")

    assert call_differences(then, now, any_host=True) == ()
    assert [each.path for each in call_differences(then, now)] == ["url"]


def test_calls_that_differ_in_bytes_alone_still_differ():
    """By their keys, where there is nothing to be read."""
    (field,) = call_differences(wire(body=b"\xff\\xfe"), wire(body=b"\\xff\\xfe"))

    assert field.path == "key"


def test_the_closest_comes_first_and_those_left_before_those_used():
    """Fewest differences, then the smallest; other names only if there are no others."""
    known = steps(
        Call(kind="tool", name="f", inputs={"a": 1, "b": "long text", "c": 1}),
        Call(kind="tool", name="f", inputs={"a": 1, "b": "x", "c": 2}),
        Call(kind="tool", name="f", inputs={"a": 1, "b": "x", "c": 3}),
        Call(kind="tool", name="g", inputs={"a": 1, "b": "x", "c": 1}),
    )
    asked = Call(kind="tool", name="f", inputs={"a": 1, "b": "x", "c": 1})

    found = nearest(asked, [known[0], known[2], known[3]], [known[1]])
    assert [(each.step, each.used) for each in found] == [
        (2, False),
        (1, True),
        (0, False),
    ]
    (other,) = nearest(asked, [known[3]], [])
    assert [str(each) for each in other.fields] == ["name: was 'g', now 'f'"]


def test_what_changes_by_nature_may_stand_in_a_url():
    """Marks are numbered over URL and body together."""
    run = Run(
        run_id="r",
        trace_id="t",
        steps=steps(
            wire(f"https://h/runs/{U1}", b'{"other": "%s"}' % U2.encode()),
            wire(f"https://h/runs/{U1}", b'{"same": "%s"}' % U1.encode()),
        ),
    )
    finder = Finder(run, matching_of("strict", ["uuids"]))
    same = wire(f"https://h/runs/{U2}", b'{"same": "%s"}' % U2.encode())
    crossed = wire(f"https://h/runs/{U2}", b'{"other": "%s"}' % U2.encode())

    assert finder.find(None, crossed, here()) is None
    hit = finder.find(None, same, here())
    assert hit is not None
    assert hit.step.index == 1
    assert {each.path for each in hit.normalised} == {"url", "same"}
