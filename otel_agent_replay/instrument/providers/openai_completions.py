"""OpenAI's completions before chat, still spoken by vLLM and others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from otel_agent_replay import semconv
from otel_agent_replay.instrument.providers import finish
from otel_agent_replay.instrument.providers.base import Parameters, RenderedBody
from otel_agent_replay.instrument.providers.hosts import provider_of
from otel_agent_replay.instrument.providers.json_access import (
    RequestBody,
    objects_of,
    request_object,
    rest,
    text,
)
from otel_agent_replay.instrument.providers.openai_answer import (
    DEPLOYMENT,
    PARAMETERS,
    choice_extra,
    envelope,
    read_answer,
)
from otel_agent_replay.instrument.providers.openai_chat_stream import rendered_end
from otel_agent_replay.instrument.providers.parameters import (
    ParameterTable,
    read_parameters,
)
from otel_agent_replay.instrument.providers.parts import (
    other_part,
    text_content,
    text_part,
)
from otel_agent_replay.instrument.providers.request_edit import (
    edited,
    model_in_path,
    with_model_in_path,
)
from otel_agent_replay.instrument.providers.sse import EVENT_STREAM, JSON, render_event
from otel_agent_replay.model.messages import Message, ModelRequest, ModelResponse, Part
from otel_agent_replay.model.payload import JsonObject, JsonValue, dump_json

__all__ = ["OpenAICompletions", "input_parts", "without_system"]

_TABLE: Final = ParameterTable(
    names=PARAMETERS,
    content={"model", "prompt", "stream"},
)
_PATH: Final = re.compile(
    r"(?:^|/(?:v\d\w*|beta|openai|deployments/[^/]+))/completions$"
)


@dataclass(frozen=True, slots=True)
class OpenAICompletions:
    """`POST …/v1/completions`."""

    api: str = "openai.completions"
    operation: str = semconv.OP_TEXT_COMPLETION

    def matches(self, method: str, url: SplitResult) -> bool:
        """Return whether this is a completion."""
        return method.upper() == "POST" and _PATH.search(url.path) is not None

    def provider(self, host: str | None) -> str:
        """Return who answers at a host; `openai` where that is not known."""
        return provider_of(host, "openai")

    def request(self, body: RequestBody, url: str) -> ModelRequest:
        """Return the reading of a request; each prompt is a part."""
        wire, split = request_object(body), urlsplit(url)
        parts = input_parts(wire.get("prompt"))
        return ModelRequest(
            operation=self.operation,
            provider=self.provider(split.hostname),
            model=text(wire.get("model")) or model_in_path(split.path, DEPLOYMENT),
            messages=(Message(role="user", parts=tuple(parts)),) if parts else (),
            parameters=read_parameters(wire, _TABLE),
            stream=wire.get("stream") is True,
        )

    def response(self, body: bytes, content_type: str | None) -> ModelResponse:
        """Return the reading of a completion, whole or streamed."""
        return read_answer(body, content_type)

    def render_request(
        self,
        original: bytes,
        *,
        model: str | None = None,
        system: str | None = None,
        parameters: Parameters | None = None,
    ) -> bytes:
        """Return the request with changes; there are no system instructions here."""
        return edited(
            original,
            _TABLE,
            model=model,
            system=(without_system, system),
            parameters=parameters,
        )

    def render_url(self, url: str, *, model: str) -> str:
        """Return the URL with Azure's deployment changed."""
        return with_model_in_path(url, DEPLOYMENT, model)

    def render_response(self, response: ModelResponse, *, stream: bool) -> RenderedBody:
        """Return a completion, or its chunks; only texts can be said."""
        choices = [_write_choice(response, n) for n in range(len(response.messages))]
        wire = envelope(response, "text_completion", choices)
        if not stream or (not response.messages and response.error is not None):
            return RenderedBody(JSON, (dump_json(wire).encode(),))
        chunks = tuple(_chunks(wire, complete=response.complete))
        return RenderedBody(EVENT_STREAM, chunks)


def input_parts(value: JsonValue) -> list[Part]:
    """Return the parts of a text, texts, tokens, or lists of tokens."""
    if value is None:
        return []
    if isinstance(value, list) and any(isinstance(each, str) for each in value):
        return [_input_part(each) for each in value]
    return [_input_part(value)]


def _input_part(value: JsonValue) -> Part:
    if isinstance(value, str):
        return text_part(value)
    if isinstance(value, list):
        return {"type": "tokens", "content": value}
    return other_part(value)


def without_system(content: str, wire: JsonObject, instructions: str) -> str:
    """Return the text as it is: this API has no place for instructions."""
    del wire, instructions
    return content


def _write_choice(response: ModelResponse, position: int) -> JsonObject:
    message = response.messages[position]
    return {
        "logprobs": None,
        **choice_extra(message),
        "index": position,
        "text": text_content(message.parts, "text"),
        "finish_reason": finish.wire_word(response, position, finish.CHAT),
    }


def _chunks(wire: JsonObject, *, complete: bool) -> Iterator[bytes]:
    head = rest(wire, {"choices", "usage", "error"})
    for choice in objects_of(wire["choices"]):
        said = {**choice, "finish_reason": None}
        yield render_event({**head, "choices": [said]})
        if complete:
            last = {"index": choice["index"], "text": "", "logprobs": None}
            last["finish_reason"] = choice["finish_reason"]
            yield render_event({**head, "choices": [last]})
    yield from rendered_end(wire, head, complete=complete)
