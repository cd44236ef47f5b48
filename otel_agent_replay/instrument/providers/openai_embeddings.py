"""OpenAI embeddings, and every server that speaks them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from otel_agent_replay import semconv
from otel_agent_replay.errors import UnrenderableError
from otel_agent_replay.instrument.providers.base import Parameters, RenderedBody
from otel_agent_replay.instrument.providers.hosts import provider_of
from otel_agent_replay.instrument.providers.json_access import (
    RequestBody,
    object_of,
    request_object,
    rest,
    text,
)
from otel_agent_replay.instrument.providers.openai_answer import DEPLOYMENT, PARAMETERS
from otel_agent_replay.instrument.providers.openai_completions import (
    input_parts,
    without_system,
)
from otel_agent_replay.instrument.providers.openai_usage import CHAT_USAGE
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
from otel_agent_replay.model.messages import Message, ModelRequest, ModelResponse

__all__ = ["OpenAIEmbeddings"]

_TABLE: Final = ParameterTable(names=PARAMETERS, content={"model", "input"})
_PATH: Final = re.compile(r"(?:^|/(?:v\d\w*|openai|deployments/[^/]+))/embeddings$")
_ENVELOPE: Final = frozenset({"id", "object", "model", "data", "usage", "error"})


@dataclass(frozen=True, slots=True)
class OpenAIEmbeddings:
    """`POST …/v1/embeddings`. Vectors are left to the recorded bytes."""

    api: str = "openai.embeddings"
    operation: str = semconv.OP_EMBEDDINGS

    def matches(self, method: str, url: SplitResult) -> bool:
        """Return whether this asks for embeddings."""
        return method.upper() == "POST" and _PATH.search(url.path) is not None

    def provider(self, host: str | None) -> str:
        """Return who answers at a host; `openai` where that is not known."""
        return provider_of(host, "openai")

    def request(self, body: RequestBody, url: str) -> ModelRequest:
        """Return the reading of a request; each input is a part."""
        wire, split = request_object(body), urlsplit(url)
        parts = input_parts(wire.get("input"))
        return ModelRequest(
            operation=self.operation,
            provider=self.provider(split.hostname),
            model=text(wire.get("model")) or model_in_path(split.path, DEPLOYMENT),
            messages=(Message(role="user", parts=tuple(parts)),) if parts else (),
            parameters=read_parameters(wire, _TABLE),
        )

    def response(self, body: bytes, content_type: str | None) -> ModelResponse:
        """Return id, model, usage and error; no vectors."""
        read = read_body(body, content_type)
        if read.kind != "json":
            return unreadable(read)
        wire = object_of(read.value)
        extra = rest(wire, _ENVELOPE)
        if beyond := CHAT_USAGE.beyond(wire.get("usage")):
            extra["usage"] = beyond
        return ModelResponse(
            id=text(wire.get("id")) or None,
            model=text(wire.get("model")) or None,
            usage=CHAT_USAGE.read(wire.get("usage")),
            error=error_of(wire, ("data",)),
            extra=extra,
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
        """Return the URL with Azure's deployment changed."""
        return with_model_in_path(url, DEPLOYMENT, model)

    def render_response(self, response: ModelResponse, *, stream: bool) -> RenderedBody:
        """Never return: vectors cannot be made from messages.

        Raises:
            UnrenderableError: Always.
        """
        del response, stream
        raise UnrenderableError(self.api, "it is vectors, which no message holds")
