"""A `Checkpoint`: everything needed to go on after a step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from otel_agent_replay import semconv
from otel_agent_replay.model.messages import Message, Part
from otel_agent_replay.model.payload import JsonObject, JsonValue, canonical_json
from otel_agent_replay.model.step import Step

__all__ = ["Checkpoint", "checkpoint_after"]

_CONVERSING: Final = frozenset(
    {semconv.OP_CHAT, semconv.OP_TEXT_COMPLETION, semconv.OP_GENERATE_CONTENT},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Everything needed to go on after a step.

    Attributes:
        run_id, agent_name, agent_version: The run.
        step: The step after which it stands.
        messages: The whole conversation of the model that spoke last, its answer
            and the tool results since, in order.
        continues: Id of a response whose conversation comes before `messages` and
            is not in this run; None if `messages` is whole.
        system: System instructions that stand apart from the messages.
        tools: Tool definitions of the last model request.
        tool_steps: The tool steps so far.
        model_configuration: Model and parameters of the last model request.
        state: The last `checkpoint(state)` at or before the step; None if none.
    """

    run_id: str
    agent_name: str
    agent_version: str | None
    step: Step
    messages: tuple[Message, ...] = ()
    continues: str | None = None
    system: tuple[JsonObject, ...] = ()
    tools: tuple[JsonObject, ...] = ()
    tool_steps: tuple[Step, ...] = ()
    model_configuration: JsonObject = field(default_factory=dict)
    state: JsonValue = None


def checkpoint_after(
    step: Step,
    steps: tuple[Step, ...],
    *,
    run_id: str,
    agent_name: str,
    agent_version: str | None,
) -> Checkpoint:
    """Return what is known after a step of a run whose steps are given in order."""
    past = tuple(s for s in steps[: step.index + 1] if not s.superseded)
    spoken = next((each for each in reversed(past) if _converses(each)), None)
    request = spoken.request if spoken else None
    messages, continues = _conversation(spoken, past) if spoken else ((), None)
    return Checkpoint(
        run_id=run_id,
        agent_name=agent_name,
        agent_version=agent_version,
        step=step,
        messages=messages,
        continues=continues,
        system=request.system if request else (),
        tools=request.tools if request else (),
        tool_steps=tuple(each for each in past if each.call.kind == "tool"),
        model_configuration=(
            {semconv.REQUEST_MODEL: request.model, **request.parameters}
            if request
            else {}
        ),
        state=next(
            (_state(each) for each in reversed(past) if each.call.kind == "checkpoint"),
            None,
        ),
    )


def _state(step: Step) -> JsonValue:
    """Return the state to go on with: a fork may have changed the one given."""
    if step.outcome.value is not None:
        return step.outcome.value
    return (step.call.inputs or {}).get("state")


def _converses(step: Step) -> bool:
    return step.request is not None and step.request.operation in _CONVERSING


def _conversation(
    spoken: Step,
    past: tuple[Step, ...],
) -> tuple[tuple[Message, ...], str | None]:
    """Return the messages up to now, and the response they go on from, if any.

    They are those sent, the answer, and the tool results since. A request that
    names a previous response holds only what is new; the chain of previous ones
    holds the rest.
    """
    chain, continues = _chain(spoken, past)
    folded: list[Message] = []
    for each in chain:
        folded.extend(each.request.messages if each.request else ())
        folded.extend(_answer(each, past))
    return (*folded, *_results_since(spoken, past)), continues


def _chain(spoken: Step, past: tuple[Step, ...]) -> tuple[list[Step], str | None]:
    """Return the steps of the conversation, oldest first."""
    answered = {
        each.response.id: each
        for each in past
        if each.response and each.response.id and _converses(each)
    }
    chain = [spoken]
    wanted = spoken.request.previous_id if spoken.request else None
    while wanted is not None:
        before = answered.get(wanted)
        if before is None or before.index >= chain[0].index:
            break
        chain.insert(0, before)
        wanted = before.request.previous_id if before.request else None
    return chain, wanted


def _answer(spoken: Step, past: tuple[Step, ...]) -> tuple[Message, ...]:
    """Return the first choice; of a background answer, as it was fetched later."""
    response = spoken.response
    if response is None or response.messages:
        return response.messages[:1] if response else ()
    fetched = (
        each.response.messages[:1]
        for each in reversed(_after(spoken, past))
        if each.response and each.response.messages and each.response.id == response.id
    )
    return next(fetched, ()) if response.id else ()


def _after(spoken: Step, past: tuple[Step, ...]) -> list[Step]:
    return [each for each in past if each.index > spoken.index]


def _results_since(spoken: Step, past: tuple[Step, ...]) -> tuple[Message, ...]:
    """Return the results of the tools that the answer asked for, in its order."""
    free = [each for each in _after(spoken, past) if each.call.kind == "tool"]
    found: list[Message] = []
    for part in _tool_calls(_answer(spoken, past)):
        step = _best(part, free)
        if step is not None:
            free.remove(step)
            found.append(_result_message(part, step))
    return tuple(found)


def _tool_calls(messages: tuple[Message, ...]) -> Iterator[Part]:
    for message in messages:
        yield from (part for part in message.parts if part.get("type") == "tool_call")


def _best(part: Part, steps: list[Step]) -> Step | None:
    """Return the step that is this call: by id, else by name and arguments, else name.

    A step that knows its call id is no other call's.
    """
    for step in steps:
        if part.get("id") and step.call.attributes.get(_ID) == part["id"]:
            return step
    named = [
        step
        for step in steps
        if step.call.name == part.get("name") and step.call.attributes.get(_ID) is None
    ]
    asked = canonical_json(part.get("arguments"))
    same = (step for step in named if canonical_json(step.call.inputs) == asked)
    return next(same, named[0] if named else None)


_ID: Final = semconv.TOOL_CALL_ID


def _result_message(part: Part, step: Step) -> Message:
    return Message(
        role="tool",
        parts=(
            {
                "type": "tool_call_response",
                "id": part.get("id"),
                "name": step.call.name,
                "response": _result(step),
            },
        ),
    )


def _result(step: Step) -> JsonValue:
    error = step.outcome.error
    return f"{error.type_name}: {error.message}" if error else step.outcome.value
