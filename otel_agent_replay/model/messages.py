"""GenAI messages: what a provider codec makes of wire JSON.

Shapes follow `docs/gen-ai/non-normative/models.py` of
open-telemetry/semantic-conventions-genai at 11a29df. A part is a JSON object
with a `type`; keys the convention does not know are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = ["Message", "ModelRequest", "ModelResponse", "Part", "Usage"]

Part: TypeAlias = JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: `system`, `user`, `assistant`, `tool`, or what the provider says.
        parts: `text`, `reasoning`, `tool_call`, `tool_call_response`, `blob`,
            `file`, `uri`, `compaction`, … as the convention has them.
        name: The participant's name.
        finish_reason: Why the model stopped; output messages only.
        extra: Keys of the wire message that the convention has no place for.
    """

    role: str
    parts: tuple[Part, ...] = ()
    name: str | None = None
    finish_reason: str | None = None
    extra: JsonObject = field(default_factory=dict)

    def to_json(self) -> JsonObject:
        """Return the convention's JSON form; `extra` keys stand beside its own."""
        result: JsonObject = {"role": self.role, "parts": list(self.parts)}
        if self.name is not None:
            result["name"] = self.name
        if self.finish_reason is not None:
            result["finish_reason"] = self.finish_reason
        return {**self.extra, **result}

    @classmethod
    def from_json(cls, value: JsonValue) -> Message:
        """Return the message of its JSON form; what is malformed is kept in `extra`."""
        if not isinstance(value, dict):
            return cls(role="", extra={"value": value})
        known = {"role", "parts", "name", "finish_reason"}
        parts = value.get("parts")
        name, reason = value.get("name"), value.get("finish_reason")
        return cls(
            role=str(value.get("role", "")),
            parts=tuple(part for part in parts if isinstance(part, dict))
            if isinstance(parts, list)
            else (),
            name=name if isinstance(name, str) else None,
            finish_reason=reason if isinstance(reason, str) else None,
            extra={key: item for key, item in value.items() if key not in known},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one model call; None where the provider did not say.

    `input_tokens` includes cached and cache-written ones, `output_tokens`
    includes reasoning, as the GenAI conventions define them.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    reasoning_output_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """A request to a model, read off the wire.

    Attributes:
        operation: GenAI operation name (`semconv.OP_CHAT`, …).
        provider: GenAI provider name, such as `openai`.
        model: The model asked for; None if the request names none.
        system: System instructions that stand apart from the messages.
        messages: The messages sent, in order; only the new ones if `previous_id`
            is set.
        tools: Tool definitions as sent, in the convention's form.
        parameters: Sampling and output parameters, by `semconv.REQUEST_*` name.
        previous_id: Response whose conversation this request continues.
        stream: Whether a stream was asked for.
    """

    operation: str
    provider: str
    model: str | None = None
    system: tuple[Part, ...] = ()
    messages: tuple[Message, ...] = ()
    tools: tuple[JsonObject, ...] = ()
    parameters: JsonObject = field(default_factory=dict)
    previous_id: str | None = None
    stream: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelResponse:
    """A model's response, read off the wire, assembled if it was streamed.

    Attributes:
        id: The provider's response id.
        model: The model that answered.
        messages: One message a choice.
        finish_reasons: One a choice, in the provider's own words.
        usage: The tokens.
        status: The provider's word for the state of a stored or background answer.
        error: The provider's error object, where the response is one.
        complete: False when a stream broke off before its end.
        extra: Keys of the wire response that the convention has no place for;
            under `usage`, token counts beyond those of `Usage`.
    """

    id: str | None = None
    model: str | None = None
    messages: tuple[Message, ...] = ()
    finish_reasons: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)
    status: str | None = None
    error: JsonValue = None
    complete: bool = True
    extra: JsonObject = field(default_factory=dict)
