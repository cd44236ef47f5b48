"""A step as a page of text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rich.text import Text

from otel_agent_replay import semconv
from otel_agent_replay.cli.step_line import marks, title
from otel_agent_replay.cli.terminal import Screen, text
from otel_agent_replay.cli.wording import duration, money, short_json
from otel_agent_replay.model.messages import Message, ModelRequest, Part, Usage
from otel_agent_replay.model.payload import Headers, JsonValue
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step

__all__ = ["print_messages", "print_step"]

_VALUE: Final = 20_000
_INDENT: Final = "    "
_ROLE_STYLES: Final = {
    "system": "yellow",
    "user": "green",
    "assistant": "magenta",
    "tool": "cyan",
}


def print_step(screen: Screen, run: Run, step: Step, *, wire: bool) -> None:
    """Print a step: its facts, what was asked, what came back.

    Args:
        screen: Where to.
        run: The run it belongs to.
        step: The step.
        wire: Whether to print the HTTP exchange besides, to the letter.
    """
    head = f"step {step.index}  {step.call.kind}  {title(step)}"
    screen.print(text(head, "bold"))
    for name, value in _facts(run, step):
        _print_field(screen, name, value)
    if step.request is not None:
        _print_request(screen, step.request)
    else:
        _print_value(screen, "asked", step.call.arguments)
    _print_answer(screen, step)
    if wire:
        _print_wire(screen, step)


def _facts(run: Run, step: Step) -> list[tuple[str, str]]:
    usage = step.response.usage if step.response else Usage()
    call_id = step.call.attributes.get(semconv.TOOL_CALL_ID)
    inside = run.steps[step.parent] if step.parent is not None else None
    facts = [
        ("call", step.call.name if step.request else ""),
        ("call id", call_id if isinstance(call_id, str) else ""),
        ("inside", f"step {inside.index} {inside.call.name}" if inside else ""),
        ("took", duration(step.duration_ns)),
        ("tokens", _tokens(usage)),
        ("cost", money(step.cost_usd) if step.cost_usd is not None else ""),
        ("marks", marks(step)),
        *(("gap", gap.text) for gap in run.gaps if gap.step == step.index),
    ]
    return [fact for fact in facts if fact[1]]


def _tokens(usage: Usage) -> str:
    figures = [
        (usage.input_tokens, "in"),
        (usage.cache_read_input_tokens, "cached"),
        (usage.cache_write_input_tokens, "written to the cache"),
        (usage.output_tokens, "out"),
        (usage.reasoning_output_tokens, "reasoning"),
    ]
    return ", ".join(f"{number} {word}" for number, word in figures if number)


def _print_request(screen: Screen, request: ModelRequest) -> None:
    shown = {k.removeprefix(semconv.REQUEST_PREFIX): v for k, v in _parameters(request)}
    _print_field(screen, "parameters", short_json(shown or None, _VALUE))
    _print_field(screen, "goes on from", request.previous_id or "")
    _print_field(screen, "tools", ", ".join(_tool_names(request)))
    if request.system:
        print_messages(screen, [Message(role="system", parts=request.system)])
    print_messages(screen, request.messages)


def _parameters(request: ModelRequest) -> Iterable[tuple[str, JsonValue]]:
    return request.parameters.items()


def _tool_names(request: ModelRequest) -> list[str]:
    return [str(each.get("name") or each.get("type") or "?") for each in request.tools]


def _print_answer(screen: Screen, step: Step) -> None:
    outcome, response = step.outcome, step.response
    if response is not None and response.messages:
        _print_label(screen, "answered")
        print_messages(screen, response.messages)
        _print_field(screen, "finished", ", ".join(response.finish_reasons))
    elif outcome.response is not None:
        _print_field(screen, "status", f"{outcome.response.status}")
        body = outcome.response.body.decode(errors="replace")
        _print_value(screen, "answered", body)
    elif outcome.items is not None:
        _print_value(screen, "yielded", list(outcome.items))
    elif outcome.error is None:
        _print_value(screen, "answered", outcome.value)
    if outcome.error is not None:
        error = outcome.error
        _print_field(screen, "raised", f"{error.type_name}: {error.message}", "red")
        if error.stacktrace:
            screen.print(text(_indented(error.stacktrace), "dim", lines=True))


def print_messages(screen: Screen, messages: Iterable[Message]) -> None:
    """Print messages, each under its role."""
    for message in messages:
        name = f"{message.role} {message.name or ''}".strip()
        screen.print(text(f"  {name}", _ROLE_STYLES.get(message.role, "bold")))
        for part in message.parts:
            screen.print(text(_indented(_part(part)), lines=True))


def _part(part: Part) -> str:
    kind = part.get("type")
    if kind == "text" and isinstance(part.get("content"), str):
        return str(part["content"])
    if kind == "tool_call":
        arguments = short_json(part.get("arguments"), _VALUE)
        return f"→ {part.get('name')} {arguments}  {part.get('id') or ''}".rstrip()
    if kind == "tool_call_response":
        result = part.get("response", part.get("result"))
        return f"← {part.get('id') or ''} {_value(result)}"
    return _value(part)


def _print_wire(screen: Screen, step: Step) -> None:
    request, response = step.call.request, step.outcome.response
    if request is not None:
        _print_label(screen, f"sent: {request.method} {request.url}")
        _print_http(screen, request.headers, request.body)
    if response is not None:
        parts = f"{len(response.chunks)} pieces"
        _print_label(screen, f"received: {response.status} {response.reason}, {parts}")
        _print_http(screen, response.headers, response.body)


def _print_http(screen: Screen, headers: Headers, body: bytes) -> None:
    lines = [f"{name}: {value}" for name, value in headers]
    screen.print(text(_indented("\n".join(lines)), "dim", lines=True))
    screen.print(text(_indented(body.decode(errors="replace")), lines=True))


def _print_value(screen: Screen, name: str, value: JsonValue) -> None:
    if value is not None:
        _print_label(screen, name)
        screen.print(text(_indented(_value(value)), lines=True))


def _value(value: JsonValue) -> str:
    return value if isinstance(value, str) else short_json(value, _VALUE)


def _print_field(screen: Screen, name: str, value: str, style: str = "") -> None:
    if value:
        screen.print(Text.assemble((f"  {name:<11}", "dim"), text(value, style)))


def _print_label(screen: Screen, name: str) -> None:
    screen.print(text(f"  {name}", "dim"))


def _indented(content: str) -> str:
    return "\n".join(f"{_INDENT}{line}" for line in content.rstrip().split("\n"))
