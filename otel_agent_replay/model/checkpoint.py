"""A `Checkpoint`: everything needed to go on after a step."""

from __future__ import annotations

from dataclasses import dataclass, field

from otel_agent_replay import semconv
from otel_agent_replay.model.messages import Message
from otel_agent_replay.model.payload import JsonObject, JsonValue
from otel_agent_replay.model.step import Step

__all__ = ["Checkpoint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Everything needed to go on after a step.

    Attributes:
        run_id, agent_name, agent_version: The run.
        step: The step after which it stands.
        messages: The whole conversation of the model that spoke last, its answer
            and the tool results since, in order.
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
    past = steps[: step.index + 1]
    spoken = next((each for each in reversed(past) if each.request), None)
    request = spoken.request if spoken else None
    return Checkpoint(
        run_id=run_id,
        agent_name=agent_name,
        agent_version=agent_version,
        step=step,
        messages=_conversation(spoken, past) if spoken else (),
        system=request.system if request else (),
        tools=request.tools if request else (),
        tool_steps=tuple(each for each in past if each.call.kind == "tool"),
        model_configuration=(
            {semconv.REQUEST_MODEL: request.model, **request.parameters}
            if request
            else {}
        ),
        state=next(
            (
                each.call.inputs.get("state")
                for each in reversed(past)
                if each.call.kind == "checkpoint" and each.call.inputs
            ),
            None,
        ),
    )


def _conversation(spoken: Step, past: tuple[Step, ...]) -> tuple[Message, ...]:
    """Return the messages up to now: those sent, the answer, tool results since."""
    return (*_sent(spoken, past), *_answer(spoken), *_results_since(spoken, past))


def _answer(spoken: Step) -> tuple[Message, ...]:
    return spoken.response.messages[:1] if spoken.response else ()


def _sent(spoken: Step, past: tuple[Step, ...]) -> tuple[Message, ...]:
    """Fold requests that name a previous response into the whole conversation."""
    request = spoken.request
    if request is None:
        return ()
    if request.previous_id is None:
        return request.messages
    before = next(
        (
            each
            for each in past[: spoken.index]
            if each.response and each.response.id == request.previous_id
        ),
        None,
    )
    if before is None:
        return request.messages
    return (*_sent(before, past), *_answer(before), *request.messages)


def _results_since(spoken: Step, past: tuple[Step, ...]) -> tuple[Message, ...]:
    """Return tool results that the model has not been shown yet, in order."""
    return tuple(
        Message(
            role="tool",
            parts=(
                {
                    "type": "tool_call_response",
                    "id": each.call.attributes.get(semconv.TOOL_CALL_ID),
                    "name": each.call.name,
                    "response": _result(each),
                },
            ),
        )
        for each in past[spoken.index + 1 :]
        if each.call.kind == "tool"
    )


def _result(step: Step) -> JsonValue:
    error = step.outcome.error
    return f"{error.type_name}: {error.message}" if error else step.outcome.value
