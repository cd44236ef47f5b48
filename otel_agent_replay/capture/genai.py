"""GenAI attributes and the inference event of a model call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from otel_agent_replay import semconv
from otel_agent_replay.model.messages import ModelRequest, ModelResponse, Usage
from otel_agent_replay.model.payload import JsonValue, dump_json

__all__ = ["Description", "Plain", "details_event", "inference_attributes"]

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


def details_event(description: Description) -> dict[str, str]:
    """Return the attributes of `gen_ai.client.inference.operation.details`."""
    request, response = description.request, description.response
    found: dict[str, JsonValue] = {}
    if request is not None:
        found[semconv.SYSTEM_INSTRUCTIONS] = list(request.system)
        found[semconv.INPUT_MESSAGES] = [each.to_json() for each in request.messages]
        found[semconv.TOOL_DEFINITIONS] = list(request.tools)
    if response is not None:
        found[semconv.OUTPUT_MESSAGES] = [each.to_json() for each in response.messages]
    return {name: dump_json(value) for name, value in found.items() if value}
