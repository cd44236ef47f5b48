"""Two runs aligned step by step."""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace

from hypothesis import given

from otel_agent_replay.model.call import Call, Outcome, RecordedException
from otel_agent_replay.model.payload import Chunk, HttpRequest, HttpResponse
from otel_agent_replay.replay.compare import compare
from tests.replay.compared import chat, run, sides, steps, tool


def test_a_run_is_the_same_as_itself():
    """Equal steps are aligned and nothing differs."""
    one = run(tool("a"), chat(["hi"], "ho"), tool("a"))

    found = compare(one, replace(one, run_id="other"))

    assert found.same
    assert (found.a, found.b) == ("r", "other")
    assert sides(found) == [(0, 0, []), (1, 1, []), (2, 2, [])]


def test_what_an_answered_call_did_inside_is_not_missing():
    """Where one run was given an answer, nothing could run inside; equal calls stay."""
    inner = {**tool("fetch", {"q": 1}), "parent": 0}
    recorded = run(
        tool("search"), inner, {**inner, "parent": 1}, tool("fetch", {"q": 1})
    )
    served = tool("search", served_from="0"), tool("fetch", {"q": 1}, served_from="3")
    replayed = run(*served)
    live = run(tool("search"), tool("fetch", {"q": 1}))

    assert sides(compare(recorded, replayed)) == [(0, 0, []), (3, 1, [])]
    assert sides(compare(replayed, recorded)) == [(0, 0, []), (1, 3, [])]
    assert compare(recorded, replayed).same
    assert not compare(recorded, live).same


def test_times_ids_and_chunks_make_no_difference():
    """What differs between any two executions does not count."""
    step = chat(["hi"], "ho")
    wire = HttpResponse(status=200, chunks=(Chunk(data=b"h"), Chunk(data=b"o")))
    other = {
        **step,
        "outcome": Outcome(response=wire, served_from="x"),
        "response": replace(step["response"], id="new"),
        "start_ns": 900,
    }

    assert compare(run(step), run(other)).same


def test_steps_that_only_one_run_has_stand_where_they_came():
    """Rows follow the order of both runs."""
    a = run(tool("x"), tool("only a"), tool("y"))
    b = run(tool("first"), tool("x"), tool("y"), tool("only b"))

    found = compare(a, b)

    assert sides(found) == [
        (None, 0, []),
        (0, 1, []),
        (1, None, []),
        (2, 2, []),
        (None, 3, []),
    ]
    assert found.first_divergence == 0


def test_changed_arguments_and_outcomes_are_told_by_field():
    """Steps of one name that ask for something else are paired and compared."""
    a = run(tool("same"), tool("search", {"q": "x", "n": 1}, [1, 2]))
    b = run(tool("same"), tool("search", {"q": "y", "n": 1}, [1, 3]))

    found = compare(a, b)

    assert sides(found)[1] == (1, 1, ["arguments.q", "outcome.value[1]"])
    assert found.first_divergence == 1


def test_a_changed_message_is_told_by_its_place():
    """Model requests are compared as the JSON that was sent."""
    found = compare(
        run(chat([{"content": "a"}], "ho")),
        run(chat([{"content": "b"}], "ha")),
    )

    assert [field.path for field in found.rows[0].fields] == [
        "arguments.messages[0].content",
        "outcome.messages[0].parts[0].content",
    ]


def test_another_host_is_a_difference():
    """The same request to somewhere else is aligned, and said to differ."""
    found = compare(run(chat(["hi"], "ho")), run(chat(["hi"], "ho", host="b.test")))

    assert sides(found) == [(0, 0, ["host"])]


def test_an_error_in_place_of_a_value():
    """A call that fails now differs in its outcome."""
    error = RecordedException(type_name="builtins:ValueError", message="no")

    found = compare(run(tool("t", value=1)), run(tool("t", error=error)))

    paths = {field.path for field in found.rows[0].fields}
    assert paths == {"outcome.value", "outcome.error"}


def test_binary_bodies_that_differ_are_never_the_same():
    """Calls whose keys differ show a difference, also where no JSON shows it."""

    def upload(data):
        request = HttpRequest(method="PUT", url="https://h/f", body=data)
        return {
            "call": Call(kind="http", name="PUT h/f", request=request),
            "outcome": Outcome(),
        }

    found = compare(run(upload(b"\xff1")), run(upload(b"\xfe1")))

    assert not found.same
    assert found.rows[0].fields


def test_steps_in_another_order_are_told():
    """Sequential steps that changed places are paired and said to have moved."""
    found = compare(run(tool("a"), tool("b")), run(tool("b"), tool("a")))

    assert not found.same
    assert len(found.rows) == 2
    moved = [row.fields for row in found.rows if row.fields]
    assert [field.path for (field,) in moved] == ["index"]


def test_steps_side_by_side_have_no_order():
    """Parallel calls that began in another order are no difference."""
    slow = {"start_ns": 0, "end_ns": 1_000}
    a = run({**tool("a"), **slow}, {**tool("b"), **slow})
    b = run(tool("b"), tool("a"))

    assert compare(a, b).same
    assert compare(b, a).same


def test_answer_input_and_figures():
    """Both runs' numbers stand side by side; None where a run has none."""
    a = run(chat(["hi"], "ho", cost=0.5), outcome=Outcome(value={"n": 1}), end_ns=70)
    b = run(tool("t"), outcome=Outcome(value={"n": 2}), input={"q": 1})

    found = compare(a, b)

    assert [field.path for field in found.answer] == ["n"]
    assert found.input
    assert (found.cost_usd.a, found.cost_usd.b) == (0.5, None)
    assert (found.input_tokens.a, found.input_tokens.b) == (10, None)
    assert (found.duration_ns.a, found.duration_ns.b) == (70, 0)


def test_a_run_that_failed_answers_otherwise_than_one_that_returned_nothing():
    """No answer and an exception are not the same."""
    error = RecordedException(type_name="builtins:ValueError", message="no")

    assert compare(run(), run(outcome=Outcome(error=error))).answer


@given(steps, steps)
def test_every_step_has_exactly_one_row(one, two):
    """Nothing is left out or told twice; only equal runs are the same."""
    a, b = run(*one), run(*two)

    found = compare(a, b)

    left = [row.a.index for row in found.rows if row.a]
    right = [row.b.index for row in found.rows if row.b]
    assert left == list(range(len(one)))
    assert sorted(right) == list(range(len(two)))
    assert found.same is ([s["call"] for s in one] == [s["call"] for s in two]) & (
        [s["outcome"] for s in one] == [s["outcome"] for s in two]
    )


def test_twice_as_many_steps_are_twice_the_work():
    """A long loop of equal calls does not take the square of its length."""

    def work(turns: int) -> int:
        """Return how many functions a comparison calls."""
        history = [{"role": "user", "content": f"{n}"} for n in range(turns)]
        steps = [
            each
            for n in range(turns)
            for each in (chat(history[: n + 1], f"{n}"), tool("t", {}, n))
        ]
        a, b = run(*steps), run(*steps[1:])
        calls = itertools.count()
        sys.setprofile(lambda *_: next(calls))
        try:
            found = compare(a, b)
        finally:
            sys.setprofile(None)
        assert len(found.rows) == 2 * turns
        return next(calls)

    assert work(400) < 2.5 * work(200)


def test_steps_that_a_resume_made_again_are_left_out():
    """Neither run shows them as its own; they are counted."""
    again = {**tool("t"), "superseded": True}
    resumed = run(tool("a"), again, tool("t"))
    other = run(tool("a"), tool("t"))
    assert sides(compare(resumed, other)) == [(0, 0, []), (2, 1, [])]
    assert sides(compare(other, resumed)) == [(0, 0, []), (1, 2, [])]
    assert compare(resumed, other).same
    assert compare(resumed, other).superseded.a == 1


def test_equal_calls_are_aligned_under_their_own_parents():
    """A call inside one step does not stand for an equal one inside another."""
    first, second = tool("first"), tool("second")
    fetch = tool("fetch", {"q": 1})
    a = run(first, {**fetch, "parent": 0}, second, {**fetch, "parent": 2})
    b = run(first, second, {**fetch, "parent": 1})

    found = [(left, right) for left, right, _ in sides(compare(a, b))]
    assert found == [(0, 0), (1, None), (2, 1), (3, 2)]


def test_as_many_steps_as_can_be_keep_their_order():
    """One step put in between does not make all that follow differ."""
    loop = [tool("search", {"n": n % 3}, n) for n in range(30)]
    a, b = run(*loop), run(*loop[:7], tool("extra"), *loop[7:])

    found = compare(a, b)

    assert [row.b.call.name for row in found.rows if not row.same] == ["extra"]


def test_changed_steps_are_paired_between_the_same_neighbours():
    """A call at the beginning is no counterpart of one of its name at the end."""
    a = run(tool("search", {"q": 1}), tool("x"), tool("y"))
    b = run(tool("x"), tool("y"), tool("search", {"q": 2}))

    assert sides(compare(a, b)) == [
        (0, None, []),
        (1, 0, []),
        (2, 1, []),
        (None, 2, []),
    ]


def test_true_and_one_are_told_apart_also_in_the_shared_beginning():
    """Python holds them equal; JSON does not."""
    found = compare(run(tool("t", {"n": 1})), run(tool("t", {"n": True})))

    assert not found.same


def test_tools_state_and_answers_to_the_same_question():
    """How often each tool was called and failed, what it gave otherwise, what changed."""
    error = RecordedException(type_name="builtins:ValueError", message="no")

    def state(value):
        call = Call(kind="checkpoint", name="checkpoint", inputs={"state": value})
        return {"call": call, "outcome": Outcome()}

    a = run(tool("t", {"n": 1}, 1), tool("t", {"n": 2}, 2), state({"k": 1, "same": 0}))
    b = run(tool("t", {"n": 1}, 9), tool("u", error=error), state({"k": 2, "same": 0}))

    found = compare(a, b)

    told = {
        each.name: (each.calls.a, each.calls.b, each.failed.b, each.other_results)
        for each in found.tools
    }
    assert told == {"t": (2, 1, 0, 1), "u": (0, 1, 1, 0)}
    assert [field.path for field in found.state] == ["k"]
    assert [row.answered_otherwise for row in found.rows][:1] == [True]


def test_a_thousand_steps_of_growing_conversation_are_compared():
    """A fork in the middle: the shared half is not read, the rest told by field."""

    def turns(word):
        history = [
            {"role": "user", "content": f"{n} {word if n >= 250 else ''}" + "x" * 100}
            for n in range(500)
        ]
        return [
            each
            for n in range(500)
            for each in (chat(history[: n + 1], f"{n}"), tool("t", {"n": n}, n))
        ]

    found = compare(run(*turns("a")), run(*turns("b")))

    assert (len(found.rows), found.first_divergence) == (1000, 500)
