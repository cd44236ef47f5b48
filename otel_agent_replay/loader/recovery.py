"""Tool results that no span holds, taken from the request that showed them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from otel_agent_replay import semconv
from otel_agent_replay.model.messages import Message, Part
from otel_agent_replay.model.payload import JsonValue, canonical_json
from otel_agent_replay.model.step import Step

__all__ = ["with_results"]


def with_results(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return the steps, tool results that are missing filled in as `inferred`.

    A tool that another instrumentation recorded without its result is found by its
    call id, or by name and arguments, in the answer that asked for it; the next
    request that responds to that id has the result.
    """
    taken: set[JsonValue] = set()
    found: list[Step] = []
    for step in steps:
        if not _needs_result(step):
            found.append(step)
            continue
        part = _asked_by(step, steps, taken)
        taken.add(part.get("id") if part else None)
        found.append(_completed(step, part, steps))
    return tuple(found)


def _needs_result(step: Step) -> bool:
    return (
        step.call.kind == "tool"
        and step.fidelity == "semantic"
        and step.dropped is not None
        and step.outcome.value is None
        and not step.outcome.failed
    )


def _completed(step: Step, part: Part | None, steps: tuple[Step, ...]) -> Step:
    call_id = step.call.attributes.get(semconv.TOOL_CALL_ID)
    if call_id is None and part is not None:
        call_id = part.get("id")
    response = _response_to(call_id, steps[step.index + 1 :])
    if response is None:
        return step
    inputs = step.call.inputs
    if inputs is None and part is not None:
        arguments = part.get("arguments")
        inputs = arguments if isinstance(arguments, dict) else {"input": arguments}
    return replace(
        step,
        call=replace(step.call, inputs=inputs),
        outcome=replace(step.outcome, value=response.get("response")),
        fidelity="inferred",
        dropped=None if inputs is not None else step.dropped,
    )


def _response_to(call_id: JsonValue, later: tuple[Step, ...]) -> Part | None:
    if call_id is None:
        return None
    for step in later:
        messages = step.request.messages if step.request else ()
        for part in _parts(messages, "tool_call_response"):
            if part.get("id") == call_id:
                return part
    return None


def _asked_by(
    step: Step,
    steps: tuple[Step, ...],
    taken: set[JsonValue],
) -> Part | None:
    """Return the newest tool call before the step that can be its own."""
    call_id = step.call.attributes.get(semconv.TOOL_CALL_ID)
    for earlier in reversed(steps[: step.index]):
        messages = earlier.response.messages if earlier.response else ()
        for part in _parts(messages, "tool_call"):
            if call_id is not None and part.get("id") == call_id:
                return part
            if call_id is None and part.get("id") not in taken and _same(part, step):
                return part
    return None


def _same(part: Part, step: Step) -> bool:
    if part.get("name") != step.call.name:
        return False
    inputs = step.call.inputs
    return inputs is None or canonical_json(part.get("arguments")) == canonical_json(
        inputs,
    )


def _parts(messages: tuple[Message, ...], kind: str) -> Iterator[Part]:
    for message in messages:
        yield from (part for part in message.parts if part.get("type") == kind)
