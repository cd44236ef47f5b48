"""Rules about what models were sent and what they said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from otel_agent_replay.model.finding import Finding
from otel_agent_replay.model.messages import Part
from otel_agent_replay.model.payload import JsonObject, JsonValue, dump_json, parse_json
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step

__all__ = ["answers_cut_off", "answers_refused", "growing_context", "invalid_arguments"]

_CUT: Final = frozenset(
    {"length", "max_tokens", "max_output_tokens", "model_context_window_exceeded"}
)
_REFUSED: Final = frozenset(
    {
        *("content_filter", "refusal", "safety", "recitation", "blocklist"),
        *("prohibited_content", "spii", "image_safety", "guardrail_intervened"),
    }
)
_LARGE: Final = 30_000
_TIMES: Final = 4
_LINE: Final = 200


def _ended(step: Step, words: frozenset[str]) -> str | None:
    if step.response is None:
        return None
    reasons = (each for each in step.response.finish_reasons if each.lower() in words)
    return next(reasons, None)


def answers_cut_off(run: Run, steps: Sequence[Step]) -> list[Finding]:
    """Find answers that the model was not let finish."""
    del run
    return [
        Finding(
            kind="answer_cut_off",
            confidence="certain",
            steps=(step.index,),
            text=f"The model was cut off by a limit of tokens ({reason}).",
        )
        for step in steps
        if (reason := _ended(step, _CUT)) is not None
    ]


def answers_refused(run: Run, steps: Sequence[Step]) -> list[Finding]:
    """Find answers that the provider says are refusals."""
    del run
    found = []
    for step in steps:
        reason = _ended(step, _REFUSED)
        refusal = any(part.get("type") == "refusal" for part in _parts(step))
        if reason is not None or refusal:
            found.append(
                Finding(
                    kind="answer_refused",
                    confidence="certain",
                    steps=(step.index,),
                    text=f"The model refused to answer ({reason or 'refusal'}).",
                )
            )
    return found


def _parts(step: Step) -> Iterator[Part]:
    messages = step.response.messages if step.response else ()
    for message in messages:
        yield from message.parts


def invalid_arguments(run: Run, steps: Sequence[Step]) -> list[Finding]:
    """Find tool calls of a model that the tools it was given do not allow."""
    del run
    found = []
    for step in steps:
        tools = _schemas(step)
        for part in _parts(step):
            if part.get("type") == "tool_call":
                problem = _problem(part, tools)
                if problem is not None:
                    found.append(_invalid(step, part, problem))
    return found


def _invalid(step: Step, part: Part, problem: str) -> Finding:
    arguments = part.get("arguments")
    return Finding(
        kind="invalid_arguments",
        confidence="certain",
        steps=(step.index,),
        text=f"The model asked for {part.get('name')} {problem}.",
        evidence=(f"arguments: {dump_json(arguments)[:_LINE]}",),
    )


def _schemas(step: Step) -> dict[str, JsonObject]:
    """Return the schema of each tool that the model was given, by its name."""
    tools = step.request.tools if step.request else ()
    found: dict[str, JsonObject] = {}
    for tool in tools:
        name, schema = tool.get("name"), tool.get("parameters")
        if isinstance(name, str) and tool.get("type") in {"function", None}:
            found[name] = schema if isinstance(schema, dict) else {}
    return found


def _problem(part: Part, tools: dict[str, JsonObject]) -> str | None:
    arguments = _object(part.get("arguments"))
    name = part.get("name")
    if arguments is None:
        return "with arguments that are no JSON object"
    if not isinstance(name, str) or not tools:
        return None
    if name not in tools:
        return "which is none of the tools it was given"
    required = tools[name].get("required")
    needed = required if isinstance(required, list) else []
    missing = [str(each) for each in needed if str(each) not in arguments]
    return f"without {', '.join(missing)}" if missing else None


def _object(arguments: JsonValue) -> JsonObject | None:
    if arguments is None or arguments == "":
        return {}
    if isinstance(arguments, str):
        try:
            arguments = parse_json(arguments)
        except ValueError:
            return None
    return arguments if isinstance(arguments, dict) else None


def growing_context(run: Run, steps: Sequence[Step]) -> list[Finding]:
    """Find a conversation that has become large, and where it grew most."""
    del run
    sizes = [
        (step, step.response.usage.input_tokens or 0)
        for step in steps
        if step.request is not None and step.response is not None
    ]
    if not sizes:
        return []
    first, (largest, most) = sizes[0][1], max(sizes, key=lambda each: each[1])
    if most < _LARGE or most < first * _TIMES:
        return []
    jumps = [
        (after - before, one, other)
        for (one, before), (other, after) in pairwise(sizes)
    ]
    jump, one, other = max(jumps, key=lambda each: each[0])
    return [
        Finding(
            kind="growing_context",
            confidence="certain",
            steps=(largest.index,),
            text=f"What the model is sent grew from {first} to {most} tokens.",
            evidence=(f"{jump} tokens of it from step {one.index} to {other.index}",),
        )
    ]
