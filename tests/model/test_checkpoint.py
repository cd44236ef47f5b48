"""What is known after a step."""

from __future__ import annotations

from otel_agent_replay import semconv
from otel_agent_replay.model.call import Call, Outcome, RecordedException
from otel_agent_replay.model.checkpoint import checkpoint_after
from otel_agent_replay.model.messages import Message, ModelRequest, ModelResponse
from otel_agent_replay.model.step import Step


def said(role, text):
    return Message(role=role, parts=({"type": "text", "content": text},))


def asks(*calls):
    parts = tuple(
        {"type": "tool_call", "id": i, "name": n, "arguments": a} for i, n, a in calls
    )
    return Message(role="assistant", parts=parts)


def model(
    sent, answer=None, *, response_id=None, previous=None, operation="chat", **more
):
    response = ModelResponse(id=response_id, messages=(answer,) if answer else ())
    return {
        "call": Call(kind="model", name="POST h/v1/chat"),
        "request": ModelRequest(
            operation=operation,
            provider="p",
            messages=tuple(sent),
            previous_id=previous,
            **more,
        ),
        "response": response,
    }


def tool(name, inputs, value=None, *, call_id=None, error=None):
    attributes = {semconv.TOOL_CALL_ID: call_id} if call_id else {}
    call = Call(kind="tool", name=name, inputs=inputs, attributes=attributes)
    return {"call": call, "outcome": Outcome(value=value, error=error)}


def state(value):
    call = Call(kind="checkpoint", name="checkpoint", inputs={"state": value})
    return {"call": call}


def after(*kinds, at=None):
    steps = tuple(
        Step(index=n, span_id=f"{n}", **{"outcome": Outcome(), **each})
        for n, each in enumerate(kinds)
    )
    step = steps[-1 if at is None else at]
    return checkpoint_after(step, steps, run_id="r", agent_name="a", agent_version="1")


def results(point):
    return [
        (part["id"], part["response"])
        for message in point.messages
        for part in message.parts
        if part["type"] == "tool_call_response"
    ]


def test_a_delta_request_is_folded_along_the_chain_of_responses():
    """Requests that hold only what is new give the whole conversation."""
    one, two, three = said("user", "1"), said("user", "2"), said("user", "3")
    a, b, c = said("assistant", "a"), said("assistant", "b"), said("assistant", "c")

    point = after(
        model([one], a, response_id="r1"),
        model([two], b, response_id="r2", previous="r1"),
        model([said("user", "aside")], said("assistant", "x"), response_id="other"),
        model([three], c, response_id="r3", previous="r2"),
    )

    assert point.messages == (one, a, two, b, three, c)
    assert point.continues is None


def test_a_chain_that_begins_outside_the_run_says_so():
    """A conversation whose beginning is not in the run is not taken for whole."""
    point = after(model([said("user", "hi")], previous="of_last_week"))

    assert point.continues == "of_last_week"
    assert point.messages == (said("user", "hi"),)


def test_a_response_that_names_itself_ends_the_chain():
    """Damaged data does not make an endless conversation."""
    point = after(
        model([said("user", "hi")], said("a", "b"), response_id="r", previous="r")
    )

    assert point.continues == "r"


def test_long_chains_are_folded_without_recursion():
    """A conversation of two thousand turns is no deeper than one of two."""
    turns = [
        model(
            [said("user", f"{n}")],
            said("assistant", f"{n}"),
            response_id=f"r{n}",
            previous=f"r{n - 1}" if n else None,
        )
        for n in range(2000)
    ]

    assert len(after(*turns).messages) == 4000


def test_tool_results_follow_the_answer_in_its_order():
    """Results are found by id, or by name and arguments, whatever ran first."""
    answer = asks(("c1", "t", {"n": 1}), ("c2", "t", {"n": 2}), ("c3", "u", {}))

    point = after(
        model([said("user", "go")], answer),
        tool("u", {}, "three", call_id="c3"),
        tool("t", {"n": 2}, "two"),
        tool("t", {"n": 1}, "one"),
    )

    assert results(point) == [("c1", "one"), ("c2", "two"), ("c3", "three")]


def test_tools_that_no_model_asked_for_are_no_messages():
    """A tool that the program calls by itself is in `tool_steps` only."""
    point = after(
        model([said("user", "go")], asks(("c1", "t", {}))),
        tool("t", {}, 1),
        tool("internal", {}, 2),
        tool("t", {}, 3, call_id="of another agent"),
    )

    assert results(point) == [("c1", 1)]
    assert [each.call.name for each in point.tool_steps] == ["t", "internal", "t"]


def test_a_failed_tool_shows_its_error():
    """What the model would be shown of a failed tool is its error."""
    error = RecordedException(type_name="builtins:ValueError", message="bad")

    point = after(
        model([said("user", "go")], asks(("c1", "t", {}))),
        tool("t", {}, error=error),
    )

    assert results(point) == [("c1", "builtins:ValueError: bad")]


def test_an_embedding_is_no_turn_of_the_conversation():
    """The model that spoke last is one that speaks."""
    point = after(
        model([said("user", "hi")], said("assistant", "ho")),
        model([], operation=semconv.OP_EMBEDDINGS),
    )

    assert point.messages == (said("user", "hi"), said("assistant", "ho"))


def test_a_background_answer_is_taken_from_where_it_was_fetched():
    """A request that was answered later has its answer all the same."""
    answer = said("assistant", "done")

    point = after(
        model([said("user", "go")], response_id="bg"),
        model([], answer, response_id="bg", operation=semconv.OP_FETCH_RESPONSE),
    )

    assert point.messages == (said("user", "go"), answer)


def test_state_and_configuration_are_the_last_ones_at_the_step():
    """What comes after the step does not show in its checkpoint."""
    first = model([said("user", "hi")], model="m1", parameters={"gen_ai.x": 1})
    steps = (state({"n": 1}), first, state({"n": 2}), state({"n": 3}))

    point = after(*steps, at=2)

    assert point.state == {"n": 2}
    assert point.model_configuration == {semconv.REQUEST_MODEL: "m1", "gen_ai.x": 1}
    assert after(*steps, at=0).state == {"n": 1}


def test_a_checkpoint_before_any_model_has_no_messages():
    """There is a checkpoint after every step, also where nobody has spoken."""
    point = after(tool("t", {}, 1))

    assert (point.messages, point.state, point.model_configuration) == ((), None, {})
