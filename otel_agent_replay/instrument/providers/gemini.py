"""Gemini `generateContent`, on Google AI and on Vertex AI."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from otel_agent_replay import semconv
from otel_agent_replay.instrument.providers.base import Parameters, RenderedBody
from otel_agent_replay.instrument.providers.gemini_answer import (
    read_answer,
    write_answer,
)
from otel_agent_replay.instrument.providers.gemini_parts import (
    camel,
    read_contents,
    read_tools,
)
from otel_agent_replay.instrument.providers.hosts import provider_of
from otel_agent_replay.instrument.providers.json_access import (
    RequestBody,
    object_of,
    objects_of,
    request_object,
    rest,
)
from otel_agent_replay.instrument.providers.json_edit import set_at
from otel_agent_replay.instrument.providers.parameters import (
    ParameterNames,
    ParameterTable,
    read_parameters,
)
from otel_agent_replay.instrument.providers.request_edit import (
    edited,
    model_in_path,
    with_model_in_path,
)
from otel_agent_replay.instrument.providers.sse import EVENT_STREAM, JSON, render_event
from otel_agent_replay.model.messages import ModelRequest, ModelResponse
from otel_agent_replay.model.payload import JsonObject, dump_json

__all__ = ["GeminiGenerateContent"]

_IN_CONFIG: Final = {
    semconv.REQUEST_MAX_TOKENS: "maxOutputTokens",
    semconv.REQUEST_CHOICE_COUNT: "candidateCount",
    semconv.REQUEST_TEMPERATURE: "temperature",
    semconv.REQUEST_TOP_P: "topP",
    semconv.REQUEST_TOP_K: "topK",
    semconv.REQUEST_STOP_SEQUENCES: "stopSequences",
    semconv.REQUEST_FREQUENCY_PENALTY: "frequencyPenalty",
    semconv.REQUEST_PRESENCE_PENALTY: "presencePenalty",
    semconv.REQUEST_SEED: "seed",
}
_NAMES: Final[ParameterNames] = {
    **{name: (("generationConfig", key),) for name, key in _IN_CONFIG.items()},
    semconv.REQUEST_REASONING_LEVEL: (
        ("generationConfig", "thinkingConfig", "thinkingLevel"),
    ),
}
_TABLE: Final = ParameterTable(
    names=_NAMES,
    content={"model", "contents", "systemInstruction", "tools"},
    container=("generationConfig",),
)
_PATH: Final = re.compile(
    r"/(?:models|tunedModels|endpoints)/(?P<model>[^/:]+)"
    r":(?:generateContent|streamGenerateContent)$",
)
_PLACE: Final = re.compile(
    r"/(?:models|tunedModels|endpoints)/(?P<model>[^/:?]+):\w*[gG]enerateContent",
)


@dataclass(frozen=True, slots=True)
class GeminiGenerateContent:
    """`POST …/models/{model}:generateContent` and `:streamGenerateContent`."""

    api: str = "gemini.generate_content"
    operation: str = semconv.OP_GENERATE_CONTENT

    def matches(self, method: str, url: SplitResult) -> bool:
        """Return whether this generates content."""
        return method.upper() == "POST" and _PATH.search(url.path) is not None

    def provider(self, host: str | None) -> str:
        """Return who answers at a host; `gcp.gen_ai` where that is not known."""
        return provider_of(host, "gcp.gen_ai")

    def request(self, body: RequestBody, url: str) -> ModelRequest:
        """Return the reading of a request; the model is in the URL."""
        wire, split = _spelled(request_object(body)), urlsplit(url)
        system = read_contents(wire.get("systemInstruction"))
        return ModelRequest(
            operation=self.operation,
            provider=self.provider(split.hostname),
            model=model_in_path(split.path, _PLACE),
            system=tuple(part for message in system for part in message.parts),
            messages=read_contents(wire.get("contents")),
            tools=read_tools(wire.get("tools")),
            parameters=read_parameters(wire, _TABLE),
            stream=split.path.endswith(":streamGenerateContent"),
        )

    def response(self, body: bytes, content_type: str | None) -> ModelResponse:
        """Return the reading of an answer: whole, as events, or as a JSON array."""
        return read_answer(body, content_type)

    def render_request(
        self,
        original: bytes,
        *,
        model: str | None = None,
        system: str | None = None,
        parameters: Parameters | None = None,
    ) -> bytes:
        """Return the request with changes; the model stands in the URL."""
        return edited(
            original,
            _TABLE,
            model=model,
            system=(_with_system, system),
            parameters=parameters,
        )

    def render_url(self, url: str, *, model: str) -> str:
        """Return the URL with the model changed."""
        return with_model_in_path(url, _PLACE, model)

    def render_response(self, response: ModelResponse, *, stream: bool) -> RenderedBody:
        """Return an answer, or its events as `alt=sse` asks for them."""
        wire = write_answer(response)
        if not stream or ("candidates" not in wire and "error" in wire):
            return RenderedBody(JSON, (dump_json(wire).encode(),))
        chunks = tuple(_chunks(wire, complete=response.complete))
        return RenderedBody(EVENT_STREAM, chunks)


def _spelled(wire: JsonObject) -> JsonObject:
    """Return the request with the keys that are read in camel case."""
    body = camel(wire)
    config = camel(object_of(body.get("generationConfig")))
    if thinking := config.get("thinkingConfig"):
        config["thinkingConfig"] = camel(object_of(thinking))
    return {**body, "generationConfig": config} if config else body


def _with_system(content: str, wire: JsonObject, instructions: str) -> str:
    key = "system_instruction" if "system_instruction" in wire else "systemInstruction"
    return set_at(content, (key,), {"parts": [{"text": instructions}]})


_LAST: Final = frozenset({"usageMetadata", "promptFeedback"})


def _chunks(wire: JsonObject, *, complete: bool) -> Iterator[bytes]:
    """Yield one event a part, then one with the reasons and the usage."""
    head = rest(wire, {"candidates", "error", *_LAST})
    candidates = objects_of(wire.get("candidates"))
    for candidate in candidates:
        content = object_of(candidate.get("content"))
        for part in objects_of(content.get("parts")):
            said: JsonObject = {"content": {**content, "parts": [part]}}
            said["index"] = candidate["index"]
            yield render_event({**head, "candidates": [said]})
    if "error" in wire:
        yield render_event({"error": wire["error"]})
    if complete:
        last = [rest(each, {"content"}) for each in candidates]
        feet = {key: wire[key] for key in _LAST if key in wire}
        yield render_event({**head, "candidates": list(last), **feet})
