"""What a provider codec promises.

A codec is pure: no I/O, no clock, no SDK. It may meet anything on the wire, so
reading never raises: what can be read is returned, the rest is left to the bytes
that are recorded beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol
from urllib.parse import SplitResult

from otel_agent_replay.instrument.providers.json_access import RequestBody
from otel_agent_replay.model.messages import ModelRequest, ModelResponse
from otel_agent_replay.model.payload import JsonValue

__all__ = ["Parameters", "ProviderCodec", "RenderedBody"]

Parameters = Mapping[str, JsonValue]


class RenderedBody(NamedTuple):
    """A response body, written: its content type, and its pieces.

    A plain body is one piece; a stream has one piece an event.
    """

    content_type: str
    chunks: tuple[bytes, ...]


class ProviderCodec(Protocol):
    """Wire JSON of one model API to GenAI messages, and back."""

    @property
    def api(self) -> str:
        """The API's name, such as `openai.chat`."""
        ...

    @property
    def operation(self) -> str:
        """The GenAI operation of its calls; `request` may say it more exactly."""
        ...

    def matches(self, method: str, url: SplitResult) -> bool:
        """Return whether a request is one of this API, by method and URL alone."""
        ...

    def provider(self, host: str | None) -> str:
        """Return the GenAI provider name of a host."""
        ...

    def request(self, body: RequestBody, url: str) -> ModelRequest:
        """Return the reading of a request; never raises.

        What it makes of a shared object of the body's lists is one object too, if
        it is asked for again: a growing conversation costs what is new.

        Nothing in messages and tools is lost: keys that the convention has no
        place for stand beside its own in the part, tool or message.
        """
        ...

    def response(self, body: bytes, content_type: str | None) -> ModelResponse:
        """Return the reading of a response, whole or streamed; never raises.

        An error body, of JSON or not, gives `error`. A stream without its end
        gives what had come, with `complete` false.
        """
        ...

    def render_request(
        self,
        original: bytes,
        *,
        model: str | None = None,
        system: str | None = None,
        parameters: Parameters | None = None,
    ) -> bytes:
        """Return a wire request with model, system instructions or parameters changed.

        All other bytes stay as they are. A parameter is named as in
        `ModelRequest.parameters` or as on the wire; None takes it away. A body
        that is no JSON object is returned unchanged.
        """
        ...

    def render_url(self, url: str, *, model: str) -> str:
        """Return the URL with the model changed where it names one, else as it is."""
        ...

    def render_response(self, response: ModelResponse, *, stream: bool) -> RenderedBody:
        """Return a body from which this API's SDK makes that response.

        Reading it back gives an equal response, except for what the wire has no
        words for; a stream that is not `complete` breaks off in the same way.

        Raises:
            UnrenderableError: Its answers are not messages (vectors, unknown APIs).
        """
        ...
