"""A step in a line: what was asked, what came back, what is special about it."""

from __future__ import annotations

from typing import Final

from otel_agent_replay.cli.wording import short, short_json
from otel_agent_replay.model.messages import Message, Part
from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.semconv import STEP_WRITE_AS, STEP_WRITE_ID

__all__ = ["answered", "asked", "depth_of", "marks", "title"]

_LIMIT: Final = 400
_HTTP_ERROR: Final = 400


def title(step: Step) -> str:
    """Return what a step is called: of a model call, the model."""
    if step.request is not None and step.request.model:
        return step.request.model
    return step.call.name


def depth_of(run: Run, step: Step) -> int:
    """Return how many steps a step is inside of."""
    depth, parent = 0, step.parent
    while parent is not None:
        depth, parent = depth + 1, run.steps[parent].parent
    return depth


def asked(step: Step) -> str:
    """Return the arguments; of a model call, the last message."""
    call = step.call
    if step.request is not None:
        messages = step.request.messages
        if not messages:
            return short_json(call.arguments, _LIMIT)
        more = f"({len(messages)}) " if len(messages) > 1 else ""
        return more + _message_line(messages[-1])
    if call.kind == "checkpoint":
        return short_json((call.inputs or {}).get("state"), _LIMIT)
    return _named(call.arguments)


def _named(arguments: JsonValue) -> str:
    if not isinstance(arguments, dict):
        return short_json(arguments, _LIMIT)
    listed = (f"{name}={_quoted(value)}" for name, value in arguments.items())
    return short(", ".join(listed), _LIMIT)


def _quoted(value: JsonValue) -> str:
    return repr(value) if isinstance(value, str) else short_json(value, _LIMIT)


def answered(step: Step) -> str:
    """Return what came back: value, answer, status or error."""
    outcome = step.outcome
    if outcome.error is not None:
        name = outcome.error.type_name.rpartition(":")[2]
        return short(f"{name}: {outcome.error.message}", _LIMIT)
    if step.response is not None and step.response.messages:
        return _message_line(step.response.messages[0])
    if outcome.response is not None:
        size = len(outcome.response.body)
        return f"{outcome.response.status} {outcome.response.reason} {size} B"
    if outcome.items is not None:
        return short_json(list(outcome.items), _LIMIT)
    if step.call.kind == "checkpoint":
        return ""
    return short_json(outcome.value, _LIMIT)


def _message_line(message: Message) -> str:
    parts = [_part_line(part) for part in message.parts]
    prefix = "" if message.role == "assistant" else f"{message.role}: "
    return short(prefix + " ".join(filter(None, parts)), _LIMIT)


def _part_line(part: Part) -> str:
    kind = part.get("type")
    if kind == "tool_call":
        return f"→ {part.get('name')}({_named(_object(part.get('arguments')))})"
    if kind == "tool_call_response":
        return short_json(part.get("response", part.get("result")), _LIMIT)
    content = part.get("content")
    return short_json(content, _LIMIT) if content is not None else f"<{kind}>"


def _object(value: JsonValue) -> JsonValue:
    return value if isinstance(value, dict) else {"": value} if value else {}


def marks(step: Step, *, gap: bool = False) -> str:
    """Return what a reader should look at, in words."""
    found = [
        ("error", step.outcome.error is not None or _refused(step)),
        (f"retry {step.attempt}", step.attempt > 0),
        (_write(step), step.call.effect == "write"),
        (step.outcome.ended, step.outcome.ended != "complete"),
        ("served", step.outcome.served_from is not None),
        (f"dropped: {step.dropped}", step.dropped is not None),
        (step.fidelity, step.fidelity == "inferred"),
        ("gap", gap),
    ]
    return ", ".join(word for word, holds in found if holds)


def _write(step: Step) -> str:
    attributes = step.call.attributes
    key, became = (attributes.get(n) for n in (STEP_WRITE_ID, STEP_WRITE_AS))
    words = ["write", key, f"({became})" if became else None]
    return " ".join(each for each in words if isinstance(each, str))


def _refused(step: Step) -> bool:
    response = step.outcome.response
    return response is not None and response.status >= _HTTP_ERROR
