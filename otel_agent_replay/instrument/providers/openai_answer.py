"""What Chat Completions and the completions before them have in common."""

from __future__ import annotations

import re
from typing import Final

from otel_agent_replay import semconv
from otel_agent_replay.instrument.providers import finish
from otel_agent_replay.instrument.providers.json_access import (
    object_of,
    rest,
    sequence,
    text,
)
from otel_agent_replay.instrument.providers.openai_chat_messages import read_message
from otel_agent_replay.instrument.providers.openai_chat_stream import NOISE, assembled
from otel_agent_replay.instrument.providers.openai_usage import CHAT_USAGE
from otel_agent_replay.instrument.providers.parameters import ParameterNames
from otel_agent_replay.instrument.providers.parts import text_part
from otel_agent_replay.instrument.providers.wire_body import (
    WireBody,
    error_of,
    read_body,
    unreadable,
)
from otel_agent_replay.model.messages import Message, ModelResponse
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = ["DEPLOYMENT", "PARAMETERS", "choice_extra", "envelope", "read_answer"]

PARAMETERS: Final[ParameterNames] = {
    semconv.REQUEST_MAX_TOKENS: (
        ("max_completion_tokens",),
        ("max_tokens",),
        ("max_output_tokens",),
    ),
    semconv.REQUEST_CHOICE_COUNT: (("n",),),
    semconv.REQUEST_TEMPERATURE: (("temperature",),),
    semconv.REQUEST_TOP_P: (("top_p",),),
    semconv.REQUEST_TOP_K: (("top_k",),),
    semconv.REQUEST_STOP_SEQUENCES: (("stop",),),
    semconv.REQUEST_FREQUENCY_PENALTY: (("frequency_penalty",),),
    semconv.REQUEST_PRESENCE_PENALTY: (("presence_penalty",),),
    semconv.REQUEST_SEED: (("seed",), ("random_seed",)),
    semconv.REQUEST_REASONING_LEVEL: (("reasoning_effort",), ("reasoning", "effort")),
    semconv.REQUEST_ENCODING_FORMATS: (("encoding_format",),),
}
DEPLOYMENT: Final = re.compile(r"/deployments/(?P<model>[^/?#]+)/")
"""Where Azure names the model."""

_ANSWER_KEYS: Final = ("choices", "usage")
_ENVELOPE: Final = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "error", *NOISE},
)
_CHOICE: Final = frozenset({"index", "message", "text", "finish_reason"})


def read_answer(body: bytes, content_type: str | None) -> ModelResponse:
    """Return the reading of a completion, whole or streamed."""
    read = read_body(body, content_type)
    if read.kind == "text":
        return unreadable(read)
    wire, complete = _plain(read)
    choices = [choice for choice in sequence(wire.get("choices")) if choice]
    reasons = [text(object_of(each).get("finish_reason")) or "" for each in choices]
    usage = _usage_of(wire)
    extra = rest(wire, _ENVELOPE)
    if beyond := CHAT_USAGE.beyond(usage):
        extra["usage"] = beyond
    return ModelResponse(
        id=text(wire.get("id")) or None,
        model=text(wire.get("model")) or None,
        messages=tuple(map(_read_choice, choices)),
        finish_reasons=tuple(reasons) if any(reasons) else (),
        usage=CHAT_USAGE.read(usage),
        error=error_of(wire, _ANSWER_KEYS),
        complete=complete,
        extra=extra,
    )


def _plain(read: WireBody) -> tuple[JsonObject, bool]:
    """Return the body in its unstreamed form, and whether it is whole.

    Some servers end a stream without `[DONE]`; with all finish reasons there,
    the answer is whole all the same.
    """
    if read.kind == "json":
        return object_of(read.value), True
    stream = assembled(read.objects)
    return stream.wire, stream.finished or (read.ended and bool(stream.wire))


def _usage_of(wire: JsonObject) -> JsonValue:
    """Return the token counts; Groq's streams have them one level deeper."""
    return wire.get("usage") or object_of(wire.get("x_groq")).get("usage")


def _read_choice(wire: JsonValue) -> Message:
    choice = object_of(wire)
    said = choice.get("message")
    if isinstance(said, dict):
        message = read_message(said)
    else:
        written = choice.get("text")
        parts = () if written is None else (text_part(written),)
        message = Message(role="assistant", parts=parts)
    extra = rest(choice, _CHOICE)
    return Message(
        role=message.role or "assistant",
        parts=message.parts,
        name=message.name,
        finish_reason=finish.convention_word(
            text(choice.get("finish_reason")), finish.CHAT
        ),
        extra={**message.extra, "choice": extra} if extra else message.extra,
    )


def choice_extra(message: Message) -> JsonObject:
    """Return what a choice says beside its message."""
    return object_of(message.extra.get("choice"))


def envelope(
    response: ModelResponse,
    kind: str,
    choices: list[JsonObject],
) -> JsonObject:
    """Return the body around the choices, with SDKs' required keys."""
    failure: JsonObject = {} if response.error is None else {"error": response.error}
    if failure and not response.messages:
        return failure
    extra = {key: value for key, value in response.extra.items() if key != "usage"}
    wire: JsonObject = {
        **extra,
        **failure,
        "id": response.id or "",
        "object": kind,
        "created": 0,
        "model": response.model or "",
        "choices": list(choices),
    }
    usage = CHAT_USAGE.write(response.usage, response.extra.get("usage"))
    return wire if usage is None else {**wire, "usage": usage}
