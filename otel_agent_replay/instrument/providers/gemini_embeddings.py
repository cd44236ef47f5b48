"""Gemini embeddings: `embedContent` and `batchEmbedContents`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from otel_agent_replay import semconv
from otel_agent_replay.errors import UnrenderableError
from otel_agent_replay.instrument.providers.base import Parameters, RenderedBody
from otel_agent_replay.instrument.providers.gemini_parts import camel, read_contents
from otel_agent_replay.instrument.providers.hosts import provider_of
from otel_agent_replay.instrument.providers.json_access import (
    RequestBody,
    object_of,
    objects_of,
    request_object,
    rest,
)
from otel_agent_replay.instrument.providers.openai_completions import without_system
from otel_agent_replay.instrument.providers.parameters import (
    ParameterTable,
    read_parameters,
)
from otel_agent_replay.instrument.providers.request_edit import (
    edited,
    model_in_path,
    with_model_in_path,
)
from otel_agent_replay.instrument.providers.wire_body import (
    error_of,
    read_body,
    unreadable,
)
from otel_agent_replay.model.messages import ModelRequest, ModelResponse

__all__ = ["GeminiEmbeddings"]

_TABLE: Final = ParameterTable(
    names={},
    content={"model", "content", "requests"},
)
_PATH: Final = re.compile(
    r"/models/(?P<model>[^/:?]+):(?:embedContent|batchEmbedContents)(?=$|\?)",
)
_ENVELOPE: Final = frozenset({"embedding", "embeddings", "error"})


@dataclass(frozen=True, slots=True)
class GeminiEmbeddings:
    """`POST …/models/{model}:embedContent`. Vectors are left to the recorded bytes."""

    api: str = "gemini.embeddings"
    operation: str = semconv.OP_EMBEDDINGS

    def matches(self, method: str, url: SplitResult) -> bool:
        """Return whether this asks for embeddings."""
        return method.upper() == "POST" and _PATH.search(url.path) is not None

    def provider(self, host: str | None) -> str:
        """Return who answers at a host; `gcp.gen_ai` where that is not known."""
        return provider_of(host, "gcp.gen_ai")

    def request(self, body: RequestBody, url: str) -> ModelRequest:
        """Return the reading of a request; each content is a message.

        Parameters are those of the first content: SDKs send the same with each.
        """
        wire, split = camel(request_object(body)), urlsplit(url)
        requests = [camel(each) for each in objects_of(wire.get("requests"))] or [wire]
        return ModelRequest(
            operation=self.operation,
            provider=self.provider(split.hostname),
            model=model_in_path(split.path, _PATH),
            messages=tuple(
                message
                for each in requests
                for message in read_contents(each.get("content"))
            ),
            parameters=read_parameters(requests[0], _TABLE),
        )

    def response(self, body: bytes, content_type: str | None) -> ModelResponse:
        """Return the error, if it is one; no vectors."""
        read = read_body(body, content_type)
        if read.kind != "json":
            return unreadable(read)
        wire = object_of(read.value)
        return ModelResponse(
            error=error_of(wire, ("embedding", "embeddings")),
            extra=rest(wire, _ENVELOPE),
        )

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
        """Return the URL with the model changed."""
        return with_model_in_path(url, _PATH, model)

    def render_response(self, response: ModelResponse, *, stream: bool) -> RenderedBody:
        """Never return: vectors cannot be made from messages.

        Raises:
            UnrenderableError: Always.
        """
        del response, stream
        raise UnrenderableError(self.api, "it is vectors, which no message holds")
