"""A JSON API that the configuration says is a model's, of no known shape."""

from __future__ import annotations

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
    text,
)
from otel_agent_replay.instrument.providers.openai_completions import without_system
from otel_agent_replay.instrument.providers.parameters import ParameterTable
from otel_agent_replay.instrument.providers.request_edit import edited
from otel_agent_replay.instrument.providers.wire_body import read_body
from otel_agent_replay.model.messages import ModelRequest, ModelResponse

__all__ = ["UnknownApi"]

_TABLE: Final = ParameterTable(names={}, content=())


@dataclass(frozen=True, slots=True)
class UnknownApi:
    """Records and replays at the wire; says of the messages nothing it cannot know."""

    api: str = "unknown"
    operation: str = semconv.OP_CHAT

    def matches(self, method: str, url: SplitResult) -> bool:
        """Return False: only a declaration makes a call one of these."""
        del method, url
        return False

    def provider(self, host: str | None) -> str:
        """Return the provider that a host is known as, else the host."""
        return provider_of(host, host or "")

    def request(self, body: RequestBody, url: str) -> ModelRequest:
        """Return a chat of the host, with the model if the body names one."""
        wire = request_object(body)
        return ModelRequest(
            operation=self.operation,
            provider=self.provider(urlsplit(url).hostname),
            model=text(wire.get("model")) or None,
            stream=wire.get("stream") is True,
        )

    def response(self, body: bytes, content_type: str | None) -> ModelResponse:
        """Return id and model if the body names them, and its `error`."""
        read = read_body(body, content_type)
        wire = object_of(read.value)
        return ModelResponse(
            id=text(wire.get("id")) or None,
            model=text(wire.get("model")) or None,
            error=wire.get("error") or None,
        )

    def render_request(
        self,
        original: bytes,
        *,
        model: str | None = None,
        system: str | None = None,
        parameters: Parameters | None = None,
    ) -> bytes:
        """Return the request with `model` and top-level parameters changed."""
        return edited(
            original,
            _TABLE,
            model=model,
            system=(without_system, system),
            parameters=parameters,
        )

    def render_url(self, url: str, *, model: str) -> str:
        """Return the URL as it is."""
        del model
        return url

    def render_response(self, response: ModelResponse, *, stream: bool) -> RenderedBody:
        """Never return: the shape is not known.

        Raises:
            UnrenderableError: Always.
        """
        del response, stream
        raise UnrenderableError(self.api, "its wire form is not known")
