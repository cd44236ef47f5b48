"""GenAI attributes and the inference event of a model call."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import orjson

from otel_agent_replay import semconv
from otel_agent_replay.capture.conversations import Listable, Listed
from otel_agent_replay.model.messages import (
    Message,
    ModelRequest,
    ModelResponse,
    Usage,
)
from otel_agent_replay.model.payload import Headers, JsonValue, dump_json

__all__ = [
    "Description",
    "Plain",
    "details_event",
    "headers_in_pieces",
    "inference_attributes",
]

Plain: TypeAlias = str | bool | int | float | list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a provider codec reads off a model call; None where it reads nothing."""

    request: ModelRequest | None = None
    response: ModelResponse | None = None
    cost_usd: float | None = None


_USAGE: Final = {
    "input_tokens": semconv.USAGE_INPUT_TOKENS,
    "output_tokens": semconv.USAGE_OUTPUT_TOKENS,
    "cache_read_input_tokens": semconv.USAGE_CACHE_READ_INPUT_TOKENS,
    "cache_write_input_tokens": semconv.USAGE_CACHE_WRITE_INPUT_TOKENS,
    "reasoning_output_tokens": semconv.USAGE_REASONING_OUTPUT_TOKENS,
}


_LENGTH: Final = "content-length"


def inference_attributes(description: Description) -> dict[str, Plain]:
    """Return the span attributes of a model call, payloads left out."""
    request, response = description.request, description.response
    found: dict[str, Plain | None] = {semconv.STEP_COST: description.cost_usd}
    if request is not None:
        found |= {
            semconv.OPERATION_NAME: request.operation,
            semconv.PROVIDER_NAME: request.provider,
            semconv.REQUEST_MODEL: request.model,
            semconv.REQUEST_STREAM: request.stream or None,
            semconv.REQUEST_PREVIOUS_RESPONSE_ID: request.previous_id,
            **{name: _plain(value) for name, value in request.parameters.items()},
        }
    if response is not None:
        found |= {
            semconv.RESPONSE_ID: response.id,
            semconv.RESPONSE_MODEL: response.model,
            semconv.RESPONSE_STATUS: response.status,
            semconv.RESPONSE_FINISH_REASONS: list(response.finish_reasons) or None,
            **_usage(response.usage),
        }
    return {name: value for name, value in found.items() if value is not None}


def _usage(usage: Usage) -> dict[str, int | None]:
    return {name: getattr(usage, field) for field, name in _USAGE.items()}


def _plain(value: JsonValue) -> Plain | None:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list):
        texts = [item for item in value if isinstance(item, str)]
        if len(texts) == len(value):
            return texts
    return dump_json(value)


def details_event(
    description: Description, before: Mapping[str, Listed]
) -> tuple[dict[str, str], dict[str, Listed]]:
    """Return the attributes of `gen_ai.client.inference.operation.details`.

    First those that stand for themselves, then those that are lists; these go on from
    those of an earlier call.
    """
    request, response = description.request, description.response
    found: dict[str, str] = {}
    listed: dict[str, Listed] = {}
    if request is not None:
        for name, values in (
            (semconv.SYSTEM_INSTRUCTIONS, request.system),
            (semconv.INPUT_MESSAGES, request.messages),
            (semconv.TOOL_DEFINITIONS, request.tools),
        ):
            if not values:
                continue
            try:
                listed[name] = Listed.after(before.get(name), values, _written, _same)
            except TypeError:
                found[name] = dump_json([_json(each) for each in values])
    if response is not None and response.messages:
        said = dump_json([each.to_json() for each in response.messages])
        found[semconv.OUTPUT_MESSAGES] = said
    return found, listed


def headers_in_pieces(headers: Headers, before: Listed | None) -> Listed | None:
    """Return headers that go on from those of an earlier call; None if not UTF-8.

    They are cut around the length of the body: in most calls nothing else is new.
    """
    names = [name for name, _ in headers]
    if _LENGTH not in names:
        names = [name.lower() for name in names]
    at = names.index(_LENGTH) if _LENGTH in names else 0
    cut = (headers[:at], headers[at : at + 1], headers[at + 1 :])
    runs = tuple([each for each in cut if each])
    try:
        return Listed.after(before, runs, _dumped, operator.eq)
    except TypeError:
        return None


def _dumped(headers: Listable) -> str:
    """Return the JSON texts of neighbours in a list."""
    return orjson.dumps(headers)[1:-1].decode()


def _json(value: Listable) -> JsonValue:
    if isinstance(value, Message):
        return value.to_json()
    return [[*each] for each in value] if isinstance(value, tuple) else value


def _written(value: Listable) -> str:
    # Not `dump_json`: what this refuses decides how the whole list is written.
    return orjson.dumps(_json(value)).decode()


def _same(old: Listable, new: Listable) -> bool:
    """Whether two messages are made of the very same parts."""
    return (
        isinstance(old, Message)
        and isinstance(new, Message)
        and len(old.parts) == len(new.parts)
        and all(map(operator.is_, old.parts, new.parts))
        and not (old.extra or new.extra)
        and (old.role, old.name, old.finish_reason)
        == (new.role, new.name, new.finish_reason)
    )
